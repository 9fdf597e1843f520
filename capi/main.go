// Package main is the C API: libvirglrenderer.so.1.
//
// entry.c has the 49 public functions, boot.c starts the Go runtime on the
// first init, log.c and vmm.c are what we call in the embedder. The Go exports
// here check pointers, convert, call core and turn errors into the exact codes
// of the contract, include/virgl_renderer_drm.h.
package main

/*
#cgo CFLAGS: -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I${SRCDIR}/../include -Wall
#cgo unedited CFLAGS: -DVD_UNEDITED
#cgo LDFLAGS: -lpthread
#include "go.h"
#include <stdlib.h>
#include <sys/uio.h>
*/
import "C"

import (
	"errors"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"unsafe"

	"virgldrm/core"
	"virgldrm/drivers"
	"virgldrm/fence"
	"virgldrm/trace"
)

func main() {}

// renderer is the one instance; nil before init and after cleanup.
var renderer atomic.Pointer[core.Renderer]

var log = trace.New(
	func(level trace.Level, line string) {
		s := C.CString(line)
		C.vd_log(C.int(level), s)
		C.free(unsafe.Pointer(s))
	},
	func(level trace.Level) bool { return bool(C.vd_log_enabled(C.int(level))) },
)

// refusals is for lines that guests can cause through the embedder.
var refusals = log.Limited()

// crash makes a panic take the process down, for tests.
var crash bool

// contain ends a panic at the border to C, which could not unwind it. Deferred
// by every export; ret, if any, gets the code that panics of a context have.
func contain(ret *C.int) {
	if crash {
		return
	}
	if p := recover(); p != nil {
		log.Errorf("internal error: %v; %s", p, debug.Stack())
		if ret != nil {
			*ret = -C.int(syscall.EIO)
		}
	}
}

// enter makes faults on memory shared with the guest panics, on this thread.
func enter() *core.Renderer {
	debug.SetPanicOnFault(true)
	return renderer.Load()
}

// theirs tells entry.c that the call is the delegate's. Being the smallest
// number there is, it stays itself when a code is made negative.
const theirs = C.VD_THEIRS

// negative and positive turn an error into the errno of its chain, EINVAL if
// there is none.
func negative(err error) C.int { return -positive(err) }

func positive(err error) C.int {
	if err == nil {
		return 0
	}
	if err == core.ErrTheirs {
		return theirs
	}
	var e syscall.Errno
	if !errors.As(err, &e) || e == 0 {
		e = syscall.EINVAL
	}
	return C.int(e)
}

// invalid turns any error into EINVAL, for functions that know no other.
func invalid(err error) C.int {
	if err == nil {
		return 0
	}
	if err == core.ErrTheirs {
		return theirs
	}
	return C.int(syscall.EINVAL)
}

//export vd_go_grow_stack
func vd_go_grow_stack(depth C.int) C.int {
	var page [4096]byte
	page[int(depth)%len(page)] = 1
	if depth <= 0 {
		return C.int(page[0])
	}
	return vd_go_grow_stack(depth-1) + C.int(page[1])
}

//export vd_go_init
func vd_go_init(flags C.int) (ret C.int) {
	defer contain(&ret)
	enter()
	const drm = C.VIRGL_RENDERER_DRM | C.VIRGL_RENDERER_ASYNC_FENCE_CB
	r, err := core.New(core.Config{
		Drivers:      drivers.All,
		Log:          log,
		Fences:       fence.Callbacks{Retired: uintptr(C.vd_vmm_retired()), Hung: uintptr(C.vd_vmm_hung())},
		DRM:          flags&drm == drm,
		Delegate:     core.Delegate{Present: bool(C.vd_delegate_state.live), GL: bool(C.vd_delegate_state.gl)},
		OpenDRM:      func() int { return int(C.vd_vmm_drm_fd()) },
		RenderNode:   getenv("VIRGLDRM_RENDER_NODE"),
		CrashOnPanic: setCrash(getenv("VIRGLDRM_CRASH_ON_PANIC") == "1"),
	})
	if err != nil {
		log.Errorf("init: %v", err)
		return negative(err)
	}
	renderer.Store(r)
	return 0
}

func setCrash(on bool) bool {
	crash = on
	return on
}

// getenv asks C: the runtime was started without the process's environment.
func getenv(name string) string {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	return C.GoString(C.getenv(s)) // "" for NULL
}

//export vd_go_cleanup
func vd_go_cleanup() (ended C.bool) {
	defer contain(nil)
	ended = true // also after a panic
	if r := enter(); r != nil {
		r.Close()
		ended = C.bool(renderer.CompareAndSwap(r, nil))
	}
	return ended
}

//export vd_go_reset
func vd_go_reset() {
	defer contain(nil)
	enter().Reset()
}
