package headers

import (
	"fmt"
	"path/filepath"
	"testing"

	"virgldrm/drm"
)

var arches = []string{"amd64", "arm64"}

// The kernel's headers that describe what we pass to it.
var uapi = append(perDriver("drm/%s_drm.h"), "drm/drm.h", "drm/virtgpu_drm.h", "linux/dma-buf.h", "linux/sync_file.h")

// kernelSource includes the headers with quotes, so that <linux/types.h> and the
// like stay those of this machine: a kernel package has them unprocessed.
// linux/bits.h is too new for some machines, therefore `after`.
func kernelSource(dir, arch string) source {
	s := source{what: "the kernel's headers", arch: arch, name: filepath.Join(dir, "all.h"), of: dir, after: dir, defines: "#define __user\n"}
	s.text = "#include <fcntl.h>\n"
	for _, h := range uapi {
		s.text += fmt.Sprintf("#include %q\n", h)
	}
	return s
}

func checkKernel(g *goCode, f facts) (p problems) {
	p = append(p, checkStructs(g, f, kernelStructs)...)
	p = append(p, checkConsts(g, f, kernelConsts)...)
	return append(p, checkOps(g, f, kernelStructs)...)
}

func report(t *testing.T, p problems) {
	t.Helper()
	for _, line := range p {
		t.Error(line)
	}
}

// Every struct, constant and ioctl number we pass to the kernel is the kernel's.
func TestKernel(t *testing.T) {
	dir := kernelDir(t)
	for _, arch := range arches {
		t.Run(arch, func(t *testing.T) {
			g, f := loadGo(t, arch, edit{}), parseC(t, kernelSource(dir, arch)).facts
			if f.args["DRM_IOCTL_GEM_CLOSE"] != "drm_gem_close" {
				t.Fatal("the structs of the ioctl macros are not understood")
			}
			report(t, checkKernel(g, f))
			report(t, checkConsts(g, f, kernelOnlyConsts))
		})
	}
}

// ops computes ioctl numbers from our sources; they are the ones drm makes.
func TestConstructors(t *testing.T) {
	g := loadGo(t, "amd64", edit{})
	numbers := map[string]int64{}
	for _, o := range g.ops() {
		numbers[o.goName] = o.number
	}
	for name, made := range map[string]uint32{
		"msm.opGemInfo":          drm.IOWR[[24]byte]("", 0x43).Request,
		"msm.opSubmitqueueClose": drm.IOW[uint32]("", 0x4b).Request,
	} {
		if numbers[name] != int64(made) {
			t.Errorf("%s: computed %#x, drm makes %#x", name, numbers[name], made)
		}
	}
	if r := drm.IOR[uint32]("", 1).Request; r != 2<<30|4<<16|'d'<<8|1 {
		t.Errorf("IOR makes %#x", r)
	}
}
