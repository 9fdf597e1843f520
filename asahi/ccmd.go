package asahi

import (
	"fmt"
	"syscall"

	"virgldrm/core"
	"virgldrm/drm"
	"virgldrm/resources"
	"virgldrm/wire"
)

// The commands. Of the three kinds of failure see docs/architecture.md.
var ccmds = wire.Table[*Context]{
	ccmdNop: wire.Nop[*Context]("NOP"),
	ccmdIoctlSimple: core.IoctlSimple(
		core.PassPlain[*Context](&opGetTime),
		core.PassPlain[*Context](&opVMCreate),
		core.PassPlain[*Context](&opVMDestroy),
		core.Pass(&opQueueCreate, (*Context).queueCreate),
		core.Pass(&opQueueDestroy, (*Context).queueDestroy)),
	ccmdGetParams:     wire.OnCall("GET_PARAMS", (*Context).getParams),
	ccmdGemNew:        wire.On("GEM_NEW", (*Context).gemNew),
	ccmdVMBind:        wire.On("VM_BIND", (*Context).vmBind),
	ccmdSubmit:        wire.On("SUBMIT", (*Context).submit),
	ccmdGemBindObject: wire.OnCall("GEM_BIND_OBJECT", (*Context).gemBindObject),
}

// queueCreate: higher priorities are the host's, whatever its kernel allows us.
func (c *Context) queueCreate(q *queueCreate) syscall.Errno {
	if q.Priority > priorityMedium {
		return syscall.EINVAL
	}
	e := opQueueCreate.Do(&c.Dev.FD, q)
	if e == 0 {
		c.AddQueue(q.QueueID, q.Priority)
	}
	return e
}

func (c *Context) queueDestroy(q *queueDestroy) syscall.Errno {
	e := opQueueDestroy.Do(&c.Dev.FD, q)
	if e == 0 {
		c.RemoveQueue(q.QueueID)
	}
	return e
}

// getParams: the kernel writes to the private reply, never to the guest. What it
// does not know stays 0; the answer has the length the guest asked for.
func (c *Context) getParams(q *getParamsReq, m *wire.Call) error {
	if q.Hdr.Len != getParamsFixed {
		return fmt.Errorf("a message of %d bytes, not %d: %w", q.Hdr.Len, getParamsFixed, syscall.EINVAL)
	}
	if q.Params.Size > wire.MaxReply-getParamsRspSize {
		return fmt.Errorf("%d bytes wanted: %w", q.Params.Size, syscall.ENOMEM)
	}
	rsp, err := m.Reply(getParamsRspSize + uint32(q.Params.Size))
	if err != nil {
		return err
	}
	if q.Params.ParamGroup != 0 {
		wire.PutRet(rsp, wire.Ret(syscall.EINVAL))
		return nil
	}
	a := getParams{Pointer: drm.Addr(rsp[getParamsRspSize:]), Size: q.Params.Size}
	wire.PutRet(rsp, wire.Ret(opGetParams.Do(&c.Dev.FD, &a)))
	return nil
}

// gemNew allocates a buffer, at the guest's address if it names one, and parks it
// under its blob_id. The guest learns of a failure when it asks for the blob.
func (c *Context) gemNew(q *gemNewReq, _ wire.Tail, _ *wire.None) error {
	if err := c.allocate(q); err != nil {
		c.Counted("GEM_NEW", q.Hdr.Seqno, err)
	}
	return nil
}

func (c *Context) allocate(q *gemNewReq) error {
	if err := c.Objects.CanAddBlob(q.BlobID); err != nil {
		return err
	}
	bo := gemCreate{Size: q.Size, Flags: q.Flags}
	if q.Flags&gemVMPrivate != 0 {
		bo.VMID = q.VMID
	}
	if err := opGemCreate.Try(&c.Dev.FD, &bo); err != nil {
		return err
	}
	obj := &resources.Object{BlobID: q.BlobID, Handle: bo.Handle, Flags: q.Flags, Size: q.Size}
	return c.Objects.AddBlob(obj, c.place(q, bo.Handle))
}

