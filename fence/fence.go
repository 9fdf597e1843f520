// Package fence retires fences: per context and ring in creation order, each
// exactly once, without a thread per ring and without ever waiting for the GPU.
//
// Ring 0 is the host's own timeline: its fences are done when they are added.
// Ring n > 0 is a GPU timeline; its fences carry the sync_file of the last
// submission, or nothing when there was no new one, and then they are done when
// their predecessors are.
//
// The machinery is C (hub.h has the picture): a signalled fence reaches the
// embedder's callback on the waiter thread without entering Go.
package fence

/*
#cgo CFLAGS: -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Wall
#cgo pkg-config: libdrm
#cgo LDFLAGS: -lpthread
#include <string.h>
#include "hub.h"

static struct vd_hub *new_hub(uintptr_t retired, uintptr_t hung, uint64_t hung_ns)
{
    struct vd_fence_ops ops = {
        .retired = (void (*)(uint32_t, uint32_t, uint64_t))retired,
        .hung = (void (*)(uint32_t, uint32_t, uint64_t, uint32_t))hung,
        .hung_ns = hung_ns,
    };

    return vd_hub_new(&ops);
}

static void watch(struct vd_hub *hub, uint64_t key, int fd, uint32_t request, uint8_t *arg, uint32_t size,
                  uint32_t value_at, uint32_t *dest)
{
    struct vd_fault_query q = { .fd = fd, .request = request, .value_at = value_at, .dest = dest };

    memcpy(q.arg, arg, size);
    vd_fence_ctx_watch(hub, key, &q);
}

static uint32_t arg_size(void) { return sizeof(((struct vd_fault_query *)0)->arg); }
*/
import "C"

import (
	"syscall"
	"time"

	"virgldrm/drm"
)

// Callbacks are C functions the hub calls, on any thread and with no lock held;
// they may call back into the library. Given as addresses because they never
// run Go code.
type Callbacks struct {
	Retired uintptr // void (*)(uint32_t ctx, uint32_t ring, uint64_t fence_id)
	Hung    uintptr // void (*)(uint32_t ctx, uint32_t ring, uint64_t fence_id, uint32_t seconds)

	HungAfter time.Duration // how long a ring is stuck when Hung is called; 0: ten seconds
}

// Hub holds the fences of all contexts. Its methods may be called on any
// thread.
type Hub struct{ c *C.struct_vd_hub }

// NewHub returns an empty hub; its waiter thread starts with the first fence
// that has a sync_file.
func NewHub(cb Callbacks) (*Hub, error) {
	c := C.new_hub(C.uintptr_t(cb.Retired), C.uintptr_t(cb.Hung), C.uint64_t(cb.HungAfter))
	if c == nil {
		return nil, syscall.ENOMEM
	}
	return &Hub{c}, nil
}

// Close stops the waiter. The contexts must be destroyed before. It may be
// called from a callback.
func (h *Hub) Close() {
	C.vd_hub_free(h.c)
	h.c = nil
}

// Check looks after what is pending: it reports hung rings and makes up for lost
// events. It calls no fence callback. To be called now and then while it returns
// true; Sleep waits that long.
func (h *Hub) Check() (pending bool) { return bool(C.vd_hub_check(h.c)) }

// Sleep returns true after half of HungAfter, or false once Wake was called. It is
// not a Go timer: those make the runtime keep descriptors for ever.
func (h *Hub) Sleep() bool { return bool(C.vd_hub_sleep(h.c)) }

// Wake ends all Sleep from now on.
func (h *Hub) Wake() { C.vd_hub_wake(h.c) }

// Export returns a new descriptor of the sync_file behind a pending fence;
// ENOENT means that the fence has retired or never had one.
func (h *Hub) Export(id uint64) (drm.FD, error) {
	return result(C.vd_fence_export(h.c, C.uint64_t(id)))
}

// Signalled returns a new descriptor of a sync_file that has signalled; ENOENT
// before the first has.
func (h *Hub) Signalled() (drm.FD, error) { return result(C.vd_fence_signalled(h.c)) }

func result(r C.int) (drm.FD, error) {
	if r < 0 {
		return drm.FD{}, syscall.Errno(-r)
	}
	return drm.NewFD(int(r)), nil
}

// Context is the timelines of one context. After Destroy it refuses fences.
type Context struct {
	hub *C.struct_vd_hub
	key C.uint64_t
}

// NewContext adds a context with gpuRings GPU timelines beside ring 0.
func (h *Hub) NewContext(id, gpuRings uint32) (*Context, error) {
	if gpuRings >= C.VD_RINGS {
		return nil, syscall.EINVAL
	}
	key := C.vd_fence_ctx_new(h.c, C.uint32_t(id), C.uint32_t(gpuRings+1))
	if key == 0 {
		return nil, syscall.ENOMEM
	}
	return &Context{h.c, key}, nil
}

// Add queues a fence on a ring and takes the sync_file; an empty one means that
// nothing was submitted since the last fence. What has signalled retires inside
// the call. On error the fence never retires and fd stays the caller's. listed is
// false when a pending fence has the same id: this one works but cannot be exported.
func (c *Context) Add(ring uint32, id uint64, fd drm.FD) (listed bool, err error) {
	r := C.vd_fence_add(c.hub, c.key, C.uint32_t(ring), C.uint64_t(id), C.int(fd.Num()))
	switch {
	case r == 0:
		return true, nil
	case syscall.Errno(-r) == syscall.EEXIST:
		return false, nil
	}
	return false, syscall.Errno(-r)
}

// Watch makes the hub run an ioctl before fences of GPU rings retire and store
// the 32-bit word at offset at of its argument to dest, unless it fails. dev
// and dest must stay valid until Destroy; arg is copied.
func Watch[T any](c *Context, dev *drm.FD, op *drm.Op[T], arg *T, at uint32, dest *uint32) {
	b := drm.Bytes(arg)
	if len(b) > int(C.arg_size()) || int(at)+4 > len(b) {
		panic("fence: fault query does not fit")
	}
	C.watch(c.hub, c.key, C.int(dev.Num()), C.uint32_t(op.Request), (*C.uint8_t)(&b[0]), C.uint32_t(len(b)),
		C.uint32_t(at), (*C.uint32_t)(dest))
}

// Destroy reports every outstanding fence, in order and exactly once, whatever
// the GPU does. When it returns no callback for this context runs or will run.
// It may be called from a callback, also from one for this context. busy tells
// whether GPU work of the context may still run.
func (c *Context) Destroy() (busy bool) {
	return C.vd_fence_ctx_destroy(c.hub, c.key) != 0
}
