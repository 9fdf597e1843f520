package simtest

/*
#cgo CFLAGS: -D_GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "../../tests/sim/drmsim.h"

static int last(unsigned kind, void *arg)
{
    int (*f)(unsigned, void *) = dlsym(RTLD_DEFAULT, "drmsim_last");

    return f ? f(kind, arg) : -ENOSYS;
}

static void memory(void *to, uint64_t from, size_t n) { memcpy(to, (void *)(uintptr_t)from, n); }
*/
import "C"

import (
	"testing"
	"unsafe"
)

// Last returns the argument that the newest call of one kind was made with,
// after Control "record"; it fails if there was none since it was last asked.
func Last[T any](t testing.TB, kind string) T {
	t.Helper()
	var arg struct {
		v    T
		room [C.DRMSIM_MAX_ARG]byte
	}
	if n, want := int(C.last(C.uint(number(t, kind)), unsafe.Pointer(&arg))), int(unsafe.Sizeof(arg.v)); n != want {
		t.Fatalf("the newest %s had an argument of %d bytes, not %d", kind, n, want)
	}
	return arg.v
}

// Memory copies what a pointer in such an argument points to.
func Memory(addr uint64, n int) []byte {
	b := make([]byte, n)
	C.memory(unsafe.Pointer(unsafe.SliceData(b)), C.uint64_t(addr), C.size_t(n))
	return b
}
