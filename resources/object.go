package resources

import (
	"fmt"
	"syscall"

	"virgldrm/drm"
	"virgldrm/ids"
	"virgldrm/wire"
)

// Object is a GEM buffer as one context sees it.
type Object struct {
	BlobID uint32 // while no resource is made of it, else 0
	Handle uint32 // GEM handle in the context's DRM file
	Flags  uint32 // driver's allocation flags; 0 for imports
	Size   uint64 // bytes, as the guest asked; of the file for imports

	Blob   uint32 // virtio blob flags of its resource; imports are shareable
	Upload drm.Mapping

	dmabuf drm.FD // see Objects.Dmabuf
}

// Objects is the buffers of one context. An object is in at most one of the two
// tables: by blob_id until create_blob, by res_id from then on.
//
//	allocation ccmd -> AddBlob -> Blob, Bind(res_id) -> Get -> Remove
//	attach of a foreign resource -> Import(res_id)   -> Get -> Remove
type Objects struct {
	dev    *drm.Device
	byBlob map[uint32]*Object
	byRes  ids.Table[*Object]
}

// NewObjects returns empty tables for an open device.
func NewObjects(dev *drm.Device) *Objects {
	return &Objects{dev: dev, byBlob: map[uint32]*Object{}}
}

// CanAddBlob says why a guest may not use this blob_id: 0 is the response
// memory's, another may be pending.
func (o *Objects) CanAddBlob(id uint32) error {
	o.dev.CloseLate(false)
	if id == 0 {
		return fmt.Errorf("blob_id 0 is not for buffers: %w", syscall.EINVAL)
	}
	if o.byBlob[id] != nil {
		return fmt.Errorf("blob_id %d is pending already: %w", id, syscall.EINVAL)
	}
	return nil
}

// AddBlob parks a fresh buffer under its blob_id, which CanAddBlob allowed, and
// owns its handle. placed says why the buffer could not be given its GPU address:
// then it is freed, and that is the result.
func (o *Objects) AddBlob(obj *Object, placed error) error {
	o.dev.Own(obj.Handle)
	if placed != nil {
		o.free(obj)
		return placed
	}
	o.byBlob[obj.BlobID] = obj
	return nil
}

// Blob returns the buffer parked under a blob_id, or nil.
func (o *Objects) Blob(id uint32) *Object { return o.byBlob[id] }

// Get returns the buffer of a resource, or nil.
func (o *Objects) Get(res uint32) *Object { return o.byRes.Get(res) }

// Handle returns the GEM handle of a resource, 0 for an unknown one: the kernel
// knows no handle 0 and refuses it.
func (o *Objects) Handle(res uint32) uint32 {
	if obj := o.byRes.Get(res); obj != nil {
		return obj.Handle
	}
	return 0
}

// Bind moves a parked buffer to a res_id, which must be free in this context.
func (o *Objects) Bind(obj *Object, res, blobFlags uint32) {
	delete(o.byBlob, obj.BlobID)
	obj.BlobID, obj.Blob = 0, blobFlags
	o.byRes.Set(res, obj)
}

// Import adds a dma-buf under a free res_id. The descriptor stays the caller's.
func (o *Objects) Import(res uint32, dmabuf *drm.FD) error {
	size, err := dmabuf.Size()
	if err != nil {
		return err
	}
	handle, err := o.dev.Import(dmabuf)
	if err != nil {
		return err
	}
	o.byRes.Set(res, &Object{Handle: handle, Size: size, Blob: wire.BlobShareable})
	return nil
}

// Dmabuf returns the dma-buf of a buffer that others may use as well, for asking
// who does. It stays the buffer's, which keeps it from the first time on.
func (o *Objects) Dmabuf(res uint32) (*drm.FD, error) {
	obj := o.byRes.Get(res)
	if obj == nil || obj.Blob&wire.BlobShareable == 0 {
		return nil, fmt.Errorf("resource %d is unknown or not shared", res)
	}
	if !obj.dmabuf.Valid() {
		var err error
		if obj.dmabuf, err = o.dev.Export(obj.Handle); err != nil {
			return nil, err
		}
	}
	return &obj.dmabuf, nil
}

// Remove frees the buffer of a resource, if there is one.
func (o *Objects) Remove(res uint32) {
	if obj := o.byRes.Get(res); obj != nil {
		o.byRes.Set(res, nil)
		o.free(obj)
	}
}

// Resources yields every res_id with a buffer.
func (o *Objects) Resources(yield func(res uint32) bool) {
	for id := range o.byRes.All {
		if !yield(id) {
			return
		}
	}
}

// Clear frees everything.
func (o *Objects) Clear() {
	for _, obj := range o.byBlob {
		o.free(obj)
	}
	clear(o.byBlob)
	for id := range o.byRes.All {
		o.Remove(id)
	}
}

func (o *Objects) free(obj *Object) {
	obj.Upload.Unmap()
	obj.dmabuf.Close()
	o.dev.Release(obj.Handle)
}

// CheckSize refuses a resource whose size is not the buffer's rounded up to the
// host's pages.
func (obj *Object) CheckSize(size uint64) error {
	if want := drm.PageAlign(obj.Size); want == 0 || want != size {
		return fmt.Errorf("resource of %d bytes for a buffer of %d: %w", size, obj.Size, syscall.EINVAL)
	}
	return nil
}
