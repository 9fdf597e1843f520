package core

import (
	"virgldrm/drm"
	"virgldrm/fence"
	"virgldrm/resources"
	"virgldrm/trace"
	"virgldrm/wire"
)

// Driver describes one kind of native context.
type Driver struct {
	Name        string // of the host's kernel driver, as DRM_IOCTL_VERSION says it
	ContextType uint32 // wire.ContextMSM and so on
	Align       uint32 // of ccmd lengths and response offsets, in bytes
	ShmemHeader uint32 // bytes before the response memory
	AsyncError  uint32 // offset of the header's error counter; 0: there is none
	AnyRing     bool   // a fence may be for a submission on another ring than its own

	// Probe fills the driver's part of the capset from an open device, or says
	// why the device cannot be used.
	Probe func(dev *drm.Device, caps *wire.Capset) error
	// New makes the driver's half of a context; the device was opened for it
	// and has passed Probe's caps.
	New func(b *Base, caps *wire.Capset) (Context, error)
}

// Context is the driver's half of a context.
type Context interface {
	// Rings is the number of GPU timelines; ring n > 0 is the n-th.
	Rings() uint32
	// Run executes a batch of ccmds.
	Run(m *wire.Call, batch []byte, shm *wire.Shmem) error
	// ShmemReady is called once, when b.Shmem has become usable.
	ShmemReady()
	// CheckBlob says whether a resource of this size may be made of a buffer,
	// and how the guest must map it (wire.MapCached and so on).
	CheckBlob(obj *resources.Object, size uint64) (mapInfo uint32, err error)
	// Exportable tells whether a buffer without SHAREABLE may leave the
	// context as a dma-buf.
	Exportable(obj *resources.Object) bool
	// MapOffset returns where a buffer is mapped on the DRM file. Of buffers
	// without SHAREABLE, the MAPPABLE ones are mapped so.
	MapOffset(obj *resources.Object) (uint64, error)
}

// Base is core's half of a context, as its driver sees it.
type Base struct {
	ID      uint32
	Dev     *drm.Device
	Objects *resources.Objects
	Fences  *fence.Context // nil until the driver's Rings is known
	Log     *trace.Logger  // rate-limited: the guest causes these lines
	Scratch drm.Scratch    // for what the kernel reads through pointers
	Shmem   *wire.Shmem    // nil until the guest has made it

	asyncAt uint32 // Driver.AsyncError

	shmem drm.Mapping
	in    drm.FD                // fences the next submission waits for, merged
	out   [wire.MaxRings]drm.FD // newest submission's fence per ring, if unused
	stray bool                  // jobs may run whose fence nobody has
}

// CountError counts an error that has no answer to travel in; the guest takes
// any change of the counter for a lost device.
func (b *Base) CountError() {
	if b.Shmem != nil && b.asyncAt != 0 {
		b.Shmem.Add(b.asyncAt)
	}
}

// Counted logs an error that has no answer to travel in, and counts it.
func (b *Base) Counted(ccmd string, seqno uint32, err error) {
	b.Log.Warnf("ctx %d: %s seqno %d: %v", b.ID, ccmd, seqno, err)
	b.CountError()
}

// TakeInFence returns the sync_file the next kernel submission must wait for,
// or none. The caller closes it, whether or not the submission succeeds.
func (b *Base) TakeInFence() drm.FD { return b.in.Take() }

// SetOutFence gives a ring the sync_file of its newest submission. The ring is
// FIFO, so it stands for earlier ones nobody asked about. On ring 0, which no
// GPU queue is on, nobody can ask.
func (b *Base) SetOutFence(ring uint32, fd drm.FD) {
	if ring == 0 {
		b.stray = true
		fd.Close()
		return
	}
	b.out[ring].Close()
	b.out[ring] = fd.Take()
}

// AddOutFence is SetOutFence of a ring whose submissions may end in any order:
// an earlier one nobody asked about is waited for as well. On error fd is lost.
func (b *Base) AddOutFence(ring uint32, fd drm.FD) error {
	err := drm.AddSyncFile(&b.out[ring], fd)
	b.stray = b.stray || err != nil
	return err
}

// LostOutFence says that a job runs whose fence could not be had: the context's
// end may have to wait for it, and does so in the background.
func (b *Base) LostOutFence() { b.stray = true }

// takeOutFence returns what a new fence of a GPU ring waits for beside earlier
// fences. With anyRing, a ring without a submission of its own takes all others'.
func (b *Base) takeOutFence(ring uint32, anyRing bool) (drm.FD, error) {
	fd := b.out[ring].Take()
	if !anyRing || ring == 0 || fd.Valid() {
		return fd, nil
	}
	for i := range b.out {
		if err := drm.AddSyncFile(&fd, b.out[i].Take()); err != nil {
			fd.Close()
			b.stray = true
			return fd, err
		}
	}
	return fd, nil
}
