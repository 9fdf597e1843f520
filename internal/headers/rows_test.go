package headers

// kernelStructs and wireStructs say which C struct a Go struct is. Every Go
// struct with structs.HostLayout has a row in one of them.
var kernelStructs = []structRow{
	{"msm.param", "drm_msm_param", whole},
	{"msm.oldParam", "drm_msm_param", head},
	{"msm.gemNew", "drm_msm_gem_new", whole},
	{"msm.gemInfo", "drm_msm_gem_info", whole},
	{"msm.timespec", "drm_msm_timespec", whole},
	{"msm.cpuPrep", "drm_msm_gem_cpu_prep", whole},
	{"msm.submitBo", "drm_msm_gem_submit_bo", whole},
	{"msm.submitCmd", "drm_msm_gem_submit_cmd", whole},
	{"msm.gemSubmit", "drm_msm_gem_submit", whole},
	{"msm.waitFence", "drm_msm_wait_fence", whole},
	{"msm.submitqueue", "drm_msm_submitqueue", whole},
	{"msm.submitqueueQuery", "drm_msm_submitqueue_query", whole},
	{"drm.gemClose", "drm_gem_close", whole},
	{"drm.primeHandle", "drm_prime_handle", whole},
	{"drm.clientName", "drm_set_client_name", whole},
	{"drm.syncMerge", "sync_merge_data", whole},
}

var wireStructs = []structRow{
	{"wire.Req", "vdrm_ccmd_req", whole},
	{"wire.Req", "msm_ccmd_nop_req/hdr", whole},
	{"wire.Rsp", "vdrm_ccmd_rsp", whole},
	{"wire.CapsetHead", "virgl_renderer_capset_drm", head},
	{"msm.caps", "virgl_renderer_capset_drm/u.msm", whole},
	{"msm.ioctlSimpleReq", "msm_ccmd_ioctl_simple_req", whole},
	{"msm.gemNewReq", "msm_ccmd_gem_new_req", whole},
	{"msm.gemSetIovaReq", "msm_ccmd_gem_set_iova_req", whole},
	{"msm.gemCPUPrepReq", "msm_ccmd_gem_cpu_prep_req", whole},
	{"msm.gemSetNameReq", "msm_ccmd_gem_set_name_req", whole},
	{"msm.gemSubmitReq", "msm_ccmd_gem_submit_req", whole},
	{"msm.gemUploadReq", "msm_ccmd_gem_upload_req", whole},
	{"msm.submitqueueQueryReq", "msm_ccmd_submitqueue_query_req", whole},
	{"msm.waitFenceReq", "msm_ccmd_wait_fence_req", whole},
	{"msm.setDebuginfoReq", "msm_ccmd_set_debuginfo_req", whole},
	{"msm.retRsp", "msm_ccmd_gem_cpu_prep_rsp", whole},
	{"msm.retRsp", "msm_ccmd_wait_fence_rsp", whole},
	{"msm.retRsp", "msm_ccmd_ioctl_simple_rsp", whole},
	{"msm.retRsp", "msm_ccmd_submitqueue_query_rsp", head},
}

// Messages that the code knows by offsets, which wireConsts has.
var byOffset = set("vdrm_shmem", "msm_shmem")

// Structs with a host layout that are no C struct.
var notC = map[string]string{
	"msm.u64": "a 64-bit member in two halves; the rows of its users check it",
}

