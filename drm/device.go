package drm

/*
#include "libc.h"
*/
import "C"

import (
	"fmt"
	"structs"
	"syscall"
	"unsafe"

	"virgldrm/ids"
)

// Device is one open DRM file: a GPU address space with its own GEM handles.
type Device struct {
	FD      FD
	Version Version

	// Busy, if set, tells whether GEM_CLOSE of a handle would wait for the GPU.
	Busy func(handle uint32) bool

	refs ids.Table[uint32] // per GEM handle; see handles.go
	late []uint32          // handles nobody uses but the GPU, oldest first
}

// Version is what the kernel's driver says of itself.
type Version struct {
	Name                string
	Major, Minor, Patch uint32
}

func (v Version) String() string {
	return fmt.Sprintf("%s %d.%d.%d", v.Name, v.Major, v.Minor, v.Patch)
}

// NewDevice takes ownership of an open DRM file; it is closed if the driver's
// version cannot be read (ENOMEM, as embedders expect).
func NewDevice(fd FD) (*Device, error) {
	v := C.drmGetVersion(C.int(fd.Num()))
	if v == nil {
		fd.Close()
		return nil, &Error{"read the driver's version", syscall.ENOMEM}
	}
	defer C.drmFreeVersion(v)
	return &Device{
		FD: fd.Take(),
		Version: Version{
			Name:  C.GoStringN(v.name, v.name_len),
			Major: uint32(v.version_major),
			Minor: uint32(v.version_minor),
			Patch: uint32(v.version_patchlevel),
		},
	}, nil
}

// Open opens a DRM node by path.
func Open(path string) (*Device, error) {
	cs := C.CString(path)
	defer C.vd_free(C.uintptr_t(uintptr(unsafe.Pointer(cs))))
	n := C.vd_open(cs)
	if n < 0 {
		return nil, &Error{"open " + path, errno(n)}
	}
	return NewDevice(NewFD(int(n)))
}

// Render nodes have minors 128 to 191.
const (
	firstRenderNode = 128
	renderNodes     = 64
)

// RenderNodes yields the path of every render node there can be. A node that
// does not exist fails to open with ENOENT.
func RenderNodes(yield func(path string) bool) {
	for i := range renderNodes {
		if !yield(fmt.Sprintf("/dev/dri/renderD%d", firstRenderNode+i)) {
			return
		}
	}
}

// Close closes the file and with it every GEM handle. Busy ones are closed first:
// as long as a buffer is mapped the file lives, and its end would wait for the GPU
// on the thread that unmaps.
func (d *Device) Close() {
	for _, h := range d.late {
		opGemClose.Do(&d.FD, &gemClose{Handle: h})
	}
	d.late = nil
	d.FD.Close()
}

// clientName is struct drm_set_client_name of the kernel's drm/drm.h.
type clientName struct {
	_ structs.HostLayout

	Len  uint64
	Name UserPtr
}

var opSetClientName = IOWR[clientName]("SET_CLIENT_NAME", 0xd1)

// SetClientName names the file for the kernel's statistics. Older kernels do
// not know the request, so the result is only worth a debug line.
func (d *Device) SetClientName(name string) error {
	cs := C.CString(name)
	p := uintptr(unsafe.Pointer(cs))
	defer C.vd_free(C.uintptr_t(p))
	return opSetClientName.Try(&d.FD, &clientName{Len: uint64(len(name)), Name: UserPtr(p)})
}
