package wire

import (
	"sync/atomic"
	"unsafe"
)

// Shmem is the memory a context answers in: the blob with id 0, mapped by the
// guest as well. The guest may write all of it at any time, so base, size and
// header size live here, privately, and only the length of a response slot is
// ever read, once.
//
// Layout: seqno@0, rsp_mem_offset@4, the driver's header, then responses.
type Shmem struct {
	mem    []byte
	header uint32
}

// Offsets of struct vdrm_shmem.
const (
	shmSeqno  = 0
	shmRspOff = 4
	shmHead   = 8 // the driver's header starts here
)

// NewShmem takes mem, zero-filled memory shared with the guest, and announces a
// header of header bytes in it. The caller keeps mem mapped while s is in use.
func NewShmem(mem []byte, header uint32) *Shmem {
	s := &Shmem{mem: mem, header: header}
	atomic.StoreUint32(s.word(shmRspOff), header)
	return s
}

// word returns the 32-bit word at off, which the caller has bounded.
func (s *Shmem) word(off uint32) *uint32 {
	return (*uint32)(unsafe.Pointer(&s.mem[off : off+4 : off+4][0]))
}

// room is the size of the response memory in bytes; 0 without one.
func (s *Shmem) room() uint32 {
	if s == nil {
		return 0
	}
	return uint32(len(s.mem)) - s.header
}

// publish copies a finished response into its slot. The guest wrote the size
// it reserved into the slot's length; it gets no more than that, and reads the
// length to learn what the host knows. room was checked when the reply was
// reserved: off+len(reply) is inside.
func (s *Shmem) publish(off uint32, reply []byte) {
	off += s.header
	slot := s.word(off)
	n := min(atomic.LoadUint32(slot), uint32(len(reply)))
	if n > RspSize {
		copy(s.mem[off+RspSize:off+n], reply[RspSize:n])
	}
	atomic.StoreUint32(slot, n)
}

// SetSeqno publishes that the command with this seqno is done; everything it
// wrote is visible before.
func (s *Shmem) SetSeqno(n uint32) { atomic.StoreUint32(s.word(shmSeqno), n) }

// Add adds 1 to the counter at off, which must lie in the driver's header.
func (s *Shmem) Add(off uint32) { atomic.AddUint32(s.Word(off), 1) }

// Store sets the header word at off.
func (s *Shmem) Store(off, v uint32) { atomic.StoreUint32(s.Word(off), v) }

// Word returns the address of the header word at off, for a value that another
// thread keeps up to date. It is valid while the memory stays mapped.
func (s *Shmem) Word(off uint32) *uint32 {
	if off < shmHead || off+4 > s.header {
		panic("wire: word outside the driver's header")
	}
	return s.word(off)
}
