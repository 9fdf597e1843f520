package core

import (
	"errors"
	"fmt"
	"syscall"

	"virgldrm/drm"
)

// CreateFence adds a fence to a ring. It retires after every earlier one of the
// ring and after the ring's newest submission, inside this call if that is so
// already. An error means that it never retires.
func (r *Renderer) CreateFence(ctx, ring uint32, id uint64) error {
	r.mu.Lock()
	c := r.contexts.Get(ctx)
	if c == nil {
		err := r.noContext(ctx)
		r.mu.Unlock()
		return err
	}
	if ring > c.drv.Rings() {
		r.mu.Unlock()
		c.Log.Warnf("ctx %d: fence %d on ring %d, but there are %d GPU rings", ctx, id, ring, c.drv.Rings())
		return fmt.Errorf("ring %d: %w", ring, syscall.EINVAL)
	}
	fd, err := c.takeOutFence(ring, r.gpu.driver.AnyRing)
	fences, gpu, listed := c.Fences, fd.Valid(), false
	r.mu.Unlock()
	// Without the lock: this may call the embedder, and that may call us, even
	// to destroy the context.
	if err == nil {
		if listed, err = fences.Add(ring, id, fd); err != nil && gpu {
			r.keepOutFence(c, ring, fd)
		}
	}
	switch {
	case err == nil && !listed:
		c.Log.Warnf("ctx %d: fence id %d is pending already; the second cannot be exported", ctx, id)
	case err == nil && gpu:
		r.watch()
	case err != nil && !errors.Is(err, syscall.EINVAL): // no memory, descriptors or thread
		err = coded(syscall.ENOMEM, err)
		c.Log.Errorf("ctx %d: fence %d cannot be waited for: %v", ctx, id, err)
	}
	return err
}

// keepOutFence gives a ring back what a fence that could not be made was to wait
// for: the next one must not retire earlier, nor the context end as if idle.
func (r *Renderer) keepOutFence(c *context, ring uint32, fd drm.FD) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.contexts.Get(c.ID) != c {
		fd.Close()
		return
	}
	if err := c.AddOutFence(ring, fd); err != nil {
		c.Log.Warnf("ctx %d: ring %d: %v", c.ID, ring, err)
	}
}

// watch looks after pending fences while there are any: hung rings are reported.
func (r *Renderer) watch() {
	if r.watched.Load() || r.closed.Load() || r.watched.Swap(true) {
		return
	}
	r.watchers.Go(func() {
		defer recovered(r.log, r.cfg.CrashOnPanic, "while fences were looked after")
		for r.fences.Sleep() {
			if r.fences.Check() {
				continue
			}
			// One added from here on starts a watch of its own.
			r.watched.Store(false)
			if !r.fences.Check() || r.watched.Swap(true) {
				return
			}
		}
	})
}

// SubmitAfter is Submit behind other fences, by id. Ids that are not pending
// have signalled.
func (r *Renderer) SubmitAfter(id uint32, batch []byte, fences []uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.contexts.Get(id)
	if c == nil {
		return r.noContext(id)
	}
	for _, f := range fences {
		fd, err := r.fences.Export(f)
		if errors.Is(err, syscall.ENOENT) {
			continue
		}
		if err == nil {
			err = drm.AddSyncFile(&c.in, fd)
		}
		if err != nil {
			c.Log.Warnf("ctx %d: fence %d cannot be waited for: %v", id, f, err)
			return ErrMerge
		}
	}
	return r.run(c, batch)
}

// AttachFence makes the context's next kernel submission wait for a sync_file.
// It takes fd unless the context is unknown.
func (r *Renderer) AttachFence(ctx uint32, fd int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.contexts.Get(ctx)
	if c == nil {
		return r.noContext(ctx)
	}
	f := drm.NewFD(fd)
	defer f.Close()
	in, err := f.Dup() // which tells whether it is open
	if err == nil {
		err = drm.AddSyncFile(&c.in, in)
	}
	if err != nil {
		c.Log.Warnf("ctx %d: %v", ctx, err)
		return ErrMerge
	}
	return nil
}

// ExportFence returns a new descriptor of a pending fence's sync_file.
func (r *Renderer) ExportFence(id uint64) (drm.FD, error) { return r.fences.Export(id) }

// SignalledFence returns a new descriptor of a sync_file that has signalled.
func (r *Renderer) SignalledFence() (drm.FD, error) { return r.fences.Signalled() }
