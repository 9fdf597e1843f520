package asahi

import (
	"structs"

	"virgldrm/drm"
)

// Ioctls and their arguments, from the kernel's drm/asahi_drm.h.

type getParams struct { // drm_asahi_get_params
	_          structs.HostLayout
	ParamGroup uint32
	Pad        uint32
	Pointer    drm.UserPtr
	Size       uint64
}

type getTime struct { // drm_asahi_get_time
	_            structs.HostLayout
	Flags        uint64
	GpuTimestamp uint64
}

type vmCreate struct { // drm_asahi_vm_create
	_           structs.HostLayout
	KernelStart uint64
	KernelEnd   uint64
	VMID        uint32
	Pad         uint32
}

type vmDestroy struct { // drm_asahi_vm_destroy
	_    structs.HostLayout
	VMID uint32
	Pad  uint32
}

type vmBind struct { // drm_asahi_vm_bind
	_        structs.HostLayout
	VMID     uint32
	NumBinds uint32
	Stride   uint32
	Pad      uint32
	Userptr  drm.UserPtr
}

type bindOp struct { // drm_asahi_gem_bind_op
	_      structs.HostLayout
	Flags  uint32
	Handle uint32 // from the guest: res_id
	Offset uint64
	Range  uint64
	Addr   uint64
}

type gemCreate struct { // drm_asahi_gem_create
	_      structs.HostLayout
	Size   uint64
	Flags  uint32
	VMID   uint32
	Handle uint32
	Pad    uint32
}

type gemMmapOffset struct { // drm_asahi_gem_mmap_offset
	_      structs.HostLayout
	Handle uint32
	Flags  uint32
	Offset uint64
}

type gemBindObject struct { // drm_asahi_gem_bind_object
	_            structs.HostLayout
	Op           uint32
	Flags        uint32
	Handle       uint32
	VMID         uint32
	Offset       uint64
	Range        uint64
	ObjectHandle uint32
	Pad          uint32
}

type queueCreate struct { // drm_asahi_queue_create
	_           structs.HostLayout
	Flags       uint32
	VMID        uint32
	Priority    uint32
	QueueID     uint32
	UscExecBase uint64
}

type queueDestroy struct { // drm_asahi_queue_destroy
	_       structs.HostLayout
	QueueID uint32
	Pad     uint32
}

type submit struct { // drm_asahi_submit
	_            structs.HostLayout
	Syncs        drm.UserPtr
	Cmdbuf       drm.UserPtr
	Flags        uint32
	QueueID      uint32
	InSyncCount  uint32
	OutSyncCount uint32
	CmdbufSize   uint32
	Pad          uint32
}

type syncEntry struct { // drm_asahi_sync
	_             structs.HostLayout
	SyncType      uint32
	Handle        uint32
	TimelineValue uint64
}

var (
	opGetParams     = drm.IOW[getParams]("ASAHI_GET_PARAMS", 0x40)
	opGetTime       = drm.IOWR[getTime]("ASAHI_GET_TIME", 0x41)
	opVMCreate      = drm.IOWR[vmCreate]("ASAHI_VM_CREATE", 0x42)
	opVMDestroy     = drm.IOW[vmDestroy]("ASAHI_VM_DESTROY", 0x43)
	opVMBind        = drm.IOW[vmBind]("ASAHI_VM_BIND", 0x44)
	opGemCreate     = drm.IOWR[gemCreate]("ASAHI_GEM_CREATE", 0x45)
	opGemMmapOffset = drm.IOWR[gemMmapOffset]("ASAHI_GEM_MMAP_OFFSET", 0x46)
	opGemBindObject = drm.IOWR[gemBindObject]("ASAHI_GEM_BIND_OBJECT", 0x47)
	opQueueCreate   = drm.IOWR[queueCreate]("ASAHI_QUEUE_CREATE", 0x48)
	opQueueDestroy  = drm.IOW[queueDestroy]("ASAHI_QUEUE_DESTROY", 0x49)
	opSubmit        = drm.IOW[submit]("ASAHI_SUBMIT", 0x4a)
)

const (
	paramsSize = 592 // sizeof drm_asahi_params_global

	bindOpSize    = 32 // sizeof bindOp
	bindOpHead    = 8  // flags and handle, the least a record has
	syncEntrySize = 16 // sizeof syncEntry

	gemWriteback   = 1 // DRM_ASAHI_GEM_WRITEBACK
	gemVMPrivate   = 2 // DRM_ASAHI_GEM_VM_PRIVATE
	bindObjectBind = 0 // DRM_ASAHI_BIND_OBJECT_OP_BIND
	syncSyncobj    = 0 // DRM_ASAHI_SYNC_SYNCOBJ
	priorityMedium = 1 // DRM_ASAHI_PRIORITY_MEDIUM
)