// place binds all of a fresh buffer to the address it is for, if there is one.
func (c *Context) place(q *gemNewReq, handle uint32) error {
	if q.Addr == 0 {
		return nil
	}
	if err := c.Scratch.Grow(bindOpSize); err != nil {
		return err
	}
	mem := c.Scratch.Bytes()[:bindOpSize]
	drm.View[bindOp](mem, 1)[0] = bindOp{Flags: q.BindFlags, Handle: handle, Range: q.Size, Addr: q.Addr}
	return c.bind(q.VMID, mem)
}

// bind hands operations to the kernel. Those before one that fails stay done.
func (c *Context) bind(vm uint32, ops []byte) error {
	a := vmBind{VMID: vm, NumBinds: uint32(len(ops) / bindOpSize), Stride: bindOpSize, Userptr: drm.Addr(ops)}
	return opVMBind.Try(&c.Dev.FD, &a)
}

// vmBind changes what a range of GPU addresses shows.
func (c *Context) vmBind(q *vmBindReq, t wire.Tail, _ *wire.None) error {
	if q.Stride < bindOpHead || vmBindFixed+uint64(q.Stride)*uint64(q.Count) != uint64(q.Hdr.Len) {
		return fmt.Errorf("%d records of %d bytes in a message of %d: %w", q.Count, q.Stride, q.Hdr.Len, syscall.EINVAL)
	}
	if q.Count == 0 {
		return nil
	}
	n := int(q.Count) * bindOpSize
	if err := c.Scratch.Grow(n + int(t.Len())); err != nil {
		return err
	}
	defer c.Scratch.Trim()
	ops, sent := c.Scratch.Bytes()[:n], c.Scratch.Bytes()[n:][:t.Len()]
	t.CopyTo(sent, 0)
	err := c.translate(drm.View[bindOp](ops, int(q.Count)), sent, int(q.Stride))
	if err == nil {
		err = c.bind(q.VMID, ops)
	}
	if err != nil {
		c.Counted("VM_BIND", q.Hdr.Seqno, err)
	}
	return nil
}

// translate makes the kernel's records of the guest's, which may be longer or
// shorter. Unknown resources become handle 0: the kernel minds if it matters.
func (c *Context) translate(ops []bindOp, sent []byte, stride int) error {
	for i := range ops {
		rec := sent[i*stride:][:stride]
		ops[i] = bindOp{}
		for _, more := range rec[copy(drm.Bytes(&ops[i]), rec):] {
			if more != 0 {
				return fmt.Errorf("record %d asks for what this host does not know: %w", i, syscall.EINVAL)
			}
		}
		ops[i].Handle = c.Objects.Handle(ops[i].Handle)
	}
	return nil
}

// gemBindObject makes a buffer known to the GPU's firmware, or ends that. Only
// the former is answered; the latter comes with other commands, which its failure
// must not end.
func (c *Context) gemBindObject(q *gemBindObjectReq, m *wire.Call) error {
	if q.Bind.Op != bindObjectBind {
		if e := c.bindObject(&q.Bind); e != 0 {
			c.Counted("GEM_BIND_OBJECT", q.Hdr.Seqno, e)
		}
		return nil
	}
	r, err := wire.Reply[gemBindObjectRsp](m)
	if err != nil {
		return err
	}
	e := c.bindObject(&q.Bind)
	if r.Ret = wire.Ret(e); e == 0 {
		r.ObjectHandle = q.Bind.ObjectHandle
	}
	return nil
}

func (c *Context) bindObject(b *gemBindObject) syscall.Errno {
	if res := b.Handle; res != 0 {
		if b.Handle = c.Objects.Handle(res); b.Handle == 0 {
			return syscall.ENOENT
		}
	}
	return opGemBindObject.Do(&c.Dev.FD, b)
}
