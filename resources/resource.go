// Package resources holds the objects a guest names: resources, by the VM-wide
// res_id, and the GEM objects of one context, by blob_id until a resource is
// made of them and by res_id after.
//
// Nothing here locks: calls of the C API are serialised by the embedder, and
// the fence waiter does not come here.
package resources

import (
	"syscall"

	"virgldrm/drm"
	"virgldrm/ids"
)

// Kind tells what is behind a resource.
type Kind uint8

// Kinds of resources.
const (
	Classic  Kind = iota // made by resource_create; the guest's pages are its storage
	Guest                // blob of guest pages only
	Shm                  // memfd
	Dmabuf               // has its own dma-buf, outlives its context
	Opaque               // GEM object, reachable through its creator only
	OpaqueFD             // imported descriptor of unknown kind
	Theirs               // the delegate's: only its id is here, and its dma-buf once a context has it
)

// Resource is one virtio-gpu resource.
type Resource struct {
	ID      uint32
	Kind    Kind
	Creator uint32 // context id of an Opaque one
	MapInfo uint32 // wire.MapNone and so on
	Size    uint64 // bytes, as created; 0 for classic ones
	FD      drm.FD // owned; Shm, Dmabuf and OpaqueFD have one
	Shared  bool   // the delegate has imported it

	Mapping drm.Mapping // made by resource_map
	Fixed   bool        // resource_map_fixed has put it somewhere
	Iov     Iov
	Priv    uintptr // the embedder's, set_priv

	// Contexts that may have an object for it: nearly always one.
	holder uint32
	more   map[uint32]struct{}
}

// Iov is guest storage: an array of struct iovec that the embedder owns.
type Iov struct {
	Base  uintptr
	Count uint32
}

// Hold notes that a context has an object for r.
func (r *Resource) Hold(ctx uint32) {
	switch {
	case r.holder == ctx:
	case r.holder == 0:
		r.holder = ctx
	default:
		if r.more == nil {
			r.more = map[uint32]struct{}{}
		}
		r.more[ctx] = struct{}{}
	}
}

// LetGo notes that a context has none any more.
func (r *Resource) LetGo(ctx uint32) {
	if r.holder == ctx {
		r.holder = 0
	}
	delete(r.more, ctx)
}

// Holders yields the contexts that may have an object for r.
func (r *Resource) Holders(yield func(ctx uint32) bool) {
	if r.holder != 0 && !yield(r.holder) {
		return
	}
	for id := range r.more {
		if !yield(id) {
			return
		}
	}
}

// MapFD maps all of r's descriptor at addr, or anywhere for 0. A size beyond
// the file is refused: touching it would fault.
func (r *Resource) MapFD(addr uintptr) (drm.Mapping, error) {
	if size, err := r.FD.Size(); err == nil && size < r.Size {
		return drm.Mapping{}, &drm.Error{Op: "map beyond the end of a buffer", Err: syscall.EINVAL}
	}
	if addr != 0 {
		return drm.Mapping{}, drm.MapFixed(addr, &r.FD, 0, r.Size)
	}
	return drm.Map(&r.FD, 0, r.Size)
}

// free gives back what r owns; iovecs stay the embedder's.
func (r *Resource) free() {
	r.Mapping.Unmap()
	r.FD.Close()
}

// Table is all resources of the VM by id.
type Table struct{ byID ids.Table[*Resource] }

// NewTable returns an empty table.
func NewTable() *Table { return &Table{} }

// Get returns the resource with this id, or nil.
func (t *Table) Get(id uint32) *Resource { return t.byID.Get(id) }

// Add enters r under its id, which must be free.
func (t *Table) Add(r *Resource) { t.byID.Set(r.ID, r) }

// Remove forgets r and frees what it owns.
func (t *Table) Remove(r *Resource) {
	t.byID.Set(r.ID, nil)
	r.free()
}

// Clear removes everything.
func (t *Table) Clear() {
	for _, r := range t.byID.All {
		t.Remove(r)
	}
}
