package drm

/*
#include "libc.h"
*/
import "C"

import (
	"syscall"
	"unsafe"
)

// Mapping is a shared read-write mapping of a buffer; the zero value is none.
type Mapping struct {
	addr uintptr
	size uint64
}

// Map maps size bytes of f from offset, at an address of the kernel's choice.
func Map(f *FD, offset, size uint64) (Mapping, error) {
	return mmap(0, f, offset, size)
}

// MapFixed maps size bytes of f at addr, replacing whatever is mapped there;
// the mapping belongs to whoever owns that range.
func MapFixed(addr uintptr, f *FD, offset, size uint64) error {
	_, err := mmap(addr, f, offset, size)
	return err
}

func mmap(at uintptr, f *FD, offset, size uint64) (Mapping, error) {
	var addr C.uintptr_t
	if e := errno(C.vd_mmap(C.uintptr_t(at), C.uint64_t(size), C.int(f.Num()), C.uint64_t(offset), &addr)); e != 0 {
		return Mapping{}, &Error{"map a buffer", e}
	}
	return Mapping{uintptr(addr), size}, nil
}

// Valid tells whether something is mapped.
func (m *Mapping) Valid() bool { return m.addr != 0 }

// Addr returns where the mapping starts, 0 for none.
func (m *Mapping) Addr() uintptr { return m.addr }

// Bytes returns the mapped memory. Other processes write to it as well. It
// must not be used after Unmap.
func (m *Mapping) Bytes() []byte { return memory(m.addr, m.size) }

// Unmap removes the mapping, if there is one.
func (m *Mapping) Unmap() {
	if m.Valid() {
		C.vd_munmap(C.uintptr_t(m.addr), C.uint64_t(m.size))
		*m = Mapping{}
	}
}

// memory views C memory. The conversion goes through the variable because the
// address is no Go pointer and never becomes one the collector follows.
func memory(addr uintptr, size uint64) []byte {
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&addr)), size)
}

// PageSize is the host's page size in bytes.
func PageSize() uint64 { return uint64(syscall.Getpagesize()) }

// PageAlign rounds size up to the host's page size; 0 means it overflowed.
func PageAlign(size uint64) uint64 {
	p := PageSize()
	return (size + p - 1) &^ (p - 1)
}

// NewMemfd returns zero-filled anonymous memory that can be mapped but never
// resized by anybody who holds its descriptor.
func NewMemfd(name string, size uint64) (FD, error) {
	if size > 1<<62 {
		return FD{}, &Error{"memfd", syscall.EINVAL}
	}
	cs := C.CString(name)
	defer C.vd_free(C.uintptr_t(uintptr(unsafe.Pointer(cs))))
	n := C.vd_memfd(cs, C.int64_t(size))
	if n < 0 {
		return FD{}, &Error{"memfd", errno(n)}
	}
	return NewFD(int(n)), nil
}

// Scratch is memory outside the Go heap for what the kernel reads through a
// pointer inside another struct. Its owner frees it.
type Scratch struct{ b []byte }

// NewScratch allocates size zeroed bytes, aligned for any struct.
func NewScratch(size int) (Scratch, error) {
	p := uintptr(C.vd_alloc(C.size_t(size)))
	if p == 0 {
		return Scratch{}, &Error{"scratch memory", syscall.ENOMEM}
	}
	return Scratch{memory(p, uint64(size))}, nil
}

// Bytes returns the memory; it must not be used after Free.
func (s *Scratch) Bytes() []byte { return s.b }

// Free releases the memory.
func (s *Scratch) Free() {
	if s.b != nil {
		C.vd_free(C.uintptr_t(uintptr(unsafe.Pointer(&s.b[0]))))
		s.b = nil
	}
}

// keepScratch bounds what a scratch holds on to after a large use, in bytes.
const keepScratch = 1 << 18

// Trim frees the memory if an unusual request made it large.
func (s *Scratch) Trim() {
	if len(s.b) > keepScratch {
		s.Free()
	}
}

// Grow makes the scratch at least size bytes; the content is lost.
func (s *Scratch) Grow(size int) error {
	if len(s.b) >= size {
		return nil
	}
	n, err := NewScratch(size)
	if err != nil {
		return err
	}
	s.Free()
	*s = n
	return nil
}

// UserPtr is a pointer inside an ioctl argument.
type UserPtr uint64

// Addr returns the address of b for an ioctl argument. b must be scratch or
// mapped memory, never Go's: the collector does not see the address.
func Addr(b []byte) UserPtr {
	if len(b) == 0 {
		return 0
	}
	return UserPtr(uintptr(unsafe.Pointer(&b[0])))
}

// View interprets scratch memory as n structs. b must hold them and be aligned
// for T; both are the caller's own doing, never a guest's.
func View[T any](b []byte, n int) []T {
	var t T
	if n == 0 {
		return nil
	}
	b = b[:uintptr(n)*unsafe.Sizeof(t)]
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), n)
}

// Bytes views a pointer-free struct as its bytes.
func Bytes[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}
