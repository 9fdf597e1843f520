package core

import (
	"fmt"
	"syscall"

	"virgldrm/drm"
	"virgldrm/resources"
	"virgldrm/wire"
)

// get returns a resource or EINVAL, or ErrTheirs for one of the delegate's.
func (r *Renderer) get(res uint32) (*resources.Resource, error) {
	s := r.resources.Get(res)
	switch {
	case s != nil && s.Kind == resources.Theirs:
		return nil, ErrTheirs
	case s != nil:
		return s, nil
	}
	return nil, fmt.Errorf("unknown resource %d: %w", res, syscall.EINVAL)
}

// creator returns the context and buffer behind an opaque resource.
func (r *Renderer) creator(s *resources.Resource) (*context, *resources.Object, error) {
	c := r.contexts.Get(s.Creator)
	if c == nil || c.lost {
		return nil, nil, fmt.Errorf("resource %d: its context is gone: %w", s.ID, syscall.EINVAL)
	}
	obj := c.Objects.Get(s.ID)
	if obj == nil {
		return nil, nil, errCannotMap
	}
	return c, obj, nil
}

// dmabuf returns a new dma-buf of a resource for import elsewhere.
func (r *Renderer) dmabuf(s *resources.Resource) (drm.FD, error) {
	switch s.Kind {
	case resources.Dmabuf, resources.Theirs:
		return s.FD.Dup()
	case resources.Opaque:
		c, obj, err := r.creator(s)
		if err != nil {
			return drm.FD{}, err
		}
		if !c.drv.Exportable(obj) {
			return drm.FD{}, fmt.Errorf("resource %d is its context's alone: %w", s.ID, syscall.EINVAL)
		}
		return c.Dev.Export(obj.Handle)
	}
	return drm.FD{}, fmt.Errorf("resource %d is no GPU buffer: %w", s.ID, syscall.EINVAL)
}

// Export returns a new descriptor of a blob and its type.
func (r *Renderer) Export(res uint32) (fd drm.FD, fdType uint32, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.get(res)
	if err != nil {
		return drm.FD{}, 0, err
	}
	return r.export(s)
}

func (r *Renderer) export(s *resources.Resource) (fd drm.FD, fdType uint32, err error) {
	switch s.Kind {
	case resources.Shm:
		fd, err = s.FD.Dup()
		return fd, wire.FdShm, err
	case resources.OpaqueFD:
		fd, err = s.FD.Dup()
		return fd, wire.FdOpaque, err
	}
	fd, err = r.dmabuf(s)
	return fd, wire.FdDmabuf, err
}

// mapping maps a resource at addr, or anywhere for 0.
func (r *Renderer) mapping(s *resources.Resource, addr uintptr) (drm.Mapping, error) {
	switch s.Kind {
	case resources.Shm, resources.Dmabuf:
		return s.MapFD(addr)
	case resources.Opaque:
		c, obj, err := r.creator(s)
		if err != nil {
			return drm.Mapping{}, err
		}
		if obj.Blob&wire.BlobMappable == 0 {
			return drm.Mapping{}, errCannotMap
		}
		off, err := c.drv.MapOffset(obj)
		if err != nil {
			return drm.Mapping{}, err
		}
		if addr != 0 {
			return drm.Mapping{}, drm.MapFixed(addr, &c.Dev.FD, off, s.Size)
		}
		return drm.Map(&c.Dev.FD, off, s.Size)
	}
	return drm.Mapping{}, errCannotMap
}

// Map maps a blob into this process, once at a time; the library owns the
// mapping until Unmap or Unref.
func (r *Renderer) Map(res uint32) (addr uintptr, size uint64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.get(res)
	if err != nil {
		return 0, 0, err
	}
	if s.Mapping.Valid() {
		return 0, 0, fmt.Errorf("resource %d is mapped: %w", res, syscall.EINVAL)
	}
	if err := r.mappings.room(ownMapping); err != nil {
		return 0, 0, err
	}
	m, err := r.mapping(s, 0)
	if err != nil {
		return 0, 0, err
	}
	s.Mapping = m
	r.mappings.used += ownMapping
	return m.Addr(), s.Size, nil
}

