package asahi

import (
	"structs"

	"virgldrm/wire"
)

// Command numbers (enum asahi_ccmd).
const (
	ccmdNop           = 1
	ccmdIoctlSimple   = 2
	ccmdGetParams     = 3
	ccmdGemNew        = 4
	ccmdVMBind        = 5
	ccmdSubmit        = 6
	ccmdGemBindObject = 7
)

// wireFormat is the version of this protocol that guests expect.
const wireFormat = 2

// Header of the response memory (struct asahi_shmem). Its last word is a count
// of faults, which this kernel does not have: it stays 0.
const (
	shmAsyncError = 8
	shmHeader     = 16
)

// Requests, each struct asahi_ccmd_*_req. Payload follows where noted.

type getParamsReq struct {
	_      structs.HostLayout
	Hdr    wire.Req
	Params getParams // its pointer is the guest's own
}

type gemNewReq struct {
	_         structs.HostLayout
	Hdr       wire.Req
	Flags     uint32
	BindFlags uint32
	VMID      uint32
	BlobID    uint32
	Size      uint64
	Addr      uint64 // 0: bound later
}

type vmBindReq struct { // payload: Count records of Stride bytes, each a bindOp or its head
	_      structs.HostLayout
	Hdr    wire.Req
	VMID   uint32
	Stride uint32
	Count  uint32
}

type submitReq struct { // payload: CmdbufSize bytes, then ExtresCount extres
	_           structs.HostLayout
	Hdr         wire.Req
	Flags       uint32
	QueueID     uint32
	CmdbufSize  uint32
	ExtresCount uint32
}

// extres is a buffer that others use as well (struct asahi_ccmd_submit_res).
type extres struct {
	_     structs.HostLayout
	ResID uint32
	Flags uint32
}

const (
	extresSize  = 8 // sizeof extres
	extresRead  = 1
	extresWrite = 2
)

type gemBindObjectReq struct {
	_    structs.HostLayout
	Hdr  wire.Req
	Bind gemBindObject // its handle is a res_id
}

// Sizes of fixed parts, where a command's length must agree with its content.
const (
	getParamsFixed = 40
	vmBindFixed    = 28
	submitFixed    = 32
)

// Responses, each struct asahi_ccmd_*_rsp.

type gemBindObjectRsp struct {
	_            structs.HostLayout
	Hdr          wire.Rsp
	Ret          int32
	ObjectHandle uint32
}

const getParamsRspSize = 8 // ret, then as many bytes as asked for
