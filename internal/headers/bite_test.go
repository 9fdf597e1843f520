package headers

import (
	"path/filepath"
	"strings"
	"testing"
)

// Each rule must find what it is for. All changes are made in memory.

func bites(t *testing.T, p problems, want string) {
	t.Helper()
	for _, line := range p {
		if strings.Contains(line, want) {
			return
		}
	}
	t.Errorf("not found: %q; instead: %q", want, p)
}

func TestGoBites(t *testing.T) {
	f := loadGolden(t).facts()
	for _, c := range []struct {
		name string
		edit edit
		want string
	}{
		{"member gone", edit{"drm/syncfile.go", "\tFence int32\n", ""}, "drm.syncMerge and struct sync_merge_data of testdata/layouts.json: 44 bytes in Go, 48 in C"},
		{"member too small", edit{"msm/uapi.go", "NrRelocs uint32", "NrRelocs uint16"}, "C has nr_relocs (4 bytes at 20), Go has not"},
		{"members swapped", edit{"msm/uapi.go", "\tNrBos         uint32\n\tNrCmds        uint32\n", "\tNrCmds uint32\n\tNrBos uint32\n"}, "NrCmds is where C has nr_bos"},
		{"member cuts into another", edit{"msm/uapi.go", "\tFlags  uint32\n\tHandle uint32\n}", "\tFlags uint64\n}"}, "Flags (8 bytes at 8) cuts into"},
		{"not padding in C", edit{"msm/uapi.go", "\tQueueID uint32\n\tPad     uint32\n}", "\tQueueID uint32\n\tExtra uint32\n}"}, "Extra (4 bytes at 28) is padding in C"},
		{"message misaligned", edit{"msm/proto.go", "\tIova  u64\n", "\tIova uint64\n"}, "aligned to 8 in Go, to 4 in C"},
		{"message member moved", edit{"msm/proto.go", "\tFlags  uint32\n\tBlobID uint32\n", "\tBlobID uint32\n\tFlags uint32\n"}, "BlobID is where C has flags"},
		{"response too long", edit{"msm/proto.go", "\tRet int32 // 0 or a negative errno\n", "\tRet int64\n"}, "msm.retRsp and struct"},
		{"capset member moved", edit{"wire/capset.go", "\tContextType       uint32\n\tPad               uint32\n", "\tPad uint32\n\tContextType uint32\n"}, "wire.CapsetHead"},
		{"capset arm", edit{"msm/proto.go", "\tGmemBase          uint64\n", "\tGmemBase uint32\n"}, "struct virgl_renderer_capset_drm/u.msm"},
		{"constant", edit{"msm/uapi.go", "submitFdIn       = 0x40000000", "submitFdIn = 0x10000000"}, "msm.submitFdIn is 0x10000000"},
		{"wire constant", edit{"msm/proto.go", "ccmdGemUpload        = 8", "ccmdGemUpload = 18"}, "msm.ccmdGemUpload is 0x12"},
		{"offset as constant", edit{"msm/proto.go", "shmGlobalFaults = 12", "shmGlobalFaults = 8"}, "offsetof msm_shmem.global_faults"},
		{"ioctl number", edit{"msm/uapi.go", `"MSM_GEM_NEW", 0x42`, `"MSM_GEM_NEW", 0x43`}, "msm.opGemNew is 0xc0106443"},
		{"ioctl direction", edit{"msm/uapi.go", `drm.IOW[waitFence]`, `drm.IOWR[waitFence]`}, "msm.opWaitFence is 0xc0206447"},
		{"ioctl size", edit{"drm/handles.go", `IOW[gemClose]`, `IOW[uint32]`}, "drm.opGemClose is 0x40046409"},
		{"ioctl of sync files", edit{"drm/syncfile.go", "'>', 3", "'>', 4"}, "drm.opSyncMerge"},
		{"old ioctl number", edit{"msm/uapi.go", "IOWR[oldParam](\"MSM_GET_PARAM\", 0x40)", "IOWR[oldParam](\"MSM_GET_PARAM\", 0x41)"}, "msm.opGetParamOld"},
		{"unknown ioctl", edit{"msm/uapi.go", `"MSM_SET_PARAM"`, `"MSM_SET_PARM"`}, "has no DRM_IOCTL_MSM_SET_PARM"},
		{"struct renamed", edit{"msm/uapi.go", "type submitBo struct {", "type submitBuffer struct {"}, "msm.submitBo: no such struct"},
		{"asahi: member too small", edit{"asahi/uapi.go", "\tUscExecBase uint64\n", "\tUscExecBase uint32\n"}, "asahi.queueCreate and struct drm_asahi_queue_create"},
		{"asahi: member of a message moved", edit{"asahi/proto.go", "\tFlags     uint32\n\tBindFlags uint32\n", "\tBindFlags uint32\n\tFlags uint32\n"}, "BindFlags is where C has flags"},
		{"asahi: response", edit{"asahi/proto.go", "\tObjectHandle uint32\n", ""}, "asahi.gemBindObjectRsp and struct asahi_ccmd_gem_bind_object_rsp"},
		{"asahi: ioctl number", edit{"asahi/uapi.go", `"ASAHI_VM_BIND", 0x44`, `"ASAHI_VM_BIND", 0x45`}, "asahi.opVMBind is 0x40186445"},
		{"asahi: ioctl direction", edit{"asahi/uapi.go", `drm.IOW[getParams]`, `drm.IOWR[getParams]`}, "asahi.opGetParams is 0xc0186440"},
		{"asahi: constant", edit{"asahi/uapi.go", "gemVMPrivate   = 2", "gemVMPrivate = 4"}, "asahi.gemVMPrivate is 0x4"},
		{"asahi: size as constant", edit{"asahi/proto.go", "vmBindFixed    = 28", "vmBindFixed = 32"}, "offsetof asahi_ccmd_vm_bind_req.payload"},
		{"ioctl of dma-bufs", edit{"drm/syncfile.go", "'b', 2", "'b', 3"}, "drm.opDmabufExport"},
		{"syncobj", edit{"drm/syncobj.go", "\tPad    uint32\n", ""}, "drm.syncobjHandle and struct drm_syncobj_handle"},
		{"struct without a row", edit{"msm/uapi.go", "type gemNew struct {", "type more struct { _ structs.HostLayout }\ntype gemNew struct {"}, "msm.more has a host layout but no row"},
		{"argument without a row", edit{"msm/uapi.go", "type gemNew struct {", "type more struct { A uint32 }\nvar opMore = drm.IOW[more](\"MSM_MORE\", 1)\ntype gemNew struct {"}, "msm.opMore takes msm.more, which has no row"},
		{"constant without a row", edit{"drm/device.go", "firstRenderNode = 128\n", "firstRenderNode = 128\n\tmore = 1\n"}, "drm.more has no row"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := loadGo(t, "amd64", c.edit)
			p := append(checkStructs(g, f, wireStructs), checkConsts(g, f, wireConsts)...)
			p = append(append(p, checkKernel(g, f)...), checkComplete(g, f)...)
			bites(t, p, c.want)
		})
	}
}