// kernelConsts: what we tell the kernel, and what it tells us.
var kernelConsts = []constRow{
	{"msm.paramValueAt", "offsetof drm_msm_param.value"},
	{"msm.pipe3D0", "MSM_PIPE_3D0"},
	{"msm.paramGpuID", "MSM_PARAM_GPU_ID"},
	{"msm.paramGmemSize", "MSM_PARAM_GMEM_SIZE"},
	{"msm.paramChipID", "MSM_PARAM_CHIP_ID"},
	{"msm.paramMaxFreq", "MSM_PARAM_MAX_FREQ"},
	{"msm.paramGmemBase", "MSM_PARAM_GMEM_BASE"},
	{"msm.paramPriorities", "MSM_PARAM_PRIORITIES"},
	{"msm.paramFaults", "MSM_PARAM_FAULTS"},
	{"msm.paramComm", "MSM_PARAM_COMM"},
	{"msm.paramCmdline", "MSM_PARAM_CMDLINE"},
	{"msm.paramVaStart", "MSM_PARAM_VA_START"},
	{"msm.paramVaSize", "MSM_PARAM_VA_SIZE"},
	{"msm.paramHighestBankBit", "MSM_PARAM_HIGHEST_BANK_BIT"},
	{"msm.paramRaytracing", "MSM_PARAM_RAYTRACING"},
	{"msm.paramUbwcSwizzle", "MSM_PARAM_UBWC_SWIZZLE"},
	{"msm.paramMacrotileMode", "MSM_PARAM_MACROTILE_MODE"},
	{"msm.paramUcheTrapBase", "MSM_PARAM_UCHE_TRAP_BASE"},
	{"msm.boCacheMask", "MSM_BO_CACHE_MASK"},
	{"msm.boCachedCoherent", "MSM_BO_CACHED_COHERENT"},
	{"msm.infoGetOffset", "MSM_INFO_GET_OFFSET"},
	{"msm.infoSetName", "MSM_INFO_SET_NAME"},
	{"msm.infoSetIova", "MSM_INFO_SET_IOVA"},
	{"msm.prepNosync", "MSM_PREP_NOSYNC"},
	{"msm.prepBoost", "MSM_PREP_BOOST"},
	{"msm.waitBoost", "MSM_WAIT_FENCE_BOOST"},
	{"msm.submitPipeMask", "MSM_PIPE_ID_MASK"},
	{"msm.submitNoImplicit", "MSM_SUBMIT_NO_IMPLICIT"},
	{"msm.submitFdIn", "MSM_SUBMIT_FENCE_FD_IN"},
	{"msm.submitFdOut", "MSM_SUBMIT_FENCE_FD_OUT"},
	{"msm.submitSnIn", "MSM_SUBMIT_FENCE_SN_IN"},
	{"msm.queueAllowPreempt", "MSM_SUBMITQUEUE_ALLOW_PREEMPT"},
	{"wire.CapsetDRM", "VIRTGPU_DRM_CAPSET_DRM"},
	{"wire.BlobMemGuest", "VIRTGPU_BLOB_MEM_GUEST"},
	{"wire.BlobMemHost3D", "VIRTGPU_BLOB_MEM_HOST3D"},
	{"wire.BlobMemHost3DGuest", "VIRTGPU_BLOB_MEM_HOST3D_GUEST"},
	{"wire.BlobMappable", "VIRTGPU_BLOB_FLAG_USE_MAPPABLE"},
	{"wire.BlobShareable", "VIRTGPU_BLOB_FLAG_USE_SHAREABLE"},
	{"wire.BlobCrossDevice", "VIRTGPU_BLOB_FLAG_USE_CROSS_DEVICE"},
}

// Kernel constants that testdata/layouts.json does not have.
var kernelOnlyConsts = []constRow{
	{"drm.primeFlags", "DRM_CLOEXEC | DRM_RDWR"},
	{"drm.iocWrite", "_IOC_WRITE"},
	{"drm.iocRead", "_IOC_READ"},
}