// MapFixed maps a blob over addr, any number of times; the mapping is the
// embedder's. EOPNOTSUPP: this kind of resource cannot be mapped so.
func (r *Renderer) MapFixed(res uint32, addr uintptr) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.get(res)
	if err != nil {
		return err
	}
	if addr == 0 {
		return syscall.EINVAL
	}
	if !s.Fixed {
		err = r.mappings.room(fixedMapping)
	}
	if err == nil {
		_, err = r.mapping(s, addr)
	}
	if err != nil {
		r.limited(0).Debugf("resource %d cannot be mapped at %#x: %v", res, addr, err)
	} else if !s.Fixed {
		s.Fixed = true
		r.mappings.used += fixedMapping
	}
	return err
}

// Unmap undoes Map.
func (r *Renderer) Unmap(res uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.get(res)
	if err != nil {
		return err
	}
	if !s.Mapping.Valid() {
		return fmt.Errorf("resource %d is not mapped: %w", res, syscall.EINVAL)
	}
	s.Mapping.Unmap()
	r.mappings.used -= ownMapping
	return nil
}

// MapInfo returns how the guest must map a blob; EINVAL if that is unknown.
func (r *Renderer) MapInfo(res uint32) (uint32, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.get(res)
	if err != nil {
		return 0, err
	}
	if s.MapInfo&wire.MapMask == wire.MapNone {
		return 0, fmt.Errorf("resource %d has no map info: %w", res, syscall.EINVAL)
	}
	return s.MapInfo, nil
}

// Info tells what is known of a resource: fd is its descriptor, which stays the
// resource's, or -1. classic resources have no texture to tell of.
func (r *Renderer) Info(res uint32) (fd int, classic bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.get(res)
	if err != nil {
		return -1, false, err
	}
	return s.FD.Num(), s.Kind == resources.Classic, nil
}

// CreateClassic makes a 2D resource without GL: the guest's pages are its only
// storage, so transfers have nothing to do. That keeps a VMM's console calls
// working when there is nothing to show it with.
func (r *Renderer) CreateClassic(res uint32, iov resources.Iov) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cfg.Delegate.GL {
		return r.claim(res)
	}
	if r.gpu == nil {
		return fmt.Errorf("there is no renderer for 2D resources: %w", syscall.EINVAL)
	}
	if r.resources.Get(res) != nil {
		return ErrInUse
	}
	r.resources.Add(&resources.Resource{ID: res, Kind: resources.Classic, Iov: iov})
	return nil
}

// Transfer checks a transfer to or from a resource and has nothing to copy.
// ErrNative: the context is a native one, which has no transfers.
func (r *Renderer) Transfer(res, ctx uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.resources.Get(res)
	if s == nil {
		return fmt.Errorf("unknown resource %d: %w", res, syscall.EINVAL)
	}
	if ctx != 0 {
		if r.contexts.Get(ctx) != nil {
			return ErrNative
		}
		if err := r.noContext(ctx); err != ErrTheirs || known(s) {
			return err
		}
	}
	if s.Kind == resources.Theirs {
		return ErrTheirs
	}
	if s.Kind != resources.Classic {
		return fmt.Errorf("resource %d is a blob: %w", res, syscall.EINVAL)
	}
	return nil
}

// AttachIov gives a resource guest pages; it must have none.
func (r *Renderer) AttachIov(res uint32, iov resources.Iov) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.get(res)
	if err != nil {
		return err
	}
	if s.Iov.Base != 0 {
		return fmt.Errorf("resource %d has guest pages: %w", res, syscall.EINVAL)
	}
	s.Iov = iov
	return nil
}

// DetachIov takes a resource's guest pages back.
func (r *Renderer) DetachIov(res uint32) (resources.Iov, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.get(res)
	if err != nil {
		return resources.Iov{}, err
	}
	iov := s.Iov
	s.Iov = resources.Iov{}
	return iov, nil
}

// SetPriv and Priv keep a word of the embedder's with a resource, whosever it
// is; unknown ids are ignored and read as 0.
func (r *Renderer) SetPriv(res uint32, v uintptr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.resources.Get(res); s != nil {
		s.Priv = v
	}
}

// Priv: see SetPriv.
func (r *Renderer) Priv(res uint32) uintptr {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.resources.Get(res); s != nil {
		return s.Priv
	}
	return 0
}
