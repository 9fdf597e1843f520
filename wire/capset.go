package wire

import (
	"fmt"
	"structs"
	"unsafe"
)

// CapsetDRM is the capset id of native contexts.
const CapsetDRM = 6

// CapsetSize is what the guest is offered: the head and the largest arm of the
// union (struct virgl_renderer_capset_drm without the amdgpu backend).
const CapsetSize = 160

// context_type values of the capset.
const (
	ContextMSM      = 1
	ContextAMDGPU   = 2
	ContextI915     = 3
	ContextAsahi    = 4
	ContextPanfrost = 5
)

// CapsetHead is the part of the capset all drivers share.
type CapsetHead struct {
	_ structs.HostLayout

	WireFormatVersion uint32
	VersionMajor      uint32 // of the host's kernel driver
	VersionMinor      uint32
	VersionPatch      uint32
	ContextType       uint32
	Pad               uint32
}

// Capset is what fill_caps hands to the guest.
type Capset struct {
	Head CapsetHead
	arm  [CapsetSize - unsafe.Sizeof(CapsetHead{})]byte
}

// Bytes returns the capset as the guest sees it. The slice aliases c.
func (c *Capset) Bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(c)), unsafe.Sizeof(*c))
}

// PutCaps stores a driver's arm of the union. It panics when the type does not
// fit: that is a mistake in the driver, not an event at run time.
func PutCaps[T any](c *Capset, arm *T) {
	n := unsafe.Sizeof(*arm)
	if n > unsafe.Sizeof(c.arm) {
		panic(fmt.Sprintf("wire: capset arm %T has %d bytes, the union %d", *arm, n, len(c.arm)))
	}
	copy(c.arm[:], unsafe.Slice((*byte)(unsafe.Pointer(arm)), n))
}

// Bool3 is a capset boolean that an older host leaves 0 ("unknown"): 1 means
// true and all ones false. No other value may be sent.
type Bool3 uint32

// Tri returns b in the encoding of Bool3.
func Tri(b bool) Bool3 {
	if b {
		return 1
	}
	return 0xffffffff
}

// GetCaps returns a driver's arm as PutCaps stored it.
func GetCaps[T any](c *Capset) T {
	var arm T
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&arm)), unsafe.Sizeof(arm)), c.arm[:])
	return arm
}
