package headers

import (
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

// Our header has more than the distribution's, but only this.
var (
	extraPrefixes = append(messagePrefixes,
		// virgl_drm_*.h
		"VIRGL_DRM_", "VIRTGPU_", "virgl_renderer_capset_drm", "ASAHI_EXTRES_",
		// helpers of these headers
		"VIRGL_ASSERT", "VIRGL_ALIGN4", "VIRGL_PAYLOAD",
	)
	extraNames = set("VIRGL_RENDERER_DRM_H")
)

// Function-like macros are compared by what they give.
const probes = `
enum {
    probe_older = !!VIRGL_CHECK_VERSION(1, 2, 9), probe_minor = !!VIRGL_CHECK_VERSION(0, 9, 9),
    probe_same = !!VIRGL_CHECK_VERSION(1, 3, 0), probe_newer = !!VIRGL_CHECK_VERSION(1, 3, 1),
    probe_next = !!VIRGL_CHECK_VERSION(1, 4, 0), probe_major = !!VIRGL_CHECK_VERSION(2, 0, 0)
};
`

func contract(t *testing.T, path, arch, defines string, e edit) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return parseC(t, source{arch: arch, defines: defines, name: path, of: filepath.Dir(path),
		text: e.apply(t, filepath.Base(path), string(text)) + probes}).decls
}

// sameAPI wants all of theirs in ours, equal, and nothing else but the extras.
func sameAPI(ours, theirs map[string]string) (p problems) {
	for what, text := range theirs {
		if got, ok := ours[what]; !ok {
			p.add("%s is missing", what)
		} else if got != text {
			p.add("%s: %q, must be %q", what, got, text)
		}
	}
	for what := range ours {
		if _, ok := theirs[what]; !ok && !extra(what) {
			p.add("%s is not in virglrenderer.h", what)
		}
	}
	sort.Strings(p)
	return p
}

func extra(what string) bool {
	_, name, _ := strings.Cut(what, " ")
	for _, prefix := range extraPrefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return extraNames[name]
}

// With and without the unstable part, on both machines.
func TestContract(t *testing.T) {
	theirs := filepath.Join(upstream(t), "usr/include/virgl/virglrenderer.h")
	ours := filepath.Join(root(t), "include/virgl_renderer_drm.h")
	for _, arch := range arches {
		for name, defines := range map[string]string{"stable": "", "unstable": unstable} {
			t.Run(arch+"/"+name, func(t *testing.T) {
				want := contract(t, theirs, arch, defines, edit{})
				if len(want) < 200 {
					t.Fatalf("only %d declarations in virglrenderer.h", len(want))
				}
				report(t, sameAPI(contract(t, ours, arch, defines, edit{}), want))
			})
		}
	}
}

const unstable = "#define VIRGL_RENDERER_UNSTABLE_APIS 1\n"