var wireConsts = []constRow{
	{"msm.ccmdNop", "MSM_CCMD_NOP"},
	{"msm.ccmdIoctlSimple", "MSM_CCMD_IOCTL_SIMPLE"},
	{"msm.ccmdGemNew", "MSM_CCMD_GEM_NEW"},
	{"msm.ccmdGemSetIova", "MSM_CCMD_GEM_SET_IOVA"},
	{"msm.ccmdGemCPUPrep", "MSM_CCMD_GEM_CPU_PREP"},
	{"msm.ccmdGemSetName", "MSM_CCMD_GEM_SET_NAME"},
	{"msm.ccmdGemSubmit", "MSM_CCMD_GEM_SUBMIT"},
	{"msm.ccmdGemUpload", "MSM_CCMD_GEM_UPLOAD"},
	{"msm.ccmdSubmitqueueQuery", "MSM_CCMD_SUBMITQUEUE_QUERY"},
	{"msm.ccmdWaitFence", "MSM_CCMD_WAIT_FENCE"},
	{"msm.ccmdSetDebuginfo", "MSM_CCMD_SET_DEBUGINFO"},
	{"msm.shmAsyncError", "offsetof msm_shmem.async_error"},
	{"msm.shmGlobalFaults", "offsetof msm_shmem.global_faults"},
	{"msm.shmHeader", "sizeof msm_shmem"},
	{"msm.ioctlSimpleRspSize", "offsetof msm_ccmd_ioctl_simple_rsp.payload"},
	{"msm.submitqueueQueryRspSize", "offsetof msm_ccmd_submitqueue_query_rsp.payload"},
	{"wire.ReqSize", "sizeof vdrm_ccmd_req"},
	{"wire.RspSize", "sizeof vdrm_ccmd_rsp"},
	{"wire.shmSeqno", "offsetof vdrm_shmem.seqno"},
	{"wire.shmRspOff", "offsetof vdrm_shmem.rsp_mem_offset"},
	{"wire.shmHead", "sizeof vdrm_shmem"},
	{"wire.CapsetSize", "sizeof virgl_renderer_capset_drm"},
	{"wire.ContextMSM", "VIRTGPU_DRM_CONTEXT_MSM"},
	{"wire.ContextAMDGPU", "VIRTGPU_DRM_CONTEXT_AMDGPU"},
	{"wire.ContextI915", "VIRTGPU_DRM_CONTEXT_I915"},
	{"wire.ContextAsahi", "VIRTGPU_DRM_CONTEXT_ASAHI"},
	{"wire.ContextPanfrost", "VIRTGPU_DRM_CONTEXT_PANFROST"},
	{"wire.BlobMemGuest", "VIRGL_RENDERER_BLOB_MEM_GUEST"},
	{"wire.BlobMemHost3D", "VIRGL_RENDERER_BLOB_MEM_HOST3D"},
	{"wire.BlobMemHost3DGuest", "VIRGL_RENDERER_BLOB_MEM_HOST3D_GUEST"},
	{"wire.BlobMemGuestVRAM", "VIRGL_RENDERER_BLOB_MEM_GUEST_VRAM"},
	{"wire.BlobMappable", "VIRGL_RENDERER_BLOB_FLAG_USE_MAPPABLE"},
	{"wire.BlobShareable", "VIRGL_RENDERER_BLOB_FLAG_USE_SHAREABLE"},
	{"wire.BlobCrossDevice", "VIRGL_RENDERER_BLOB_FLAG_USE_CROSS_DEVICE"},
	{"wire.FdDmabuf", "VIRGL_RENDERER_BLOB_FD_TYPE_DMABUF"},
	{"wire.FdOpaque", "VIRGL_RENDERER_BLOB_FD_TYPE_OPAQUE"},
	{"wire.FdShm", "VIRGL_RENDERER_BLOB_FD_TYPE_SHM"},
	{"wire.MapNone", "VIRGL_RENDERER_MAP_CACHE_NONE"},
	{"wire.MapCached", "VIRGL_RENDERER_MAP_CACHE_CACHED"},
	{"wire.MapUncached", "VIRGL_RENDERER_MAP_CACHE_UNCACHED"},
	{"wire.MapWC", "VIRGL_RENDERER_MAP_CACHE_WC"},
	{"wire.MapMask", "VIRGL_RENDERER_MAP_CACHE_MASK"},
}

// The files whose constants each need a row, or a reason to have none.
var constFiles = set("msm/uapi.go", "msm/proto.go", "drm/handles.go", "drm/device.go", "drm/syncfile.go", "drm/ioctl.go",
	"wire/header.go", "wire/capset.go", "wire/shmem.go")

var noHeaderHas = map[string]string{
	"msm.maxString":       "the kernel's own limit",
	"msm.maxName":         "the kernel's own limit",
	"msm.minorRequired":   "versions of the kernel's driver",
	"msm.minorBoost":      "versions of the kernel's driver",
	"msm.wireFormat":      "only the guest's driver has it",
	"drm.firstRenderNode": "how device nodes are numbered",
	"drm.renderNodes":     "how device nodes are numbered",
	"wire.MaxFixed":       "our own limit",
	"wire.MaxReply":       "our own limit",
	"wire.ScratchSize":    "our own limit",
	"wire.MaxRings":       "a virtio limit, in no header",
	"wire.MaxName":        "a virtio limit, in no header as a number",
	"wire.MaxShmem":       "our own limit",
}

// Old ioctl numbers: the same ioctl with a shorter struct.
var oldSize = set("msm.opGetParamOld")

func set(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}
