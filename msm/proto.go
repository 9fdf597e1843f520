package msm

import (
	"structs"

	"virgldrm/wire"
)

// Command numbers (enum msm_ccmd).
const (
	ccmdNop              = 1
	ccmdIoctlSimple      = 2
	ccmdGemNew           = 3
	ccmdGemSetIova       = 4
	ccmdGemCPUPrep       = 5
	ccmdGemSetName       = 6
	ccmdGemSubmit        = 7
	ccmdGemUpload        = 8
	ccmdSubmitqueueQuery = 9
	ccmdWaitFence        = 10
	ccmdSetDebuginfo     = 11
)

// wireFormat is the version of this protocol that guests expect.
const wireFormat = 2

// Header of the response memory (struct msm_shmem).
const (
	shmAsyncError   = 8
	shmGlobalFaults = 12
	shmHeader       = 16
)

// A 64-bit field as two halves: commands are aligned to 4 bytes only, and so
// are the tables in them.
type u64 struct {
	_ structs.HostLayout

	lo, hi uint32
}

func (v u64) get() uint64 { return uint64(v.hi)<<32 | uint64(v.lo) }

// Requests, each struct msm_ccmd_*_req. Payload follows where noted.

type gemNewReq struct {
	_      structs.HostLayout
	Hdr    wire.Req
	Iova   u64
	Size   u64
	Flags  uint32
	BlobID uint32
}

type gemSetIovaReq struct {
	_     structs.HostLayout
	Hdr   wire.Req
	Iova  u64
	ResID uint32
	Pad   uint32 // absent from 32-bit guests
}

type gemCPUPrepReq struct {
	_     structs.HostLayout
	Hdr   wire.Req
	ResID uint32
	Op    uint32
}

type gemSetNameReq struct { // payload: Len bytes, not terminated
	_     structs.HostLayout
	Hdr   wire.Req
	ResID uint32
	Len   uint32
}

type gemSubmitReq struct { // payload: NrBos submitBo, NrCmds submitCmd
	_       structs.HostLayout
	Hdr     wire.Req
	Flags   uint32
	QueueID uint32
	NrBos   uint32
	NrCmds  uint32
	Fence   uint32 // sequence number the guest chose
}

type gemUploadReq struct { // payload: Len bytes
	_     structs.HostLayout
	Hdr   wire.Req
	ResID uint32
	Pad   uint32 // must be 0
	Off   uint32
	Len   uint32
}

type submitqueueQueryReq struct {
	_       structs.HostLayout
	Hdr     wire.Req
	QueueID uint32
	Param   uint32
	Len     uint32 // bytes wanted
}

type waitFenceReq struct {
	_       structs.HostLayout
	Hdr     wire.Req
	QueueID uint32
	Fence   uint32
}

type setDebuginfoReq struct { // payload: two strings with their NULs
	_          structs.HostLayout
	Hdr        wire.Req
	CommLen    uint32
	CmdlineLen uint32
}

// Responses, each struct msm_ccmd_*_rsp.

type retRsp struct {
	_   structs.HostLayout
	Hdr wire.Rsp
	Ret int32 // 0 or a negative errno
}

const submitqueueQueryRspSize = 12 // ret and length, then as much data as asked for

// caps is the msm arm of the capset.
type caps struct {
	_                 structs.HostLayout
	HasCachedCoherent uint32 // 0 or 1: older than wire.Bool3
	Priorities        uint32
	VaStart           uint64
	VaSize            uint64
	GpuID             uint32
	GmemSize          uint32
	GmemBase          uint64
	ChipID            uint64
	MaxFreq           uint32
	HighestBankBit    uint32
	UbwcSwizzle       uint64
	MacrotileMode     uint64
	HasRaytracing     wire.Bool3
	HasPreemption     wire.Bool3
	UcheTrapBase      uint64
}
