package core

import (
	"errors"
	"fmt"
	"syscall"

	"virgldrm/drm"
	"virgldrm/resources"
	"virgldrm/wire"
)

// Delegate says what a second library, behind the C API, takes over: all that
// is no native context. Its ids are entered here, so that none has two owners,
// and ErrTheirs answers calls with them; capi then makes the call, on the
// embedder's thread and without a lock.
type Delegate struct {
	Present bool
	GL      bool // it makes 2D and 3D resources
}

var (
	// ErrTheirs says that a call is the delegate's to answer.
	ErrTheirs = errors.New("the delegate's")
	// ErrNotLent says that the delegate must Lend a resource before a native
	// context can have it.
	ErrNotLent = errors.New("the delegate's, and its dma-buf is not here")
	// ErrNotShared says that the delegate must import a resource, and MarkShared
	// be called, before one of its contexts can have it.
	ErrNotShared = errors.New("the delegate has not imported it")
)

// noContext says why a context was not found among the native ones.
func (r *Renderer) noContext(id uint32) error {
	if r.theirs.Get(id) != 0 {
		return ErrTheirs
	}
	return ErrNoContext
}

// claimContext enters a context that the delegate is about to make, and says
// ErrTheirs. If it refuses, DestroyContext takes it out again.
func (r *Renderer) claimContext(id, flags uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch was := r.theirs.Get(id); {
	case flags == 0 || was != 0 && was != flags || r.contexts.Get(id) != nil:
		return fmt.Errorf("context %d of capset %d, but the id is in use: %w", id, flags, syscall.EINVAL)
	case was == flags:
		return nil
	}
	r.theirs.Set(id, flags)
	return ErrTheirs
}

// claim enters a resource that the delegate is about to make, and says
// ErrTheirs. If it refuses, Unref takes it out again. The caller holds mu.
func (r *Renderer) claim(res uint32) error {
	if r.resources.Get(res) != nil {
		return ErrInUse
	}
	r.resources.Add(&resources.Resource{ID: res, Kind: resources.Theirs})
	return ErrTheirs
}

// ImportImage is for a resource made of an EGL image, which only the delegate
// can have.
func (r *Renderer) ImportImage(res uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.cfg.Delegate.GL {
		return fmt.Errorf("there is no renderer for EGL images: %w", syscall.EINVAL)
	}
	return r.claim(res)
}

// blobIsTheirs tells whether a new blob is the delegate's: its contexts make
// it, or no context does.
func (r *Renderer) blobIsTheirs(a *BlobArgs) bool {
	return r.theirs.Get(a.Ctx) != 0 || r.cfg.Delegate.Present && a.Ctx == 0 && a.Mem == wire.BlobMemGuest
}

// Theirs tells whether a resource is the delegate's.
func (r *Renderer) Theirs(res uint32) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := r.get(res)
	return err == ErrTheirs
}

// CheckContext returns nil for a native context, or ErrTheirs or ErrNoContext.
func (r *Renderer) CheckContext(id uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.contexts.Get(id) != nil {
		return nil
	}
	return r.noContext(id)
}

// Lend keeps the dma-buf of a resource of the delegate's for native contexts
// that are going to have it; it takes fd.
func (r *Renderer) Lend(res uint32, fd drm.FD) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.resources.Get(res)
	if s == nil || s.Kind != resources.Theirs || s.FD.Valid() {
		fd.Close()
		return
	}
	s.FD = fd
}

// Share returns a new descriptor of one of our resources, its type and its
// size, for the delegate to import; MarkShared says that it did.
func (r *Renderer) Share(res uint32) (fd drm.FD, fdType uint32, size uint64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.get(res)
	if err != nil {
		return drm.FD{}, 0, 0, err
	}
	fd, fdType, err = r.export(s)
	return fd, fdType, s.Size, err
}

// MarkShared: see Share.
func (r *Renderer) MarkShared(res uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.resources.Get(res); s != nil {
		s.Shared = true
	}
}

// known tells whether the delegate has a resource of this id.
func known(s *resources.Resource) bool { return s.Kind == resources.Theirs || s.Shared }
