package msm

import (
	"fmt"
	"syscall"

	"virgldrm/drm"
	"virgldrm/wire"
)

// Sizes of the fixed part and of the table rows behind it, in bytes.
const (
	submitFixed = 36
	boSize      = 16
	cmdSize     = 32
)

// gemSubmit hands a job to the kernel and keeps its fence for the ring. What
// the kernel refuses is counted; the message itself must be sound.
func (c *Context) gemSubmit(q *gemSubmitReq, t wire.Tail, _ *wire.None) error {
	bosLen, cmdsLen := uint64(q.NrBos)*boSize, uint64(q.NrCmds)*cmdSize
	if submitFixed+bosLen+cmdsLen > uint64(q.Hdr.Len) {
		return fmt.Errorf("%d buffers and %d commands in a message of %d bytes: %w", q.NrBos, q.NrCmds, q.Hdr.Len, syscall.ENOSPC)
	}
	if err := c.Scratch.Grow(int(bosLen + cmdsLen)); err != nil {
		return err
	}
	defer c.Scratch.Trim()
	tables := c.Scratch.Bytes()[:bosLen+cmdsLen]
	t.CopyTo(tables, 0)
	if err := c.submit(q, tables[:bosLen], tables[bosLen:]); err != nil {
		c.Counted("GEM_SUBMIT", q.Hdr.Seqno, err)
	}
	return nil
}

// submit translates the tables in place and submits. The context's in-fence is
// used up either way.
func (c *Context) submit(q *gemSubmitReq, bos, cmds []byte) error {
	in := c.TakeInFence()
	defer in.Close()
	list := drm.View[submitBo](bos, int(q.NrBos))
	for i := range list {
		list[i].Handle = c.Objects.Handle(list[i].Handle)
	}
	jobs := drm.View[submitCmd](cmds, int(q.NrCmds))
	for i := range jobs {
		if jobs[i].NrRelocs != 0 {
			return fmt.Errorf("command %d has relocations: %w", i, syscall.EINVAL)
		}
		jobs[i].Relocs = 0 // guests leave rubbish here; the kernel may follow it
	}
	// Guests set syncobj bits whose arrays are theirs, and might ask for more
	// than they should: only these flags are theirs to set.
	a := gemSubmit{
		Flags:   q.Flags&(submitPipeMask|submitNoImplicit) | submitFdOut | submitSnIn,
		Fence:   q.Fence,
		NrBos:   q.NrBos,
		NrCmds:  q.NrCmds,
		Bos:     drm.Addr(bos),
		Cmds:    drm.Addr(cmds),
		FenceFd: int32(in.Num()),
		QueueID: q.QueueID,
	}
	if in.Valid() {
		a.Flags |= submitFdIn
	}
	if err := opGemSubmit.Try(&c.Dev.FD, &a); err != nil {
		return err
	}
	if int(a.FenceFd) == in.Num() {
		return nil // a device without fences leaves the field alone
	}
	c.SetOutFence(c.RingOf(q.QueueID), drm.NewFD(int(a.FenceFd)))
	return nil
}
