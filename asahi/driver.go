package asahi

import (
	"fmt"
	"syscall"

	"virgldrm/core"
	"virgldrm/drm"
	"virgldrm/resources"
	"virgldrm/wire"
)

// Driver is the native context of the kernel's asahi driver.
var Driver = core.Driver{
	Name:        "asahi",
	ContextType: wire.ContextAsahi,
	Align:       4,
	ShmemHeader: shmHeader,
	AsyncError:  shmAsyncError,
	AnyRing:     true, // some guests ask for all fences on ring 1
	Probe:       probe,
	New:         newContext,
}

// probe refuses kernels that guests cannot use: before it went upstream, the
// driver had other structs under the same names and versions. The capset has no
// part of the driver's, guests ask for everything by GET_PARAMS.
func probe(dev *drm.Device, out *wire.Capset) error {
	mem, err := drm.NewScratch(paramsSize)
	if err != nil {
		return err
	}
	defer mem.Free()
	a := getParams{Pointer: drm.Addr(mem.Bytes()), Size: paramsSize}
	if err := opGetParams.Try(&dev.FD, &a); err != nil {
		return fmt.Errorf("the kernel's %s has not the interface of upstream Linux that guests need: update the host's kernel: %v: %w",
			dev.Version, err, syscall.ENOTSUP)
	}
	out.Head.WireFormatVersion = wireFormat
	return nil
}

// Context is the driver's half of a context.
type Context struct {
	*core.Base
	core.Queues // one ring for the queues of a priority, which run in any order

	inSync, outSync drm.Syncobj // of the newest job
}

func newContext(b *core.Base, _ *wire.Capset) (core.Context, error) {
	return &Context{Base: b, Queues: core.NewQueues(priorityMedium + 1)}, nil
}

// Run executes a batch.
func (c *Context) Run(m *wire.Call, batch []byte, shm *wire.Shmem) error {
	return ccmds.Run(c, m, batch, Driver.Align, shm)
}

// ShmemReady: nothing of this kernel's shows there.
func (c *Context) ShmemReady() {}

// CheckBlob wants the size in whole pages.
func (c *Context) CheckBlob(obj *resources.Object, size uint64) (mapInfo uint32, err error) {
	if obj.Flags&gemWriteback != 0 {
		return wire.MapCached, obj.CheckSize(size)
	}
	return wire.MapWC, obj.CheckSize(size)
}

// Exportable: guests say SHAREABLE if they mean it.
func (c *Context) Exportable(*resources.Object) bool { return false }

// MapOffset asks the kernel for the buffer's place on the DRM file.
func (c *Context) MapOffset(obj *resources.Object) (uint64, error) {
	a := gemMmapOffset{Handle: obj.Handle}
	err := opGemMmapOffset.Try(&c.Dev.FD, &a)
	return a.Offset, err
}
