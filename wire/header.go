package wire

import (
	"encoding/binary"
	"structs"
	"syscall"
)

// Req is the header of every ccmd (struct vdrm_ccmd_req).
type Req struct {
	_ structs.HostLayout

	Cmd    uint32 // driver's command number; 0 is never valid
	Len    uint32 // bytes, header and payload included
	Seqno  uint32 // guest counter, wraps, published when the command is done
	RspOff uint32 // where in the response memory the answer goes, in bytes
}

// Rsp is the header of every response (struct vdrm_ccmd_rsp).
type Rsp struct {
	_ structs.HostLayout

	Len uint32 // bytes, this header included
}

// IoctlReq is the request of IOCTL_SIMPLE, which several protocols have; the
// ioctl's argument follows.
type IoctlReq struct {
	_ structs.HostLayout

	Hdr Req
	Cmd uint32 // full kernel ioctl number
}

// Ret is an errno as responses carry it.
func Ret(e syscall.Errno) int32 { return -int32(e) }

// PutRet stores the result in a response that Call.Reply returned: the word
// behind the length, in every protocol.
func PutRet(rsp []byte, ret int32) { binary.NativeEndian.PutUint32(rsp[RspSize:], uint32(ret)) }

// None stands for "no response" in a command method.
type None struct{}

// Limits of the protocol and of this implementation.
const (
	ReqSize = 16 // sizeof(Req)
	RspSize = 4  // sizeof(Rsp)

	IoctlRspSize = 8 // of IOCTL_SIMPLE: ret, then the ioctl's argument

	// MaxFixed bounds the fixed part of a command of any driver.
	MaxFixed = 128
	// MaxReply bounds a response; a guest asking for more gets ENOMEM, as
	// when its slot does not fit.
	MaxReply = 4096
	// ScratchSize is the private memory one Call works in.
	ScratchSize = MaxFixed + MaxReply

	// MaxRings is the number of rings a guest context can name, ring 0 (the
	// host's own timeline) included.
	MaxRings = 64
	// MaxName is the longest context name on the virtio wire, in bytes.
	MaxName = 64
	// MaxShmem is the largest response memory a context may ask for.
	MaxShmem = 1<<32 - 1
)

// Values of virtio blob creation, from the virtio-gpu specification.
const (
	BlobMemGuest       = 1
	BlobMemHost3D      = 2
	BlobMemHost3DGuest = 3
	BlobMemGuestVRAM   = 4

	BlobMappable    = 1 << 0
	BlobShareable   = 1 << 1
	BlobCrossDevice = 1 << 2

	FdDmabuf = 1
	FdOpaque = 2
	FdShm    = 3

	MapNone     = 0
	MapCached   = 1
	MapUncached = 2
	MapWC       = 3
	MapMask     = 0x0f
)
