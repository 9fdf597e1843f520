package contract

import (
	"errors"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"virgldrm/core"
	"virgldrm/internal/simtest"
	"virgldrm/resources"
	"virgldrm/wire"
)

// probe: without a device init says what to do.
func probe(t *testing.T, d *Driver) {
	for _, c := range []struct{ name, control, says string }{
		{"no node", "fail OPEN nth=1 errno=2 count=100", "no render node in /dev/dri"},
		{"no permission", "fail OPEN nth=1 errno=13 count=100", "read and write access"},
		{"no version", "fail VERSION nth=1 errno=5 count=100", "read the driver's version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			simtest.Control(t, c.control)
			defer simtest.Control(t, "reset")
			_, err := core.New(d.Config(&Log{}))
			if !errors.Is(err, syscall.ENODEV) || !(&Log{[]string{err.Error()}}).Says(c.says) {
				t.Fatalf("error %v, want ENODEV saying %q", err, c.says)
			}
		})
	}
}

func teardownDoesNotWait(t *testing.T, d *Driver) {
	g := d.NewGuest(t)
	g.Alloc(5, uint64(d.Page), 3)
	q := g.Queue(d.Rings)
	simtest.Control(t, "close_waits") // as the end of a device file does with some kernels
	simtest.Control(t, "hang")
	for i := range uint32(20) {
		g.Submit(q, i+1, 5)
		g.OK(g.R.CreateFence(1, d.Rings, uint64(i)))
	}
	defer time.AfterFunc(2*time.Second, func() { simtest.Control(t, "unhang") }).Stop()
	start := time.Now()
	g.R.DestroyContext(1)
	if d := time.Since(start); d > time.Second {
		t.Errorf("destroy took %v", d)
	}
	for i, f := range simtest.Retired(t, 20) {
		if f.ID != uint64(i) {
			t.Fatalf("retired %v", f)
		}
	}
	simtest.Control(t, "unhang")
}

func reset(t *testing.T, d *Driver) {
	g := d.NewGuest(t)
	g.Alloc(5, uint64(d.Page), 3)
	if _, _, err := g.R.Map(5); err != nil {
		t.Fatal(err)
	}
	q := g.Queue(1)
	simtest.Control(t, "hang")
	g.Submit(q, 1, 5)
	g.OK(g.R.CreateFence(1, 1, 1))
	g.R.Unref(5)
	g.R.Reset()
	simtest.Retired(t, 1)
	simtest.Control(t, "unhang")
	again := d.AddGuest(t, g.R, g.Log, 1)
	again.Alloc(5, uint64(d.Page), 3)
}

func manyContexts(t *testing.T, d *Driver) {
	r, l := d.NewRenderer(t)
	const n = 1000
	var g [n]*Guest
	for i := range g {
		g[i] = d.AddGuest(t, r, l, uint32(i+1))
	}
	for i := range g {
		q := g[i].Queue(1)
		g[i].Submit(q, 1)
		g[i].OK(r.CreateFence(g[i].Ctx, 1, uint64(i)))
	}
	simtest.Retired(t, n)
}

const (
	panicCmd  = 1 << 20
	panicSize = 0xbad000
)

type panicking struct{ core.Context }

func (p panicking) Run(m *wire.Call, batch []byte, shm *wire.Shmem) error {
	if len(batch) >= 16 && batch[2] == panicCmd>>16 {
		panic("on purpose")
	}
	return p.Context.Run(m, batch, shm)
}

func (p panicking) CheckBlob(obj *resources.Object, size uint64) (uint32, error) {
	if size == panicSize {
		panic("on purpose")
	}
	return p.Context.CheckBlob(obj, size)
}

func panicEnds(t *testing.T, d *Driver) {
	l := &Log{}
	cfg := d.Config(l)
	cfg.CrashOnPanic = false
	cfg.Drivers[0].New = func(b *core.Base, caps *wire.Capset) (core.Context, error) {
		c, err := d.New(b, caps)
		return panicking{c}, err
	}
	r := Start(t, cfg)
	g, other := d.AddGuest(t, r, l, 1), d.AddGuest(t, r, l, 2)
	if err := g.Send(panicCmd, 0); !errors.Is(err, syscall.EIO) {
		t.Fatalf("a panic: %v", err)
	}
	if err := g.Send(d.Nop, 0); !errors.Is(err, syscall.EIO) {
		t.Errorf("after it: %v", err)
	}
	if !g.Counted(1) || !l.Says("the context is lost") {
		t.Errorf("%d counted, log %q", g.AsyncErrors(), l.Lines)
	}
	g.OK(r.CreateFence(1, 1, 1))
	simtest.Retired(t, 1)
	other.Must(d.Nop, 0)
	if err := g.Blob(5, 5, panicSize, 0); !errors.Is(err, syscall.EIO) {
		t.Errorf("a blob of it: %v", err)
	}
	other.Park(5, uint64(d.Page))
	if err := other.Blob(5, 5, panicSize, 0); !errors.Is(err, syscall.EIO) {
		t.Errorf("a panic when a blob is made: %v", err)
	}
}

// A fault on memory the guest shares ends the context, not the process.
func faultEnds(t *testing.T, d *Driver) {
	debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(false)
	l := &Log{}
	cfg := d.Config(l)
	cfg.CrashOnPanic = false
	r := Start(t, cfg)
	g, other := d.AddGuest(t, r, l, 1), d.AddGuest(t, r, l, 2)
	gone, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(gone)
	if err := r.Submit(1, gone); !errors.Is(err, syscall.EIO) {
		t.Fatalf("a batch that cannot be read: %v", err)
	}
	if err := g.Send(d.Nop, 0); !errors.Is(err, syscall.EIO) {
		t.Errorf("after it: %v", err)
	}
	if _, _, err := r.Map(g.Shm); err == nil {
		t.Error("mapped twice")
	}
	other.Must(d.Nop, 0)
}

// The embedder is asked for a device with no lock held: it may call back.
func openDRM(t *testing.T, d *Driver) {
	var r *core.Renderer
	asked := 0
	l := &Log{}
	cfg := d.Config(l)
	cfg.OpenDRM = func() int {
		if asked++; r != nil {
			r.CheckContext(1)
		}
		return -1
	}
	r = Start(t, cfg)
	d.AddGuest(t, r, l, 1).Must(d.Nop, 0)
	if asked != 2 {
		t.Errorf("asked %d times, at init and for one context", asked)
	}
}
