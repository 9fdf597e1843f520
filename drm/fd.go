package drm

/*
#cgo CFLAGS: -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64
#cgo pkg-config: libdrm
#cgo noescape vd_ioctl
#cgo nocallback vd_ioctl
#cgo noescape vd_mmap
#include "libc.h"
*/
import "C"

import (
	"fmt"
	"syscall"
)

// FD owns one file descriptor, or none: the zero value is empty. It is moved
// with Take and must not be copied while it holds something.
type FD struct{ n int32 } // descriptor + 1

// NewFD takes ownership of fd; a negative one gives an empty FD.
func NewFD(fd int) FD { return FD{int32(max(fd, -1)) + 1} }

// Valid tells whether f holds a descriptor.
func (f *FD) Valid() bool { return f.n > 0 }

// Num returns the descriptor without giving it away, or -1.
func (f *FD) Num() int { return int(f.n) - 1 }

// Take moves the descriptor out of f.
func (f *FD) Take() FD {
	t := *f
	f.n = 0
	return t
}

// Close closes the descriptor, if there is one.
func (f *FD) Close() {
	if f.Valid() {
		C.vd_close(C.int(f.Num()))
		f.n = 0
	}
}

// Dup returns a second descriptor of the same file, close-on-exec, owned by
// the caller.
func (f *FD) Dup() (FD, error) {
	n := C.vd_dup(C.int(f.Num()))
	if n < 0 {
		return FD{}, &Error{"duplicate descriptor", errno(n)}
	}
	return NewFD(int(n)), nil
}

// Size returns the file's size in bytes, as dma-bufs and memfds tell it.
func (f *FD) Size() (uint64, error) {
	n := C.vd_seek_end(C.int(f.Num()))
	if n < 0 {
		return 0, &Error{"seek to the end of a buffer", syscall.Errno(-n)}
	}
	return uint64(n), nil
}

// Error is a failed kernel request: what was asked and the errno it unwraps to.
type Error struct {
	Op  string
	Err syscall.Errno
}

func (e *Error) Error() string {
	if e.Err == syscall.EMFILE {
		return fmt.Sprintf("%s: %v: raise the process's RLIMIT_NOFILE (ulimit -n)", e.Op, e.Err)
	}
	return fmt.Sprintf("%s: %v", e.Op, e.Err)
}
func (e *Error) Unwrap() error { return e.Err }

// errno turns a C result into an errno, 0 for success.
func errno(r C.int) syscall.Errno {
	if r >= 0 {
		return 0
	}
	return syscall.Errno(-r)
}
