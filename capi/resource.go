package main

/*
#include "go.h"
#include <sys/uio.h>
*/
import "C"

import (
	"errors"
	"syscall"
	"unsafe"

	"virgldrm/core"
	"virgldrm/resources"
)

const (
	einval   = C.int(syscall.EINVAL)
	modNone  = 0x00ffffffffffffff // DRM_FORMAT_MOD_INVALID, from the kernel's drm_fourcc.h
	exportSz = C.sizeof_struct_virgl_renderer_export_query
	structSz = C.sizeof_struct_virgl_renderer_supported_structures
)

// iovec keeps the embedder's array by address; it stays the embedder's.
func iovec(iov *C.struct_iovec, n C.uint32_t) resources.Iov {
	return resources.Iov{Base: uintptr(unsafe.Pointer(iov)), Count: uint32(n)}
}

// refused is -EINVAL for what a debug line explains.
func refused(what string, err error) C.int {
	if err != core.ErrTheirs {
		refusals.Debugf("%s: %v", what, err)
	}
	return -invalid(err)
}

//export vd_go_resource_create
func vd_go_resource_create(args *C.struct_virgl_renderer_resource_create_args, iov *C.struct_iovec, n C.uint32_t) (ret C.int) {
	defer contain(&ret)
	r := enter()
	if args == nil || args.handle == 0 {
		return einval
	}
	return created(r.CreateClassic(uint32(args.handle), iovec(iov, n)))
}

//export vd_go_resource_import_eglimage
func vd_go_resource_import_eglimage(args *C.struct_virgl_renderer_resource_create_args, _ unsafe.Pointer) (ret C.int) {
	defer contain(&ret)
	r := enter()
	if args == nil || args.handle == 0 {
		return einval
	}
	return created(r.ImportImage(uint32(args.handle)))
}

func created(err error) C.int {
	if errors.Is(err, core.ErrInUse) {
		return -einval
	}
	return invalid(err)
}

//export vd_go_resource_create_blob
func vd_go_resource_create_blob(args *C.vd_const_create_blob_args) (ret C.int) {
	defer contain(&ret)
	r := enter()
	if args == nil {
		return -einval
	}
	a := (*C.struct_virgl_renderer_resource_create_blob_args)(args)
	var bytes uint64
	if a.iovecs != nil {
		for _, v := range unsafe.Slice((*C.struct_iovec)(unsafe.Pointer(a.iovecs)), a.num_iovs) {
			if bytes += uint64(v.iov_len); bytes < uint64(v.iov_len) {
				bytes = ^uint64(0)
				break
			}
		}
	}
	return negative(r.CreateBlob(&core.BlobArgs{
		Res: uint32(a.res_handle), Ctx: uint32(a.ctx_id), Mem: uint32(a.blob_mem), Flags: uint32(a.blob_flags),
		ID: uint64(a.blob_id), Size: uint64(a.size),
		Iov:      resources.Iov{Base: uintptr(unsafe.Pointer(a.iovecs)), Count: uint32(a.num_iovs)},
		IovBytes: bytes,
	}))
}

//export vd_go_resource_import_blob
func vd_go_resource_import_blob(args *C.vd_const_import_blob_args) (ret C.int) {
	defer contain(&ret)
	r := enter()
	if args == nil {
		return -einval
	}
	a := (*C.struct_virgl_renderer_resource_import_blob_args)(args)
	return negative(r.ImportBlob(uint32(a.res_handle), uint32(a.blob_mem), uint32(a.fd_type), int(a.fd), uint64(a.size)))
}

//export vd_go_resource_unref
func vd_go_resource_unref(res C.uint32_t) C.bool {
	defer contain(nil)
	return enter().Unref(uint32(res)) == core.ErrTheirs
}

//export vd_go_resource_is_theirs
func vd_go_resource_is_theirs(res C.uint32_t) C.bool {
	defer contain(nil)
	return C.bool(enter().Theirs(uint32(res)))
}

//export vd_go_resource_map
func vd_go_resource_map(res C.uint32_t, addr *unsafe.Pointer, size *C.uint64_t) (ret C.int) {
	defer contain(&ret)
	r := enter()
	if addr == nil || size == nil {
		return -einval
	}
	p, n, err := r.Map(uint32(res))
	if err != nil {
		return refused("map", err)
	}
	*(*uintptr)(unsafe.Pointer(addr)) = p
	*size = C.uint64_t(n)
	return 0
}

//export vd_go_resource_map_fixed
func vd_go_resource_map_fixed(res C.uint32_t, addr unsafe.Pointer) (ret C.int) {
	defer contain(&ret)
	err := enter().MapFixed(uint32(res), uintptr(addr))
	if errors.Is(err, syscall.EOPNOTSUPP) {
		return -C.int(syscall.EOPNOTSUPP)
	}
	return -invalid(err)
}

//export vd_go_resource_unmap
func vd_go_resource_unmap(res C.uint32_t) (ret C.int) {
	defer contain(&ret)
	return -invalid(enter().Unmap(uint32(res)))
}

