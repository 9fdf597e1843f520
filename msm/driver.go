package msm

import (
	"fmt"
	"syscall"

	"virgldrm/core"
	"virgldrm/drm"
	"virgldrm/fence"
	"virgldrm/resources"
	"virgldrm/wire"
)

// Driver is the native context of the kernel's msm driver.
var Driver = core.Driver{
	Name:        "msm",
	ContextType: wire.ContextMSM,
	Align:       4,
	ShmemHeader: shmHeader,
	AsyncError:  shmAsyncError,
	Probe:       probe,
	New:         newContext,
}

// probe fills the capset and refuses kernels that guests cannot use.
func probe(dev *drm.Device, out *wire.Capset) error {
	if v := dev.Version; v.Major != 1 || v.Minor < minorRequired {
		return fmt.Errorf("the kernel's driver is %s, native contexts need msm 1.%d or a later 1.x: update the host's kernel: %w",
			v, minorRequired, syscall.ENOTSUP)
	}
	c := caps{
		HasCachedCoherent: cachedCoherent(dev),
		Priorities:        uint32(min(get(dev, paramPriorities), wire.MaxRings-1)),
		VaStart:           get(dev, paramVaStart),
		VaSize:            get(dev, paramVaSize),
		GpuID:             uint32(get(dev, paramGpuID)),
		GmemSize:          uint32(get(dev, paramGmemSize)),
		GmemBase:          get(dev, paramGmemBase),
		ChipID:            get(dev, paramChipID),
		MaxFreq:           uint32(get(dev, paramMaxFreq)),
		HighestBankBit:    uint32(get(dev, paramHighestBankBit)),
		UbwcSwizzle:       get(dev, paramUbwcSwizzle),
		MacrotileMode:     get(dev, paramMacrotileMode),
		HasRaytracing:     wire.Tri(get(dev, paramRaytracing) != 0),
		UcheTrapBase:      get(dev, paramUcheTrapBase),
	}
	if c.VaSize == 0 {
		return fmt.Errorf("the kernel manages this GPU's addresses itself (VA_SIZE is 0), guests must do so: use a GPU and kernel with per-process page tables: %w",
			syscall.ENOTSUP)
	}
	c.HasPreemption = preemption(dev, c.Priorities/2)
	out.Head.WireFormatVersion = wireFormat
	wire.PutCaps(out, &c)
	return nil
}

// get reads a parameter; what an older kernel does not know is 0.
func get(dev *drm.Device, nr uint32) uint64 {
	p := param{Pipe: pipe3D0, Param: nr}
	if opGetParam.Do(&dev.FD, &p) != 0 {
		return 0
	}
	return p.Value
}

func cachedCoherent(dev *drm.Device) uint32 {
	bo := gemNew{Size: 0x1000, Flags: boCachedCoherent}
	if opGemNew.Do(&dev.FD, &bo) != 0 {
		return 0
	}
	dev.Own(bo.Handle)
	dev.Release(bo.Handle)
	return 1
}

func preemption(dev *drm.Device, prio uint32) wire.Bool3 {
	q := submitqueue{Flags: queueAllowPreempt, Prio: prio}
	if opSubmitqueueNew.Do(&dev.FD, &q) != 0 {
		return wire.Tri(false)
	}
	opSubmitqueueClose.Do(&dev.FD, &q.ID)
	return wire.Tri(true)
}

// Context is the driver's half of a context.
type Context struct {
	*core.Base
	core.Queues // the kernel runs all queues of one priority of a file in order

	boost bool // the kernel knows the BOOST flags

	uploads [8]*resources.Object // mapped for GEM_UPLOAD, or freed since
	upload  int                  // the oldest of them
}

func newContext(b *core.Base, out *wire.Capset) (core.Context, error) {
	c := &Context{
		Base:   b,
		Queues: core.NewQueues(wire.GetCaps[caps](out).Priorities),
		boost:  b.Dev.Version.Minor >= minorBoost,
	}
	b.Dev.Busy = c.busy
	return c, nil
}

// busy: since the kernel has VM_BIND, its GEM_CLOSE waits until jobs that use
// the buffer are done, whoever's jobs. A kernel that cannot say is asked again later.
func (c *Context) busy(handle uint32) bool {
	return opGemCPUPrep.Do(&c.Dev.FD, &cpuPrep{Handle: handle, Op: prepWrite | prepNosync}) != 0
}

// Run executes a batch.
func (c *Context) Run(m *wire.Call, batch []byte, shm *wire.Shmem) error {
	return ccmds.Run(c, m, batch, Driver.Align, shm)
}

// ShmemReady makes the kernel's fault count reach the guest: now, because it is
// counted for all processes and a guest compares with what it saw first, and
// before each of the guest's fences.
func (c *Context) ShmemReady() {
	p := param{Pipe: pipe3D0, Param: paramFaults}
	if opGetParam.Do(&c.Dev.FD, &p) == 0 {
		c.Shmem.Store(shmGlobalFaults, uint32(p.Value))
	}
	fence.Watch(c.Fences, &c.Dev.FD, &opGetParam, &param{Pipe: pipe3D0, Param: paramFaults},
		paramValueAt, c.Shmem.Word(shmGlobalFaults))
}

// CheckBlob wants the size in whole pages. Cached buffers that are not coherent
// are WC to the guest, whose driver flushes.
func (c *Context) CheckBlob(obj *resources.Object, size uint64) (mapInfo uint32, err error) {
	if obj.Flags&boCacheMask == boCachedCoherent {
		return wire.MapCached, obj.CheckSize(size)
	}
	return wire.MapWC, obj.CheckSize(size)
}

// Exportable: VMMs map a buffer by its dma-buf, so MAPPABLE is enough.
func (c *Context) Exportable(obj *resources.Object) bool { return obj.Blob&wire.BlobMappable != 0 }

// MapOffset asks the kernel for the buffer's place on the DRM file.
func (c *Context) MapOffset(obj *resources.Object) (uint64, error) {
	i := gemInfo{Handle: obj.Handle, Info: infoGetOffset}
	err := opGemInfo.Try(&c.Dev.FD, &i)
	return i.Value, err
}
