package drm

/*
#include "libc.h"
*/
import "C"

import (
	"syscall"
	"unsafe"
)

// Op is an ioctl tied to the type of its argument, which must be laid out as
// the kernel's struct and hold no Go pointer.
type Op[T any] struct {
	Name    string
	Request uint32
}

// Direction bits of an ioctl number, from the kernel's asm-generic/ioctl.h.
const (
	iocWrite = 1
	iocRead  = 2
)

func newOp[T any](name string, dir, typ, nr uint32) Op[T] {
	var t T
	return Op[T]{name, dir<<30 | uint32(unsafe.Sizeof(t))<<16 | typ<<8 | nr}
}

// IOW, IOR and IOWR make a DRM ioctl; the size is the type's.
func IOW[T any](name string, nr uint32) Op[T] { return newOp[T](name, iocWrite, 'd', nr) }

// IOR: see IOW.
func IOR[T any](name string, nr uint32) Op[T] { return newOp[T](name, iocRead, 'd', nr) }

// IOWR: see IOW.
func IOWR[T any](name string, nr uint32) Op[T] { return newOp[T](name, iocRead|iocWrite, 'd', nr) }

// Reads tells whether the kernel writes to the argument.
func (op *Op[T]) Reads() bool { return op.Request>>30&iocRead != 0 }

// Do runs an ioctl and returns 0 or the errno. Interrupted calls are repeated
// by libdrm. It does not allocate.
func (op *Op[T]) Do(fd *FD, arg *T) syscall.Errno {
	return errno(C.vd_ioctl(C.int(fd.Num()), C.ulong(op.Request), (*C.uint8_t)(unsafe.Pointer(arg))))
}

// Try is Do with an error that names the ioctl.
func (op *Op[T]) Try(fd *FD, arg *T) error {
	if e := op.Do(fd, arg); e != 0 {
		return &Error{"ioctl " + op.Name, e}
	}
	return nil
}

// Monotonic returns CLOCK_MONOTONIC in nanoseconds, the clock of ioctl timeouts.
func Monotonic() int64 { return int64(C.vd_monotonic()) }
