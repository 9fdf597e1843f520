package core

import (
	"fmt"
	"syscall"

	"virgldrm/drm"
	"virgldrm/wire"
)

// Ioctl is a kernel request that guests may make as it is, by IOCTL_SIMPLE. C is
// the driver's context.
type Ioctl[C any] struct {
	request uint32
	run     func(C, *wire.Call) error
}

// IoctlSimple makes the row of IOCTL_SIMPLE. It passes on these ioctls, by their
// exact numbers: with another direction or size the kernel would see other
// arguments than we do.
func IoctlSimple[C any](list ...Ioctl[C]) wire.Row[C] {
	return wire.OnCall("IOCTL_SIMPLE", func(c C, q *wire.IoctlReq, m *wire.Call) error {
		for i := range list {
			if list[i].request == q.Cmd {
				return list[i].run(c, m)
			}
		}
		return fmt.Errorf("ioctl %#x is not passed on: %w", q.Cmd, syscall.EINVAL)
	})
}

// Pass makes one of them, which method runs on a copy of its argument. The guest
// gets 0 or -1, as ioctl returns it, and the argument if the kernel writes to it.
func Pass[C based, T any](op *drm.Op[T], method func(C, *T) syscall.Errno) Ioctl[C] {
	return Ioctl[C]{op.Request, func(c C, m *wire.Call) error {
		var arg T
		b := drm.Bytes(&arg)
		if m.Tail.Len() != uint32(len(b)) {
			return fmt.Errorf("%d bytes for %s: %w", m.Tail.Len(), op.Name, syscall.EINVAL)
		}
		m.Tail.CopyTo(b, 0)
		size := uint32(wire.IoctlRspSize)
		if op.Reads() {
			size += uint32(len(b))
		}
		rsp, err := m.Reply(size)
		if err != nil {
			return err
		}
		if e := method(c, &arg); e != 0 {
			c.base().Log.Debugf("ctx %d: IOCTL_SIMPLE seqno %d: %s: %v", c.base().ID, m.Req.Seqno, op.Name, e)
			wire.PutRet(rsp, -1)
		}
		copy(rsp[wire.IoctlRspSize:], b)
		return nil
	}}
}

// PassPlain is Pass of an ioctl that needs no care.
func PassPlain[C based, T any](op *drm.Op[T]) Ioctl[C] {
	return Pass(op, func(c C, arg *T) syscall.Errno { return op.Do(&c.base().Dev.FD, arg) })
}

// based is a driver's context, which embeds *Base.
type based interface{ base() *Base }

func (b *Base) base() *Base { return b }
