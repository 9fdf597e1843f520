package wire

import (
	"fmt"
	"syscall"
	"unsafe"
)

// Error is a fatal error of a batch: the command that ended it, by its private
// header copy, and why. It unwraps to an errno.
type Error struct {
	Cmd   string
	Seqno uint32
	Why   string
	Err   error
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s seqno %d: ", e.Cmd, e.Seqno)
	if e.Why != "" {
		return s + e.Why
	}
	return s + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Run executes a batch of ccmds in order. align is the protocol's alignment of
// lengths and response offsets, in bytes. Responses and seqnos go to shm, which
// may be nil: commands without a response are legal before there is one.
//
// The first error ends the batch; commands before it stay executed, later ones
// are dropped and their seqnos never published.
func (t Table[C]) Run(c C, m *Call, batch []byte, align uint32, shm *Shmem) error {
	m.shm = shm
	for len(batch) >= ReqSize {
		// Copied once; the buffer is aligned to 4 bytes, all that Req asks for.
		m.Req = *(*Req)(unsafe.Pointer(&batch[0]))
		n := m.Req.Len
		switch {
		case n < ReqSize || uint64(n) > uint64(len(batch)) || n%align != 0:
			return t.malformed(m, fmt.Sprintf("bad length %d with %d bytes left", n, len(batch)))
		case m.Req.RspOff%align != 0:
			return t.malformed(m, fmt.Sprintf("misaligned rsp_off %#x", m.Req.RspOff))
		case m.Req.Cmd >= uint32(len(t)) || t[m.Req.Cmd].run == nil:
			return t.malformed(m, "unknown command")
		}
		row := &t[m.Req.Cmd]
		m.load(batch[:n:n], row.size)
		if err := row.run(c, m); err != nil {
			return &Error{Cmd: row.Name, Seqno: m.Req.Seqno, Err: err}
		}
		if shm != nil {
			if m.used > 0 {
				shm.publish(m.Req.RspOff, m.reply[:m.used])
			}
			shm.SetSeqno(m.Req.Seqno)
		}
		batch = batch[n:]
	}
	if len(batch) > 0 {
		return &Error{Cmd: "batch", Why: fmt.Sprintf("%d bytes behind the last command", len(batch)), Err: syscall.EINVAL}
	}
	return nil
}

func (t Table[C]) malformed(m *Call, why string) error {
	return &Error{Cmd: t.Name(m.Req.Cmd), Seqno: m.Req.Seqno, Why: why, Err: syscall.EINVAL}
}
