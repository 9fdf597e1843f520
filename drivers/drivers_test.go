package drivers

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"virgldrm/core"
	"virgldrm/drm"
	"virgldrm/internal/contract"
	"virgldrm/internal/simtest"
	"virgldrm/wire"
)

// The machine of these tests: three GPUs, the first of a driver we have not.
const unknownNode, asahiNode, msmNode = "/dev/dri/renderD128", "/dev/dri/renderD129", "/dev/dri/renderD130"

func TestMain(m *testing.M) { simtest.Main(m, "DRMSIM_DRIVER=radeon,asahi,msm") }

func config(l *contract.Log) core.Config {
	return core.Config{Drivers: All, Log: l.Logger(), Fences: simtest.Callbacks(), DRM: true, CrashOnPanic: true}
}

// taken starts a renderer, which must take the GPU of this context type.
func taken(t *testing.T, cfg core.Config, contextType uint32) *core.Renderer {
	t.Helper()
	r := contract.Start(t, cfg)
	caps := make([]byte, wire.CapsetSize)
	r.Capset(caps)
	if got := binary.LittleEndian.Uint32(caps[16:]); got != contextType {
		t.Errorf("context type %d, want %d", got, contextType)
	}
	if err := r.CreateContext(1, wire.CapsetDRM, "guest"); err != nil {
		t.Error(err)
	}
	return r
}

// Of the GPUs there are, the first driver of the list wins, and the log tells
// what else there was.
func TestOrderOfPreference(t *testing.T) {
	for _, c := range []struct {
		drivers []core.Driver
		want    uint32
		says    []string
	}{
		{All, wire.ContextMSM, []string{"using " + msmNode + ", driver msm 1.13.0", unknownNode + " is radeon", asahiNode + " is asahi"}},
		{[]core.Driver{All[1], All[0]}, wire.ContextAsahi, []string{"using " + asahiNode + ", driver asahi", unknownNode + " is radeon", msmNode + " is msm"}},
		{All[1:], wire.ContextAsahi, []string{"using " + asahiNode, msmNode + " is msm"}},
	} {
		t.Run(c.drivers[0].Name, func(t *testing.T) {
			l := &contract.Log{}
			cfg := config(l)
			cfg.Drivers = c.drivers
			taken(t, cfg, c.want)
			for _, part := range c.says {
				if !l.Says(part) {
					t.Errorf("the log does not say %q: %q", part, l.Lines)
				}
			}
		})
	}
}

// A configured node is used, or nothing is.
func TestRenderNode(t *testing.T) {
	for node, want := range map[string]uint32{asahiNode: wire.ContextAsahi, msmNode: wire.ContextMSM} {
		t.Run(node, func(t *testing.T) {
			cfg := config(&contract.Log{})
			cfg.RenderNode = node
			taken(t, cfg, want)
		})
	}
	for node, says := range map[string]string{
		unknownNode:             `driver "radeon" has no native context here: supported drivers: msm asahi`,
		"/dev/dri/renderD140":   "check VIRGLDRM_RENDER_NODE",
		"/dev/dri/no such node": "check VIRGLDRM_RENDER_NODE",
	} {
		cfg := config(&contract.Log{})
		cfg.RenderNode = node
		if _, err := core.New(cfg); !errors.Is(err, syscall.ENODEV) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want ENODEV saying %q", node, err, says)
		}
	}
}

func TestNoDriver(t *testing.T) {
	cfg := config(&contract.Log{})
	cfg.Drivers = nil
	_, err := core.New(cfg)
	if !errors.Is(err, syscall.ENODEV) {
		t.Fatal(err)
	}
	for _, part := range []string{unknownNode + " is radeon", asahiNode + " is asahi", msmNode + " is msm", "supported drivers:"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %v", part, err)
		}
	}
}

// Guests were told of the probed GPU: a context on another one is refused.
func TestContextOnAnotherGPU(t *testing.T) {
	node := asahiNode
	l := &contract.Log{}
	cfg := config(l)
	cfg.OpenDRM = func() int {
		if node == "" {
			return -1
		}
		dev, err := drm.Open(node)
		if err != nil {
			t.Fatal(err)
		}
		fd := dev.FD.Take()
		return fd.Num()
	}
	r := taken(t, cfg, wire.ContextAsahi)
	node = msmNode
	if err := r.CreateContext(2, wire.CapsetDRM, "guest"); !errors.Is(err, syscall.ENOMEM) {
		t.Errorf("a context on another GPU: %v", err)
	}
	if !l.Says("driven by msm, but asahi was probed") {
		t.Errorf("the log: %q", l.Lines)
	}
	node = asahiNode
	if err := r.CreateContext(2, wire.CapsetDRM, "guest"); err != nil {
		t.Error(err)
	}
	// An embedder that gives none leaves it to us to find another one.
	node = ""
	if err := r.CreateContext(3, wire.CapsetDRM, "guest"); err != nil || !l.Says("using "+asahiNode) {
		t.Errorf("%v; the log: %q", err, l.Lines)
	}
}

// The embedder is asked for a device without a lock held: it may call us.
func TestContextMadeMeanwhile(t *testing.T) {
	var r *core.Renderer
	cfg := config(&contract.Log{})
	cfg.OpenDRM = func() int {
		if again := r; again != nil {
			r = nil
			if err := again.CreateContext(2, wire.CapsetDRM, "first"); err != nil {
				t.Error(err)
			}
		}
		return -1
	}
	made := taken(t, cfg, wire.ContextMSM)
	files := simtest.Counters().Files
	r = made
	if err := made.CreateContext(2, wire.CapsetDRM, "second"); err != nil {
		t.Error(err)
	}
	if n := simtest.Counters().Files - files; n != 1 {
		t.Errorf("%d files are open for one context", n)
	}
}

// What belongs to a driver and is easily forgotten; docs/adding-a-driver.md.
func TestComplete(t *testing.T) {
	read := func(path string) string {
		text, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	public, makefile := read("include/virgl_renderer_drm.h"), read("Makefile")
	var types []uint32
	for _, d := range All {
		read("include/virgl_drm_" + d.Name + ".h")
		if !strings.Contains(public, "#include \"virgl_drm_"+d.Name+".h\"\n") {
			t.Errorf("virgl_renderer_drm.h does not include virgl_drm_%s.h", d.Name)
		}
		for _, call := range []string{"contract.Test", "contract.FuzzCommandStream", "contract.FuzzResponsePlacement", "contract.FuzzCapset"} {
			if !strings.Contains(read(d.Name+"/contract_test.go"), call+"(") {
				t.Errorf("%s/contract_test.go does not call %s", d.Name, call)
			}
		}
		if drivers := regexp.MustCompile(`(?m)^DRIVERS *:= *(.*)$`).FindStringSubmatch(makefile); drivers == nil ||
			!slices.Contains(strings.Fields(drivers[1]), d.Name) {
			t.Errorf("%s is not in DRIVERS of the Makefile: its fuzzers do not run", d.Name)
		}
		if d.ContextType == 0 || slices.Contains(types, d.ContextType) {
			t.Errorf("context type %d of %s is 0 or another driver's", d.ContextType, d.Name)
		}
		types = append(types, d.ContextType)
		if d.Align%4 != 0 || d.ShmemHeader < 8 || d.Probe == nil || d.New == nil {
			t.Errorf("the record of %s is incomplete: %+v", d.Name, d)
		}
	}
}