func TestFactsBite(t *testing.T) {
	g := loadGo(t, "amd64", edit{})
	f := loadGolden(t).facts()
	f.args = map[string]string{"DRM_IOCTL_MSM_GET_PARAM": "drm_msm_gem_info"} // of the same size
	bites(t, checkOps(g, f, kernelStructs), "msm.opGetParam takes msm.param, DRM_IOCTL_MSM_GET_PARAM")
	for _, driver := range []string{"msm", "asahi"} {
		message, command := driver+"_ccmd_more_req", strings.ToUpper(driver)+"_CCMD_MORE"
		f.structs[message], f.values[command] = layout{}, 12
		bites(t, checkComplete(g, f), "no Go struct for the message "+message)
		bites(t, checkComplete(g, f), "no Go constant for "+command)
	}
	delete(f.structs, "drm_gem_close")
	bites(t, checkKernel(g, f), "has no struct drm_gem_close")
	delete(f.values, "MSM_PIPE_3D0")
	bites(t, checkKernel(g, f), "has no MSM_PIPE_3D0")
}

func TestContractBites(t *testing.T) {
	path := filepath.Join(root(t), "include/virgl_renderer_drm.h")
	want := contract(t, path, "amd64", unstable, edit{})
	for _, c := range []struct{ name, old, new, want string }{
		{"function gone", "VIRGL_EXPORT void virgl_renderer_force_ctx_0(void);", "", "function virgl_renderer_force_ctx_0 is missing"},
		{"result", "VIRGL_EXPORT void virgl_renderer_force_ctx_0(void);", "VIRGL_EXPORT int virgl_renderer_force_ctx_0(void);", "function virgl_renderer_force_ctx_0:"},
		{"parameter", "virgl_renderer_get_fd_for_texture(uint32_t tex_id", "virgl_renderer_get_fd_for_texture(uint64_t tex_id", "function virgl_renderer_get_fd_for_texture:"},
		{"const", "virgl_renderer_context_create(uint32_t handle, uint32_t nlen, const char *name)", "virgl_renderer_context_create(uint32_t handle, uint32_t nlen, char *name)", "function virgl_renderer_context_create:"},
		{"const struct", "virgl_renderer_resource_import_blob(const struct", "virgl_renderer_resource_import_blob(struct", "function virgl_renderer_resource_import_blob:"},
		{"type of a member", "const struct iovec *iovecs;", "const struct virgl_box *iovecs;", "member virgl_renderer_resource_create_blob_args.iovecs:"},
		{"callback", "int (*get_drm_fd)(void *cookie);", "int (*get_drm_fd)(int cookie);", "member virgl_renderer_callbacks.get_drm_fd:"},
		{"callback gone", "    void *(*get_egl_display)(void *cookie);\n", "", "member virgl_renderer_callbacks.get_egl_display is missing"},
		{"offset", "    bool has_dmabuf_export;\n    int planes;\n", "    int planes;\n    bool has_dmabuf_export;\n", "member virgl_renderer_resource_info_ext.planes: \"4 bytes at 44"},
		{"sign", "    int drm_fourcc;", "    unsigned drm_fourcc;", "member virgl_renderer_resource_info.drm_fourcc:"},
		{"macro", "#define VIRGL_RENDERER_DRM (1 << 10)", "#define VIRGL_RENDERER_DRM (1 << 11)", "macro VIRGL_RENDERER_DRM: \"2048\", must be \"1024\""},
		{"macro gone", "#define VIRGL_RES_BIND_CURSOR (1 << 16)\n", "", "macro VIRGL_RES_BIND_CURSOR is missing"},
		{"function-like macro", "(VIRGL_MINOR_VERSION > (minor) ||", "(VIRGL_MINOR_VERSION >= (minor) ||", "enumerator probe_newer"},
		{"enumerator", "    VIRGL_LOG_LEVEL_DEBUG,", "    VIRGL_LOG_LEVEL_DEBUG = 1,", "enumerator VIRGL_LOG_LEVEL_INFO: \"2\", must be \"1\""},
		{"typedef", "typedef void *virgl_renderer_gl_context;", "typedef int *virgl_renderer_gl_context;", "typedef virgl_renderer_gl_context:"},
		{"not theirs", "typedef void *virgl_renderer_gl_context;", "typedef void *virgl_renderer_gl_context;\nint virgl_renderer_more(void);", "function virgl_renderer_more is not in virglrenderer.h"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := contract(t, path, "amd64", unstable, edit{"virgl_renderer_drm.h", c.old, c.new})
			bites(t, sameAPI(got, want), c.want)
		})
	}
	stable := contract(t, path, "amd64", "", edit{})
	bites(t, sameAPI(stable, want), "function virgl_renderer_get_dev_fd is missing")
}

