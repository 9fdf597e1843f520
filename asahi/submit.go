package asahi

import (
	"fmt"
	"syscall"

	"virgldrm/drm"
	"virgldrm/wire"
)

// maxSyncs is how many fences a job names: what it waits for, and its own.
const maxSyncs = 2

// submit hands a job to the kernel and keeps its fence for the ring. What the
// kernel refuses is counted; the message itself must be sound. The command buffer
// holds GPU addresses and the kernel's object ids: nothing to translate.
func (c *Context) submit(q *submitReq, t wire.Tail, _ *wire.None) error {
	cmds, list := uint64(q.CmdbufSize), uint64(q.ExtresCount)*extresSize
	if submitFixed+cmds+list > uint64(q.Hdr.Len) {
		return fmt.Errorf("%d bytes of commands and %d shared buffers in a message of %d: %w",
			q.CmdbufSize, q.ExtresCount, q.Hdr.Len, syscall.EINVAL)
	}
	j := job{ring: c.RingOf(q.QueueID)}
	if j.ring == 0 {
		c.CountError()
		return fmt.Errorf("unknown queue %d: %w", q.QueueID, syscall.EINVAL)
	}
	// In scratch: the job's fences, the shared buffers, the commands.
	const syncs = maxSyncs * syncEntrySize
	if err := c.Scratch.Grow(int(syncs + list + cmds)); err != nil {
		return err
	}
	defer c.Scratch.Trim()
	mem := c.Scratch.Bytes()
	t.CopyTo(mem[syncs:][:list], q.CmdbufSize)
	t.CopyTo(mem[syncs+list:][:cmds], 0)
	j.syncs = drm.View[syncEntry](mem, maxSyncs)
	j.shared = drm.View[extres](mem[syncs:], int(q.ExtresCount))
	j.arg = submit{
		Syncs: drm.Addr(mem[:syncs]), Cmdbuf: drm.Addr(mem[syncs+list:][:cmds]), CmdbufSize: q.CmdbufSize,
		Flags: q.Flags, QueueID: q.QueueID,
	}
	if err := c.run(&j); err != nil {
		c.Counted("SUBMIT", q.Hdr.Seqno, err)
	}
	return nil
}

// job is one submission; its slices are scratch memory.
type job struct {
	arg    submit
	syncs  []syncEntry
	shared []extres
	ring   uint32
}

// run submits. The context's in-fence is used up either way.
func (c *Context) run(j *job) error {
	in := c.TakeInFence()
	defer in.Close()
	c.waitForSharers(&in, j.shared)
	syncs := j.syncs[:0]
	if in.Valid() {
		h, err := c.inSync.Put(c.Dev, &in)
		if err != nil {
			return err
		}
		syncs = append(syncs, syncEntry{SyncType: syncSyncobj, Handle: h})
		j.arg.InSyncCount = 1
	}
	h, err := c.outSync.Handle(c.Dev)
	if err != nil {
		return err
	}
	_ = append(syncs, syncEntry{SyncType: syncSyncobj, Handle: h})
	j.arg.OutSyncCount = 1
	if err := opSubmit.Try(&c.Dev.FD, &j.arg); err != nil {
		return err
	}
	out, err := c.outSync.Get(c.Dev)
	if err != nil {
		c.LostOutFence() // the ring's earlier ones have to do
		return err
	}
	c.tellSharers(&out, j.shared)
	return c.AddOutFence(j.ring, out)
}

// waitForSharers adds what others do with the buffers to what the job waits for:
// the kernel leaves that to us. A failure costs order, not the job.
func (c *Context) waitForSharers(in *drm.FD, list []extres) {
	for i := range list {
		if list[i].Flags&extresRead == 0 {
			continue
		}
		buf, err := c.Objects.Dmabuf(list[i].ResID)
		if err == nil {
			var fd drm.FD
			if fd, err = drm.DmabufFences(buf); err == nil {
				err = drm.AddSyncFile(in, fd)
			}
		}
		if err != nil {
			c.Log.Debugf("ctx %d: SUBMIT does not wait for users of resource %d: %v", c.ID, list[i].ResID, err)
		}
	}
}

// tellSharers makes others wait for a job that writes to the buffers.
func (c *Context) tellSharers(out *drm.FD, list []extres) {
	for i := range list {
		if list[i].Flags&extresWrite == 0 {
			continue
		}
		buf, err := c.Objects.Dmabuf(list[i].ResID)
		if err == nil {
			err = drm.AddDmabufWriter(buf, out)
		}
		if err != nil {
			c.Log.Debugf("ctx %d: users of resource %d do not wait for SUBMIT: %v", c.ID, list[i].ResID, err)
		}
	}
}
