package core

import (
	"fmt"
	"syscall"

	"virgldrm/drm"
	"virgldrm/resources"
	"virgldrm/wire"
)

// BlobArgs is a request to make a blob resource, numbers as the guest sent them.
type BlobArgs struct {
	Res, Ctx, Mem, Flags uint32
	ID, Size             uint64
	Iov                  resources.Iov
	IovBytes             uint64 // sum of the iovecs' lengths
}

// CreateBlob makes a blob resource: of guest pages, or of what a context keeps
// under the blob_id. The checks come in the order embedders rely on.
func (r *Renderer) CreateBlob(a *BlobArgs) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	guest := a.Mem == wire.BlobMemGuest || a.Mem == wire.BlobMemHost3DGuest
	switch {
	case a.Mem < wire.BlobMemGuest || a.Mem > wire.BlobMemHost3DGuest:
		return fmt.Errorf("blob_mem %d: %w", a.Mem, syscall.EINVAL)
	case a.Res == 0 || r.resources.Get(a.Res) != nil:
		return fmt.Errorf("res_id %d is 0 or in use: %w", a.Res, syscall.EINVAL)
	case a.Size == 0:
		return fmt.Errorf("size 0: %w", syscall.EINVAL)
	case r.blobIsTheirs(a):
		return r.claim(a.Res)
	case guest && a.IovBytes < a.Size:
		return fmt.Errorf("%d bytes of guest pages for a blob of %d: %w", a.IovBytes, a.Size, syscall.EINVAL)
	case !guest && a.Iov.Count != 0:
		return fmt.Errorf("guest pages for a host blob: %w", syscall.EINVAL)
	}
	s := &resources.Resource{ID: a.Res, Size: a.Size}
	if a.Mem == wire.BlobMemGuest {
		s.Kind, s.MapInfo = resources.Guest, wire.MapCached
	} else {
		c := r.contexts.Get(a.Ctx)
		if c == nil {
			return ErrNoContext
		}
		if err := r.contextBlob(c, a, s); err != nil {
			c.Log.Warnf("ctx %d: blob %d as resource %d: %v", a.Ctx, a.ID, a.Res, err)
			return err
		}
	}
	s.Iov = a.Iov
	r.resources.Add(s)
	return nil
}

// contextBlob completes s from what a context keeps. It changes the context
// only when nothing can fail any more, so that the guest may try again.
func (r *Renderer) contextBlob(c *context, a *BlobArgs, s *resources.Resource) (err error) {
	if c.lost {
		return syscall.EIO
	}
	defer r.contain(c, &err)
	if a.ID>>32 != 0 {
		return fmt.Errorf("blob_id has more than 32 bits: %w", syscall.EINVAL)
	}
	if a.ID == 0 {
		return c.makeShmem(a, s, r.gpu.driver.ShmemHeader)
	}
	obj := c.Objects.Blob(uint32(a.ID))
	if obj == nil {
		return fmt.Errorf("no buffer was allocated under this blob_id: %w", syscall.ENOENT)
	}
	if s.MapInfo, err = c.drv.CheckBlob(obj, a.Size); err != nil {
		return err
	}
	s.Kind, s.Creator = resources.Opaque, c.ID
	if a.Flags&wire.BlobShareable != 0 {
		if s.FD, err = c.Dev.Export(obj.Handle); err != nil {
			return coded(syscall.EINVAL, err)
		}
		s.Kind = resources.Dmabuf
	}
	c.Objects.Bind(obj, a.Res, a.Flags)
	s.Hold(c.ID)
	return nil
}

// makeShmem makes the response memory of a context, once in its life.
func (c *context) makeShmem(a *BlobArgs, s *resources.Resource, header uint32) error {
	switch {
	case a.Flags != wire.BlobMappable:
		return fmt.Errorf("response memory with flags %#x: %w", a.Flags, syscall.EINVAL)
	case c.Shmem != nil:
		return fmt.Errorf("the context has response memory already: %w", syscall.EINVAL)
	case a.Size < uint64(header) || a.Size > wire.MaxShmem:
		return fmt.Errorf("response memory of %d bytes: %w", a.Size, syscall.EINVAL)
	}
	fd, err := drm.NewMemfd("virgldrm-shmem", a.Size)
	if err != nil {
		return err
	}
	m, err := drm.Map(&fd, 0, a.Size)
	if err != nil {
		fd.Close()
		return err
	}
	s.Kind, s.MapInfo, s.FD = resources.Shm, wire.MapCached, fd
	c.shmem, c.Shmem = m, wire.NewShmem(m.Bytes(), header)
	c.drv.ShmemReady()
	return nil
}

// ImportBlob makes a resource of a descriptor from outside, which it takes on
// success only. fdType is wire.FdDmabuf and so on.
func (r *Renderer) ImportBlob(res, mem, fdType uint32, fd int, size uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case res == 0 || r.resources.Get(res) != nil,
		mem != wire.BlobMemHost3D && mem != wire.BlobMemGuestVRAM,
		fdType < wire.FdDmabuf || fdType > wire.FdShm,
		fd < 0 || size == 0:
		return syscall.EINVAL
	}
	kind := map[uint32]resources.Kind{
		wire.FdDmabuf: resources.Dmabuf, wire.FdOpaque: resources.OpaqueFD, wire.FdShm: resources.Shm,
	}[fdType]
	r.resources.Add(&resources.Resource{ID: res, Kind: kind, Size: size, FD: drm.NewFD(fd)})
	return nil
}

// Unref forgets a resource, in every context and with its mapping. ErrTheirs:
// the delegate must do the same.
func (r *Renderer) Unref(res uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.resources.Get(res)
	if s == nil {
		return nil
	}
	for id := range s.Holders {
		if c := r.contexts.Get(id); c != nil {
			c.Objects.Remove(res)
		}
	}
	r.mappings.drop(s)
	r.resources.Remove(s)
	if known(s) {
		return ErrTheirs
	}
	return nil
}
