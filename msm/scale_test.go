package msm_test

import (
	"errors"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"virgldrm/core"
	"virgldrm/internal/simtest"
	"virgldrm/msm"
	"virgldrm/wire"
)

// A fault on memory the guest shares ends the context, not the process.
func TestFaultEndsOneContext(t *testing.T) {
	debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(false)
	l := &logged{}
	r, err := core.New(core.Config{Drivers: []core.Driver{msm.Driver}, Log: l.logger(), Fences: simtest.Callbacks(), DRM: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	g, other := addGuest(t, r, l, 1), addGuest(t, r, l, 2)
	gone, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(gone)
	if err := r.Submit(1, gone); !errors.Is(err, syscall.EIO) {
		t.Fatalf("a batch that cannot be read: %v", err)
	}
	if err := g.send(1, 0); !errors.Is(err, syscall.EIO) {
		t.Errorf("after it: %v", err)
	}
	if _, _, err := r.Map(g.shm); err == nil {
		t.Error("mapped twice")
	}
	other.must(1, 0)
}

func TestManyContexts(t *testing.T) {
	r, l := newRenderer(t)
	const n = 1000
	var g [n]*guest
	for i := range g {
		g[i] = addGuest(t, r, l, uint32(i+1))
	}
	for i := range g {
		q := g[i].queue(0)
		g[i].submit(q, 1)
		g[i].ok(r.CreateFence(g[i].ctx, 1, uint64(i)))
	}
	simtest.Retired(t, n)
}

// The cost of an operation must not grow with the number of live buffers. Times
// on a busy machine prove little, so only a growth with the square would fail.
func TestManyBuffers(t *testing.T) {
	g := newGuest(t)
	const n = 100_000
	var times [2]time.Duration
	for half := range times {
		start := time.Now()
		for i := range uint32(n / 2) {
			id := uint32(half)*n/2 + i + 2000
			g.must(3, 0, id<<12, id>>20+1, 0x1000, 0, boWC, id)
			g.ok(g.blob(id, uint64(id), 0x1000, wire.BlobMappable))
		}
		times[half] = time.Since(start)
	}
	t.Logf("first half %v, second half %v", times[0], times[1])
	if times[1] > 10*times[0] {
		t.Errorf("the second half took %v, the first %v", times[1], times[0])
	}
	res := make([]uint32, 4096)
	for i := range res {
		res[i] = 2000 + uint32(i)*7
	}
	g.submit(g.queue(0), 1, res...)
	if g.asyncErrors() != 0 {
		t.Fatalf("4096 buffers in a submission: %v", g.log.lines)
	}
	if c := simtest.Counters(); c.BOs != n {
		t.Errorf("%d buffers live", c.BOs)
	}
}

func TestLargeMessages(t *testing.T) {
	g := newGuest(t)
	g.alloc(5, 1<<20, 0)
	words := make([]uint32, 4+1<<18)
	words[0], words[3] = 5, 1<<20
	words[4], words[len(words)-1] = 0x11111111, 0x22222222
	g.must(8, 0, words...) // an upload of 1 MiB
	// A batch of 16 KiB, all NOPs.
	var batch []byte
	for range 1024 {
		g.seqno++
		batch = append(batch, g.message(1, 0)...)
	}
	g.ok(g.r.Submit(1, batch))
	if g.word(0) != g.seqno {
		t.Errorf("seqno %d, want %d", g.word(0), g.seqno)
	}
}

func TestOutOfDescriptors(t *testing.T) {
	g := newGuest(t)
	g.gemNew(2, 0x1000)
	simtest.Control(t, "fail PRIME_HANDLE_TO_FD nth=1 errno=24")
	if err := g.blob(5, 2, 0x1000, wire.BlobShareable); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("%v", err)
	}
	if !contains(g.log.lines, "RLIMIT_NOFILE") {
		t.Errorf("the log does not say what to do: %q", g.log.lines)
	}
}

// The embedder is asked for a device with no lock held: it may call back.
func TestOpenDRMMayCallBack(t *testing.T) {
	var r *core.Renderer
	asked := 0
	l := &logged{}
	r, err := core.New(core.Config{
		Drivers: []core.Driver{msm.Driver}, Log: l.logger(), Fences: simtest.Callbacks(), DRM: true, CrashOnPanic: true,
		OpenDRM: func() int {
			if asked++; r != nil {
				r.HasContext(1)
			}
			return -1
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	addGuest(t, r, l, 1).must(1, 0)
	if asked != 2 {
		t.Errorf("asked %d times, at init and for one context", asked)
	}
}
