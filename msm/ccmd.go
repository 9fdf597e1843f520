package msm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"virgldrm/core"
	"virgldrm/drm"
	"virgldrm/resources"
	"virgldrm/wire"
)

// The commands. Three kinds of failure: an error return means a malformed
// message and ends the batch; a kernel error travels in the response where
// there is one; else it is counted, and the guest takes its device for lost.
var ccmds = wire.Table[*Context]{
	ccmdNop: wire.Nop[*Context]("NOP"),
	ccmdIoctlSimple: core.IoctlSimple(
		core.Pass(&opGetParam, (*Context).getParam),
		core.PassPlain[*Context](&opGetParamOld),
		core.Pass(&opSubmitqueueNew, (*Context).submitqueueNew),
		core.Pass(&opSubmitqueueClose, (*Context).submitqueueClose)),
	ccmdGemNew:           wire.On("GEM_NEW", (*Context).gemNew),
	ccmdGemSetIova:       wire.On("GEM_SET_IOVA", (*Context).gemSetIova),
	ccmdGemCPUPrep:       wire.On("GEM_CPU_PREP", (*Context).gemCPUPrep),
	ccmdGemSetName:       wire.On("GEM_SET_NAME", (*Context).gemSetName),
	ccmdGemSubmit:        wire.On("GEM_SUBMIT", (*Context).gemSubmit),
	ccmdGemUpload:        wire.On("GEM_UPLOAD", (*Context).gemUpload),
	ccmdSubmitqueueQuery: wire.OnCall("SUBMITQUEUE_QUERY", (*Context).submitqueueQuery),
	ccmdWaitFence:        wire.On("WAIT_FENCE", (*Context).waitFence),
	ccmdSetDebuginfo:     wire.On("SET_DEBUGINFO", (*Context).setDebuginfo),
}

// getParam: with a length, value is a pointer into the guest's memory.
func (c *Context) getParam(p *param) syscall.Errno {
	if p.Len != 0 {
		return syscall.EINVAL
	}
	return opGetParam.Do(&c.Dev.FD, p)
}

func (c *Context) submitqueueNew(q *submitqueue) syscall.Errno {
	e := opSubmitqueueNew.Do(&c.Dev.FD, q)
	if e == 0 {
		c.AddQueue(q.ID, q.Prio)
	}
	return e
}

func (c *Context) submitqueueClose(id *uint32) syscall.Errno {
	e := opSubmitqueueClose.Do(&c.Dev.FD, id)
	if e == 0 {
		c.RemoveQueue(*id)
	}
	return e
}

// gemNew allocates a buffer at the guest's address and parks it under its
// blob_id. A failure is counted and ends the batch.
func (c *Context) gemNew(q *gemNewReq, _ wire.Tail, _ *wire.None) error {
	err := c.allocate(q)
	if err != nil {
		c.CountError()
	}
	return err
}

func (c *Context) allocate(q *gemNewReq) error {
	if err := c.Objects.CanAddBlob(q.BlobID); err != nil {
		return err
	}
	bo := gemNew{Size: q.Size.get(), Flags: q.Flags}
	if err := opGemNew.Try(&c.Dev.FD, &bo); err != nil {
		return err
	}
	obj := &resources.Object{BlobID: q.BlobID, Handle: bo.Handle, Flags: q.Flags, Size: q.Size.get()}
	return c.Objects.AddBlob(obj, c.setIova(bo.Handle, q.Iova.get()))
}

func (c *Context) setIova(handle uint32, iova uint64) error {
	set := func() error {
		return opGemInfo.Try(&c.Dev.FD, &gemInfo{Handle: handle, Info: infoSetIova, Value: iova})
	}
	err := set()
	if errors.Is(err, syscall.ENOSPC) && c.Dev.CloseLate(true) { // it may have been one of theirs
		err = set()
	}
	return err
}

// gemSetIova gives a buffer its GPU address, or with 0 takes it.
func (c *Context) gemSetIova(q *gemSetIovaReq, _ wire.Tail, _ *wire.None) error {
	var err error
	if h := c.Objects.Handle(q.ResID); h == 0 {
		err = fmt.Errorf("unknown resource %d", q.ResID)
	} else {
		err = c.setIova(h, q.Iova.get())
	}
	if err != nil {
		c.Counted("GEM_SET_IOVA", q.Hdr.Seqno, err)
	}
	return nil
}

// gemCPUPrep asks whether the CPU may touch a buffer; it never waits.
func (c *Context) gemCPUPrep(q *gemCPUPrepReq, _ wire.Tail, r *retRsp) error {
	a := cpuPrep{Handle: c.Objects.Handle(q.ResID), Op: q.Op | prepNosync}
	if c.boost {
		a.Op |= prepBoost
	}
	r.Ret = wire.Ret(opGemCPUPrep.Do(&c.Dev.FD, &a))
	return nil
}

