package main

/*
#include "go.h"
*/
import "C"

import (
	"virgldrm/core"
	"virgldrm/drm"
)

//export vd_go_ctx_attach_resource
func vd_go_ctx_attach_resource(ctx, res C.int) C.enum_vd_attach {
	defer contain(nil)
	switch enter().Attach(uint32(ctx), uint32(res)) {
	case nil:
		return C.VD_ATTACHED
	case core.ErrTheirs:
		return C.VD_ATTACH_THEIRS
	case core.ErrNotLent:
		return C.VD_WANTS_DMABUF
	case core.ErrNotShared:
		return C.VD_WANTS_IMPORT
	}
	return C.VD_ATTACHED // an unknown id, which nobody is told
}

//export vd_go_lend
func vd_go_lend(res C.uint32_t, fd C.int) {
	defer contain(nil)
	enter().Lend(uint32(res), drm.NewFD(int(fd)))
}

//export vd_go_share
func vd_go_share(res C.uint32_t, fdType *C.uint32_t, size *C.uint64_t) (ret C.int) {
	defer contain(&ret)
	fd, kind, n, err := enter().Share(uint32(res))
	if err != nil {
		refusals.Debugf("share: %v", err)
		return -1
	}
	*fdType, *size = C.uint32_t(kind), C.uint64_t(n)
	return C.int(fd.Num())
}

//export vd_go_shared
func vd_go_shared(res C.uint32_t) {
	defer contain(nil)
	enter().MarkShared(uint32(res))
}
