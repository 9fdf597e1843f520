package msm

import (
	"structs"

	"virgldrm/drm"
)

// Ioctls and their arguments, from the kernel's drm/msm_drm.h.

type param struct { // drm_msm_param
	_     structs.HostLayout
	Pipe  uint32
	Param uint32
	Value uint64
	Len   uint32
	Pad   uint32
}

type gemNew struct { // drm_msm_gem_new
	_      structs.HostLayout
	Size   uint64
	Flags  uint32
	Handle uint32
}

type gemInfo struct { // drm_msm_gem_info
	_      structs.HostLayout
	Handle uint32
	Info   uint32
	Value  uint64
	Len    uint32
	Pad    uint32
}

type timespec struct { // drm_msm_timespec
	_    structs.HostLayout
	Sec  int64
	Nsec int64
}

type cpuPrep struct { // drm_msm_gem_cpu_prep
	_       structs.HostLayout
	Handle  uint32
	Op      uint32
	Timeout timespec
}

type submitBo struct { // drm_msm_gem_submit_bo
	_        structs.HostLayout
	Flags    uint32
	Handle   uint32 // from the guest: res_id
	Presumed uint64
}

type submitCmd struct { // drm_msm_gem_submit_cmd
	_        structs.HostLayout
	Type     uint32
	Idx      uint32
	Offset   uint32
	Size     uint32
	Pad      uint32
	NrRelocs uint32
	Relocs   uint64
}

type gemSubmit struct { // drm_msm_gem_submit
	_             structs.HostLayout
	Flags         uint32
	Fence         uint32
	NrBos         uint32
	NrCmds        uint32
	Bos           drm.UserPtr
	Cmds          drm.UserPtr
	FenceFd       int32
	QueueID       uint32
	InSyncobjs    drm.UserPtr
	OutSyncobjs   drm.UserPtr
	NrInSyncobjs  uint32
	NrOutSyncobjs uint32
	SyncobjStride uint32
	Pad           uint32
}

type waitFence struct { // drm_msm_wait_fence
	_       structs.HostLayout
	Fence   uint32
	Flags   uint32
	Timeout timespec
	QueueID uint32
	Pad     uint32
}

type submitqueue struct { // drm_msm_submitqueue
	_     structs.HostLayout
	Flags uint32
	Prio  uint32
	ID    uint32
}

type submitqueueQuery struct { // drm_msm_submitqueue_query
	_     structs.HostLayout
	Data  drm.UserPtr
	ID    uint32
	Param uint32
	Len   uint32
	Pad   uint32
}

// oldParam is the argument of GET_PARAM before it had a length.
type oldParam struct {
	_     structs.HostLayout
	Pipe  uint32
	Param uint32
	Value uint64
}

var (
	opGetParam         = drm.IOWR[param]("MSM_GET_PARAM", 0x40)
	opGetParamOld      = drm.IOWR[oldParam]("MSM_GET_PARAM", 0x40)
	opSetParam         = drm.IOW[param]("MSM_SET_PARAM", 0x41)
	opGemNew           = drm.IOWR[gemNew]("MSM_GEM_NEW", 0x42)
	opGemInfo          = drm.IOWR[gemInfo]("MSM_GEM_INFO", 0x43)
	opGemCPUPrep       = drm.IOW[cpuPrep]("MSM_GEM_CPU_PREP", 0x44)
	opGemSubmit        = drm.IOWR[gemSubmit]("MSM_GEM_SUBMIT", 0x46)
	opWaitFence        = drm.IOW[waitFence]("MSM_WAIT_FENCE", 0x47)
	opSubmitqueueNew   = drm.IOWR[submitqueue]("MSM_SUBMITQUEUE_NEW", 0x4a)
	opSubmitqueueClose = drm.IOW[uint32]("MSM_SUBMITQUEUE_CLOSE", 0x4b)
	opSubmitqueueQuery = drm.IOW[submitqueueQuery]("MSM_SUBMITQUEUE_QUERY", 0x4c)
)

const (
	paramValueAt = 8 // offset of param.Value

	pipe3D0 = 0x10 // MSM_PIPE_3D0

	// MSM_PARAM_*
	paramGpuID          = 1
	paramGmemSize       = 2
	paramChipID         = 3
	paramMaxFreq        = 4
	paramGmemBase       = 6
	paramPriorities     = 7
	paramFaults         = 9
	paramComm           = 12
	paramCmdline        = 13
	paramVaStart        = 14
	paramVaSize         = 15
	paramHighestBankBit = 16
	paramRaytracing     = 17
	paramUbwcSwizzle    = 18
	paramMacrotileMode  = 19
	paramUcheTrapBase   = 20

	maxString = 4096 // longest COMM or CMDLINE the kernel takes
	maxName   = 31   // longest buffer name

	// MSM_BO_*
	boCacheMask      = 0x000f0000
	boCachedCoherent = 0x00080000

	// MSM_INFO_*
	infoGetOffset = 0
	infoSetName   = 2
	infoSetIova   = 4

	// MSM_PREP_*
	prepWrite  = 0x2
	prepNosync = 0x4
	prepBoost  = 0x8

	// MSM_WAIT_FENCE_*
	waitBoost = 0x1

	// MSM_SUBMIT_*
	submitPipeMask   = 0xffff
	submitNoImplicit = 0x80000000
	submitFdIn       = 0x40000000
	submitFdOut      = 0x20000000
	submitSnIn       = 0x02000000

	queueAllowPreempt = 0x1 // MSM_SUBMITQUEUE_ALLOW_PREEMPT

	minorRequired = 9  // FENCE_SN_IN
	minorBoost    = 11 // MSM_PREP_BOOST, MSM_WAIT_FENCE_BOOST
)
