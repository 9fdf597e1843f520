package main

/*
#include "go.h"
*/
import "C"

import (
	"errors"
	"syscall"
	"unsafe"

	"virgldrm/core"
	"virgldrm/wire"
)

//export vd_go_fill_caps
func vd_go_fill_caps(set, _ C.uint32_t, caps unsafe.Pointer) {
	defer contain(nil)
	r := enter()
	if set == wire.CapsetDRM && caps != nil {
		r.Capset(unsafe.Slice((*byte)(caps), wire.CapsetSize))
	}
}

//export vd_go_context_create_with_flags
func vd_go_context_create_with_flags(id, flags, nlen C.uint32_t, name *C.vd_const_char) (ret C.int) {
	defer contain(&ret)
	r := enter()
	var s string
	// A length beyond the virtio field is the guest's invention: do not read.
	if name != nil && nlen <= wire.MaxName {
		s = C.GoStringN((*C.char)(name), C.int(nlen))
	}
	return positive(r.CreateContext(uint32(id), uint32(flags), s))
}

//export vd_go_context_destroy
func vd_go_context_destroy(id C.uint32_t) C.bool {
	defer contain(nil)
	return enter().DestroyContext(uint32(id)) == core.ErrTheirs
}

//export vd_go_context_is_theirs
func vd_go_context_is_theirs(id C.uint32_t) C.bool {
	defer contain(nil)
	return enter().CheckContext(uint32(id)) == core.ErrTheirs
}

// Limits of a batch: ndw counts 32-bit words.
const maxWords = 0x3fffffff

func batch(buffer unsafe.Pointer, ndw C.int) []byte {
	if ndw == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(buffer), int(ndw)*4)
}

// submitted turns a submission's error into its code: an unknown context is
// positive, what the context says negative.
func submitted(err error) C.int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, core.ErrNoContext):
		return C.int(syscall.EINVAL)
	case errors.Is(err, core.ErrMerge):
		return -1
	}
	return negative(err)
}

//export vd_go_submit_cmd
func vd_go_submit_cmd(buffer unsafe.Pointer, ctx, ndw C.int) (ret C.int) {
	defer contain(&ret)
	r := enter()
	// In this order: context, size, alignment.
	switch bad := ndw < 0 || ndw > maxWords; {
	case bad || uintptr(buffer)%4 != 0 || buffer == nil && ndw != 0:
		if err := r.CheckContext(uint32(ctx)); err != nil {
			return submitted(err)
		}
		if bad || buffer == nil {
			return C.int(syscall.EINVAL)
		}
		return C.int(syscall.EFAULT)
	}
	return submitted(r.Submit(uint32(ctx), batch(buffer, ndw)))
}

//export vd_go_submit_cmd2
func vd_go_submit_cmd2(buffer unsafe.Pointer, ctx, ndw C.int, ids *C.uint64_t, n C.uint32_t) (ret C.int) {
	defer contain(&ret)
	r := enter()
	// In this order: context, alignment, size.
	if err := r.CheckContext(uint32(ctx)); err != nil {
		return submitted(err)
	}
	switch {
	case uintptr(buffer)%4 != 0:
		return C.int(syscall.EFAULT)
	case ndw < 0 || ndw > maxWords || buffer == nil && ndw != 0:
		return C.int(syscall.EINVAL)
	case n != 0 && ids == nil:
		return -C.int(syscall.EINVAL)
	}
	var fences []uint64
	if n != 0 {
		fences = unsafe.Slice((*uint64)(ids), n)
	}
	return submitted(r.SubmitAfter(uint32(ctx), batch(buffer, ndw), fences))
}

//export vd_go_context_create_fence
func vd_go_context_create_fence(ctx, _, ring C.uint32_t, id C.uint64_t) (ret C.int) {
	defer contain(&ret)
	r := enter()
	if !bool(C.vd_vmm_wants_fences()) {
		return -C.int(syscall.EINVAL) // nobody to report it to
	}
	return negative(r.CreateFence(uint32(ctx), uint32(ring), uint64(id)))
}

//export vd_go_ctx_detach_resource
func vd_go_ctx_detach_resource(ctx, res C.int) C.bool {
	defer contain(nil)
	return enter().Detach(uint32(ctx), uint32(res)) == core.ErrTheirs
}

//export vd_go_get_dev_fd
func vd_go_get_dev_fd(ctx C.int) (ret C.int) {
	defer contain(&ret)
	fd, err := enter().DeviceFD(uint32(ctx))
	if err != nil {
		return -invalid(err)
	}
	return C.int(fd)
}

//export vd_go_export_fence
func vd_go_export_fence(id C.uint64_t, out *C.int) (ret C.int) {
	defer contain(&ret)
	fd, err := enter().ExportFence(uint64(id))
	*out = C.int(fd.Num()) // -1 on error
	return -invalid(err)
}

//export vd_go_export_signalled_fence
func vd_go_export_signalled_fence() (ret C.int) {
	defer contain(&ret)
	fd, _ := enter().SignalledFence()
	return C.int(fd.Num())
}

//export vd_go_attach_fence
func vd_go_attach_fence(ctx, fd C.int) (ret C.int) {
	defer contain(&ret)
	return submitted(enter().AttachFence(uint32(ctx), int(fd)))
}