//export vd_go_resource_get_map_info
func vd_go_resource_get_map_info(res C.uint32_t, out *C.uint32_t) (ret C.int) {
	defer contain(&ret)
	info, err := enter().MapInfo(uint32(res))
	if err != nil {
		return -invalid(err)
	}
	if out == nil {
		return -einval
	}
	*out = C.uint32_t(info)
	return 0
}

//export vd_go_resource_export_blob
func vd_go_resource_export_blob(res C.uint32_t, fdType *C.uint32_t, out *C.int) (ret C.int) {
	defer contain(&ret)
	r := enter()
	if fdType == nil || out == nil {
		return -einval
	}
	fd, kind, err := r.Export(uint32(res))
	if err != nil {
		return refused("export", err)
	}
	*fdType, *out = C.uint32_t(kind), C.int(fd.Num())
	return 0
}

//export vd_go_resource_attach_iov
func vd_go_resource_attach_iov(res C.int, iov *C.struct_iovec, n C.int) (ret C.int) {
	defer contain(&ret)
	return invalid(enter().AttachIov(uint32(res), iovec(iov, C.uint32_t(n))))
}

//export vd_go_resource_detach_iov
func vd_go_resource_detach_iov(res C.int, iov **C.struct_iovec, n *C.int) C.bool {
	defer contain(nil)
	v, err := enter().DetachIov(uint32(res))
	if err != nil {
		return err == core.ErrTheirs
	}
	if iov != nil {
		*(*uintptr)(unsafe.Pointer(iov)) = v.Base
	}
	if n != nil {
		*n = C.int(v.Count)
	}
	return false
}

//export vd_go_resource_set_priv
func vd_go_resource_set_priv(res C.uint32_t, priv unsafe.Pointer) {
	defer contain(nil)
	enter().SetPriv(uint32(res), uintptr(priv))
}

//export vd_go_resource_get_priv
func vd_go_resource_get_priv(res C.uint32_t) (priv unsafe.Pointer) {
	defer contain(nil)
	v := enter().Priv(uint32(res))
	*(*uintptr)(unsafe.Pointer(&priv)) = v
	return priv
}

//export vd_go_resource_get_info
func vd_go_resource_get_info(res C.int, info *C.struct_virgl_renderer_resource_info) (ret C.int) {
	defer contain(&ret)
	fd, _, err := enter().Info(uint32(res))
	if err != nil {
		return invalid(err)
	}
	if info == nil {
		return einval
	}
	*info = C.struct_virgl_renderer_resource_info{handle: C.uint32_t(res), fd: C.int(fd)}
	return 0
}

//export vd_go_resource_get_info_ext
func vd_go_resource_get_info_ext(res C.int, info *C.struct_virgl_renderer_resource_info_ext) (ret C.int) {
	defer contain(&ret)
	fd, classic, err := enter().Info(uint32(res))
	if err != nil {
		return invalid(err)
	}
	// A 2D resource has no texture here, and VMMs take success for one.
	if classic || info == nil {
		return einval
	}
	// Field by field: d3d_tex2d is left as it is, also unread.
	info.version = 0
	info.base = C.struct_virgl_renderer_resource_info{handle: C.uint32_t(res), fd: C.int(fd)}
	info.has_dmabuf_export = false
	info.planes = 0
	info.modifiers = 0
	return 0
}

//export vd_go_transfer
func vd_go_transfer(res, ctx C.uint32_t) (ret C.int) {
	defer contain(&ret)
	err := enter().Transfer(uint32(res), uint32(ctx))
	if errors.Is(err, core.ErrNative) {
		return -1
	}
	return invalid(err)
}

//export vd_go_execute
func vd_go_execute(args unsafe.Pointer, size C.uint32_t) (ret C.int) {
	defer contain(&ret)
	r := enter()
	if args == nil || size < C.sizeof_struct_virgl_renderer_hdr {
		return -einval
	}
	h := *(*C.struct_virgl_renderer_hdr)(args)
	switch {
	case h.stype_version != 0:
	case h.stype == C.VIRGL_RENDERER_STRUCTURE_TYPE_EXPORT_QUERY && size == exportSz && h.size == exportSz:
		return exportQuery(r, (*C.struct_virgl_renderer_export_query)(args))
	case h.stype == C.VIRGL_RENDERER_STRUCTURE_TYPE_SUPPORTED_STRUCTURES && size == structSz && h.size == structSz:
		q := (*C.struct_virgl_renderer_supported_structures)(args)
		q.out_supported_structures_mask = 0
		if q.in_stype_version == 0 {
			q.out_supported_structures_mask = C.VIRGL_RENDERER_STRUCTURE_TYPE_EXPORT_QUERY |
				C.VIRGL_RENDERER_STRUCTURE_TYPE_SUPPORTED_STRUCTURES
		}
		return 0
	}
	return -einval
}

// exportQuery: what is no GL texture has one plane of unknown layout.
func exportQuery(r *core.Renderer, q *C.struct_virgl_renderer_export_query) C.int {
	if _, _, err := r.Info(uint32(q.in_resource_id)); err != nil {
		return -invalid(err)
	}
	if q.in_export_fds != 0 {
		return -einval
	}
	q.out_num_fds, q.out_fourcc, q.out_modifier = 1, 0, modNone
	q.out_fds[0], q.out_strides[0], q.out_offsets[0] = -1, 0, 0
	return 0
}
