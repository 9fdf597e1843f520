package headers

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// assertions turns groups of the golden file into C that compiles only if all
// of it is true. The compiler knows what cc/v4 does not: `packed`, and `const` in
// the types of members. (The kernel spells its integers in its own way.)
func (g golden) assertions(groups map[string]bool) string {
	var b strings.Builder
	say := func(cond string, args ...any) {
		cond = fmt.Sprintf(cond, args...)
		fmt.Fprintf(&b, "_Static_assert(%s, %q);\n", cond, cond)
	}
	for _, group := range g.Groups {
		if !groups[group.Group] {
			continue
		}
		for _, s := range group.Types {
			tag := s.Kind + " " + s.Name
			say("sizeof(%s) == %d", tag, s.Size)
			say("_Alignof(%s) == %d", tag, s.Align)
			for _, f := range s.Fields {
				if f.Bits != 0 {
					continue // C cannot ask where a bit-field is
				}
				say("offsetof(%s, %s) == %d", tag, f.Name, f.Offset)
				if f.Size != 0 { // a flexible array has none
					say("sizeof(((%s *)0)->%s) == %d", tag, f.Name, f.Size)
				}
				if !uapiGroups[group.Group] && f.Size != 0 && !strings.HasSuffix(f.Type, "{...}") {
					say("__builtin_types_compatible_p(__typeof__(((%s *)0)->%s), %s)", tag, f.Name, f.Type)
				}
			}
		}
		for _, c := range group.Constants {
			say("(long long)(%s) == %dLL", c.Name, c.Value)
		}
	}
	return b.String()
}

// compile has the C compiler look at text; it returns its complaints.
func compile(t *testing.T, text string, args ...string) (complaints string, ok bool) {
	t.Helper()
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "gcc"
	}
	cmd := exec.Command(cc, append(args, "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-xc", "-")...)
	cmd.Stdin = strings.NewReader("#include <stddef.h>\n" + text)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if err != nil && out.Len() == 0 {
		t.Fatalf("%s: %v", cc, err)
	}
	return out.String(), err == nil
}

var (
	abiGroup   = set("c_abi")
	ourGroups  = set(append(perDriver("proto_%s"), "c_abi", "drm_generic")...)
	uapiGroups = set(append(perDriver("uapi_%s"), "uapi_drm", "uapi_sync", "uapi_virtgpu")...)
)

const ourInclude = unstable + "#include <sys/uio.h>\n#include \"virgl_renderer_drm.h\"\n"

func TestCompileOurs(t *testing.T) {
	g := loadGolden(t)
	text := ourInclude + g.assertions(ourGroups)
	text += fmt.Sprintf("_Static_assert(VIRGL_DRM_CAPSET == %d, \"capset\");\n", g.facts().values["VIRTGPU_DRM_CAPSET_DRM"])
	if out, ok := compile(t, text, "-I"+filepath.Join(root(t), "include")); !ok {
		t.Errorf("include/ differs from testdata/layouts.json:\n%s", out)
	}
}

func TestCompileTheirs(t *testing.T) {
	text := unstable + "#include <sys/uio.h>\n#include <virgl/virglrenderer.h>\n" + loadGolden(t).assertions(abiGroup)
	if out, ok := compile(t, text, "-isystem"+filepath.Join(upstream(t), "usr/include")); !ok {
		t.Errorf("the distribution's virglrenderer.h differs from testdata/layouts.json:\n%s", out)
	}
}

func TestCompileKernel(t *testing.T) {
	dir := kernelDir(t)
	s := kernelSource(dir, "")
	text := s.defines + s.text + loadGolden(t).assertions(uapiGroups)
	if out, ok := compile(t, text, "-iquote"+dir, "-idirafter", dir); !ok {
		t.Errorf("the kernel's headers differ from testdata/layouts.json:\n%s", out)
	}
}
