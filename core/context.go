package core

import (
	"fmt"
	"runtime/debug"
	"syscall"

	"virgldrm/drm"
	"virgldrm/resources"
	"virgldrm/wire"
)

// capsetMask is the capset in the flags of a context.
const capsetMask = 0xff

// context is one guest GPU process: core's half, the driver's, and the scratch
// its commands run in.
type context struct {
	Base
	drv  Context
	call *wire.Call
	mem  drm.Scratch // call's
	lost bool        // a panic ended it; calls get EIO
}

// CreateContext makes a context of the capset in flags. An existing one of the
// same capset is left as it is. Errors are EINVAL for what the embedder asked
// and ENOMEM for what the host could not give.
func (r *Renderer) CreateContext(id, flags uint32, name string) error {
	if id != 0 && flags&capsetMask != wire.CapsetDRM && r.cfg.Delegate.Present {
		return r.claimContext(id, flags)
	}
	if id == 0 || flags != wire.CapsetDRM || r.gpu == nil {
		return fmt.Errorf("no context %d of capset %d can be made: %w", id, flags, syscall.EINVAL)
	}
	switch r.CheckContext(id) {
	case nil:
		return nil
	case ErrTheirs:
		return fmt.Errorf("context %d is not of capset %d: %w", id, flags, syscall.EINVAL)
	}
	// Without the lock: the embedder is asked for a device.
	c, err := r.newContext(id, name)
	if err != nil {
		r.limited(id).Warnf("context %d: %v", id, err)
		return fmt.Errorf("context %d: %w", id, syscall.ENOMEM)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.contexts.Get(id) != nil { // made meanwhile
		c.Fences.Destroy()
		r.free(c)
		return nil
	}
	r.contexts.Set(id, c)
	return nil
}

func (r *Renderer) newContext(id uint32, name string) (_ *context, err error) {
	dev, err := r.open()
	if err != nil {
		return nil, err
	}
	c := &context{Base: Base{
		ID: id, Dev: dev, Objects: resources.NewObjects(dev), Log: r.limited(id),
		asyncAt: r.gpu.driver.AsyncError,
	}}
	defer func() {
		if err != nil {
			r.free(c)
		}
	}()
	if name != "" {
		if err := dev.SetClientName(name); err != nil {
			c.Log.Debugf("context %d: %v", id, err)
		}
	}
	if c.mem, err = drm.NewScratch(wire.ScratchSize); err != nil {
		return nil, err
	}
	c.call = wire.NewCall(c.mem.Bytes())
	if c.drv, err = r.gpu.driver.New(&c.Base, &r.gpu.caps); err != nil {
		return nil, err
	}
	if c.Fences, err = r.fences.NewContext(id, c.drv.Rings()); err != nil {
		return nil, err
	}
	return c, nil
}

// DestroyContext ends a context: its fences are all reported, its buffers and
// its device closed. It does not wait for the GPU.
func (r *Renderer) DestroyContext(id uint32) error {
	r.mu.Lock()
	c, err := r.contexts.Get(id), r.noContext(id)
	if c != nil {
		r.contexts.Set(id, nil)
		for res := range c.Objects.Resources {
			if s := r.resources.Get(res); s != nil {
				s.LetGo(id)
			}
		}
	} else if err == ErrTheirs {
		r.theirs.Set(id, 0)
	}
	r.mu.Unlock()
	if c == nil {
		return err
	}
	// Without the lock: fences are reported, and a callback that is running
	// elsewhere may need a call of its own to finish.
	busy := c.Fences.Destroy() || c.stray
	for i := range c.out {
		busy = busy || c.out[i].Valid()
	}
	if busy {
		r.later(func() { r.free(c) })
	} else {
		r.free(c)
	}
	return nil
}

// free closes what a context holds. Its fences are gone already.
func (r *Renderer) free(c *context) {
	c.in.Close()
	for i := range c.out {
		c.out[i].Close()
	}
	c.shmem.Unmap()
	c.Objects.Clear()
	c.Scratch.Free()
	c.mem.Free()
	if c.Dev.Waits() {
		r.later(c.Dev.Close)
		return
	}
	c.Dev.Close()
}

// Submit runs a batch of ccmds in a context. batch is borrowed for the call and
// may change under it.
func (r *Renderer) Submit(id uint32, batch []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.contexts.Get(id)
	if c == nil {
		return r.noContext(id)
	}
	return r.run(c, batch)
}

func (r *Renderer) run(c *context, batch []byte) (err error) {
	if c.lost {
		return syscall.EIO
	}
	defer r.contain(c, &err)
	err = c.drv.Run(c.call, batch, c.Shmem)
	if err != nil {
		c.Log.Warnf("ctx %d: %v", c.ID, err)
	}
	return err
}

// contain turns a panic while a context's command ran into the end of that
// context alone.
func (r *Renderer) contain(c *context, err *error) {
	if r.cfg.CrashOnPanic {
		return
	}
	p := recover()
	if p == nil {
		return
	}
	c.lost = true
	*err = syscall.EIO
	c.CountError()
	r.log.Errorf("ctx %d: internal error, the context is lost: %v; %s", c.ID, p, debug.Stack())
}

// DeviceFD returns a context's DRM descriptor, which stays the context's.
func (r *Renderer) DeviceFD(id uint32) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.contexts.Get(id)
	if c == nil {
		return -1, r.noContext(id)
	}
	return c.Dev.FD.Num(), nil
}

// Attach gives a context access to a resource made elsewhere, by importing its
// dma-buf. Whatever cannot be imported is left alone: commands that name it
// fail later. ErrTheirs, ErrNotLent and ErrNotShared are the delegate's cases.
func (r *Renderer) Attach(ctx, res uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, s := r.contexts.Get(ctx), r.resources.Get(res)
	switch {
	case s == nil, c == nil && r.theirs.Get(ctx) == 0:
		return nil
	case c == nil && known(s):
		return ErrTheirs
	case c == nil:
		return ErrNotShared
	case c.Objects.Get(res) != nil:
		return nil
	case s.Kind == resources.Theirs && !s.FD.Valid():
		return ErrNotLent
	}
	fd, err := r.dmabuf(s)
	if err != nil {
		c.Log.Debugf("ctx %d: resource %d is not attached: %v", ctx, res, err)
		return nil
	}
	defer fd.Close()
	if err := c.Objects.Import(res, &fd); err != nil {
		c.Log.Warnf("ctx %d: resource %d cannot be imported: %v", ctx, res, err)
		return nil
	}
	s.Hold(ctx)
	return nil
}

// Detach takes a resource's buffer from a context.
func (r *Renderer) Detach(ctx, res uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, s := r.contexts.Get(ctx), r.resources.Get(res)
	switch {
	case c != nil && s != nil:
		c.Objects.Remove(res)
		s.LetGo(ctx)
	case s != nil && known(s):
		return r.noContext(ctx)
	}
	return nil
}