func TestCompileBites(t *testing.T) {
	text := loadGolden(t).assertions(ourGroups)
	for _, c := range []struct{ old, new string }{
		{"sizeof(struct msm_ccmd_gem_new_req) == 40", "sizeof(struct msm_ccmd_gem_new_req) == 48"},
		{"->iovecs), const struct iovec *)", "->iovecs), struct iovec *)"},
		{"sizeof(struct asahi_ccmd_vm_bind_req) == 28", "sizeof(struct asahi_ccmd_vm_bind_req) == 32"},
		{"_Alignof(struct msm_ccmd_gem_set_iova_req) == 4", "_Alignof(struct msm_ccmd_gem_set_iova_req) == 8"},
		{"offsetof(struct virgl_renderer_capset_drm, u.msm.chip_id) == 64", "offsetof(struct virgl_renderer_capset_drm, u.msm.chip_id) == 60"},
		{"(long long)(VIRGL_RENDERER_DRM) == 1024LL", "(long long)(VIRGL_RENDERER_DRM) == 2048LL"},
	} {
		if strings.Count(text, c.old) != 2 {
			t.Fatalf("%q is not asserted", c.old)
		}
		out, ok := compile(t, ourInclude+strings.ReplaceAll(text, c.old, c.new), "-I"+filepath.Join(root(t), "include"))
		if ok || !strings.Contains(out, c.new) {
			t.Errorf("the compiler accepts %q: %s", c.new, out)
		}
	}
}