// gemSetName is for people who look at the kernel's debug files; failures do
// not matter to the guest.
func (c *Context) gemSetName(q *gemSetNameReq, t wire.Tail, _ *wire.None) error {
	if q.Len > t.Len() {
		return fmt.Errorf("name of %d bytes in a payload of %d: %w", q.Len, t.Len(), syscall.EINVAL)
	}
	if q.Len > maxName {
		return nil
	}
	if err := c.Scratch.Grow(maxName); err != nil {
		return err
	}
	name := c.Scratch.Bytes()[:q.Len]
	t.CopyTo(name, 0)
	opGemInfo.Do(&c.Dev.FD, &gemInfo{
		Handle: c.Objects.Handle(q.ResID), Info: infoSetName, Value: uint64(drm.Addr(name)), Len: q.Len,
	})
	return nil
}

// gemUpload writes to a buffer before the guest has it mapped.
func (c *Context) gemUpload(q *gemUploadReq, t wire.Tail, _ *wire.None) error {
	if q.Pad != 0 || q.Len > t.Len() {
		return fmt.Errorf("%d bytes in a payload of %d: %w", q.Len, t.Len(), syscall.EINVAL)
	}
	obj := c.Objects.Get(q.ResID)
	if obj == nil {
		return fmt.Errorf("unknown resource %d: %w", q.ResID, syscall.ENOENT)
	}
	if uint64(q.Off)+uint64(q.Len) > obj.Size {
		return fmt.Errorf("%d bytes at %d of a buffer of %d: %w", q.Len, q.Off, obj.Size, syscall.EFAULT)
	}
	if err := c.mapForUpload(obj); err != nil {
		return err
	}
	t.CopyTo(obj.Upload.Bytes()[q.Off:][:q.Len], 0)
	return nil
}

// mapForUpload maps a buffer until it is freed or some others were mapped: a
// process can have only so many mappings.
func (c *Context) mapForUpload(obj *resources.Object) error {
	if obj.Upload.Valid() {
		return nil
	}
	off, err := c.MapOffset(obj)
	if err != nil {
		return err
	}
	if obj.Upload, err = drm.Map(&c.Dev.FD, off, obj.Size); err != nil {
		return err
	}
	oldest := &c.uploads[c.upload]
	if *oldest != nil {
		(*oldest).Upload.Unmap()
	}
	*oldest = obj
	c.upload = (c.upload + 1) % len(c.uploads)
	return nil
}

// submitqueueQuery: the kernel writes to the private reply, never to the guest.
func (c *Context) submitqueueQuery(q *submitqueueQueryReq, m *wire.Call) error {
	if q.Len > wire.MaxReply {
		return fmt.Errorf("%d bytes wanted: %w", q.Len, syscall.ENOMEM)
	}
	rsp, err := m.Reply(submitqueueQueryRspSize + q.Len)
	if err != nil {
		return err
	}
	a := submitqueueQuery{
		Data: drm.Addr(rsp[submitqueueQueryRspSize:]), ID: q.QueueID, Param: q.Param, Len: q.Len,
	}
	e := opSubmitqueueQuery.Do(&c.Dev.FD, &a)
	wire.PutRet(rsp, wire.Ret(e))
	binary.NativeEndian.PutUint32(rsp[8:], a.Len)
	return nil
}

// waitFence asks whether a fence of a queue has signalled; a timeout of now is
// the kernel's way to poll.
func (c *Context) waitFence(q *waitFenceReq, _ wire.Tail, r *retRsp) error {
	now := drm.Monotonic()
	a := waitFence{Fence: q.Fence, QueueID: q.QueueID, Timeout: timespec{Sec: now / 1e9, Nsec: now % 1e9}}
	if c.boost {
		a.Flags = waitBoost
	}
	r.Ret = wire.Ret(opWaitFence.Do(&c.Dev.FD, &a))
	return nil
}

// setDebuginfo names the guest process in the kernel's crash dumps.
func (c *Context) setDebuginfo(q *setDebuginfoReq, t wire.Tail, _ *wire.None) error {
	const fixed = 24
	if fixed+uint64(q.CommLen)+uint64(q.CmdlineLen) > uint64(q.Hdr.Len) {
		return fmt.Errorf("strings of %d and %d bytes in a message of %d: %w", q.CommLen, q.CmdlineLen, q.Hdr.Len, syscall.ENOSPC)
	}
	if err := c.setString(paramComm, t, 0, q.CommLen); err != nil {
		return err
	}
	return c.setString(paramCmdline, t, q.CommLen, q.CmdlineLen)
}

func (c *Context) setString(nr uint32, t wire.Tail, off, n uint32) error {
	if n > maxString {
		return nil // the kernel would refuse it, which the guest never hears of
	}
	if err := c.Scratch.Grow(maxString); err != nil {
		return err
	}
	s := c.Scratch.Bytes()[:n]
	t.CopyTo(s, off)
	opSetParam.Do(&c.Dev.FD, &param{Pipe: pipe3D0, Param: nr, Value: uint64(drm.Addr(s)), Len: n})
	return nil
}
