package wire

import (
	"encoding/binary"
	"syscall"
	"unsafe"
)

// Tail is a command's payload behind its fixed part. It is the caller's memory
// and may change under us, so it can be measured and copied out, never read in
// place.
type Tail struct{ b []byte }

// Len returns the payload's size in bytes.
func (t Tail) Len() uint32 { return uint32(len(t.b)) }

// CopyTo copies len(dst) bytes from offset off of the payload. The caller has
// checked that they are there.
func (t Tail) CopyTo(dst []byte, off uint32) {
	copy(dst, t.b[off:off+uint32(len(dst))])
}

// Call is one ccmd under execution: private copies of its header and fixed
// part, its payload, and the response being built. It is reused for every
// command of a context and must not be kept by a handler.
type Call struct {
	Req  Req
	Tail Tail

	fixed []byte // MaxFixed bytes of scratch
	reply []byte // MaxReply bytes of scratch
	used  uint32 // bytes of reply in use; 0: no response
	shm   *Shmem
}

// NewCall returns a Call that works in scratch, ScratchSize bytes aligned to 8.
func NewCall(scratch []byte) *Call {
	return &Call{
		fixed: scratch[:MaxFixed:MaxFixed],
		reply: scratch[MaxFixed:ScratchSize:ScratchSize],
	}
}

// Reply reserves the response of the command under execution: n bytes, header
// included, zeroed, with the length filled in. It fails with ENOMEM when the
// slot the guest named cannot hold them. What is written there reaches the
// guest only if the command succeeds.
func (m *Call) Reply(n uint32) ([]byte, error) {
	room := m.shm.room()
	if n > MaxReply || m.Req.RspOff > room || n > room-m.Req.RspOff {
		return nil, syscall.ENOMEM
	}
	b := m.reply[:n:n]
	clear(b)
	binary.NativeEndian.PutUint32(b, n)
	m.used = n
	return b, nil
}

// Reply is Call.Reply of a response that is an R.
func Reply[R any](m *Call) (*R, error) {
	var r R
	b, err := m.Reply(uint32(unsafe.Sizeof(r)))
	if err != nil {
		return nil, err
	}
	return (*R)(unsafe.Pointer(&b[0])), nil
}

// load takes the command at the head of stream: the copied header says that it
// has length bytes, of which stream holds at least as many. size is the fixed
// part the handler expects; an older guest may send less, the rest is zero.
func (m *Call) load(cmd []byte, size uint32) {
	fixed := m.fixed[:size]
	n := copy(fixed, cmd)
	clear(fixed[n:])
	// The header was validated; a second read could differ from it.
	*(*Req)(unsafe.Pointer(&fixed[0])) = m.Req
	m.Tail = Tail{cmd[n:]}
	m.used = 0
}
