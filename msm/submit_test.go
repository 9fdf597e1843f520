package msm_test

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"virgldrm/core"
	"virgldrm/internal/simtest"
	"virgldrm/msm"
	"virgldrm/wire"
)

func TestSubmitAndFence(t *testing.T) {
	g := newGuest(t)
	g.alloc(5, 0x1000, 1)
	q := g.queue(1)
	simtest.Control(t, "hang")
	g.submit(q, 1, 5)
	g.ok(g.r.CreateFence(g.ctx, 2, 10))
	g.ok(g.r.CreateFence(g.ctx, 2, 11)) // nothing new: behind 10
	g.ok(g.r.CreateFence(g.ctx, 0, 12))
	g.ok(g.r.CreateFence(g.ctx, 1, 13)) // an idle ring
	if got := simtest.Retired(t, 2); len(got) != 2 || got[0].ID != 12 || got[1].ID != 13 {
		t.Fatalf("retired with the GPU hung: %v", got)
	}
	simtest.Control(t, "unhang")
	if got := simtest.Retired(t, 4); got[2].ID != 10 || got[3].ID != 11 {
		t.Fatalf("retired %v", got)
	}
	if err := g.r.CreateFence(g.ctx, 4, 14); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("fence on a ring there is not: %v", err)
	}
	if g.asyncErrors() != 0 {
		t.Error("counted")
	}
}

func TestSubmitIsSanitised(t *testing.T) {
	g := newGuest(t)
	g.alloc(5, 0x1000, 1)
	q := g.queue(0)
	seq := uint32(0)
	with := func(flags uint32, cmd ...uint32) error {
		seq++
		w := submitWords(q, seq, 5)
		w[0] |= flags
		if cmd != nil {
			w[3] = 1
		}
		return g.send(7, 0, append(w, cmd...)...)
	}
	// Syncobj bits without arrays, and what is not the guest's to ask for.
	for _, f := range []uint32{0x08000000, 0x04000000, 0x10000000, 0x40000000, 0x20000000, 0x02000000, 0x0c000000} {
		g.ok(with(f))
	}
	// A wild relocs pointer without relocations is dropped.
	g.ok(with(0, 1, 0, 0, 0x40, 0, 0, 0xdeadbeef, 0xdeadbeef))
	if g.asyncErrors() != 0 {
		t.Fatalf("counted: %v", g.log.lines)
	}
	g.ok(with(0, 1, 0, 0, 0x40, 0, 1, 0xdeadbeef, 0xdeadbeef))
	if g.asyncErrors() != 1 {
		t.Error("relocations were not refused")
	}
}

func TestSubmitErrors(t *testing.T) {
	g := newGuest(t)
	g.alloc(5, 0x1000, 1)
	q := g.queue(0)
	for _, body := range [][]uint32{
		{0x10, q, 1, 0, 1},
		{0x10, q, 0x10000000, 0, 1},
		{0x10, q, 0, 0x08000000, 1},
		{0x10, q, 0xffffffff, 0xffffffff, 1},
		{},
	} {
		if err := g.send(7, 0, body...); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("tables beyond the message %v: %v", body, err)
		}
	}
	if g.asyncErrors() != 0 {
		t.Error("malformed messages were counted")
	}
	g.submit(q, 1, 99) // unknown buffer
	g.submit(99, 1, 5) // unknown queue
	simtest.Control(t, "fail SUBMIT nth=1 errno=28")
	g.submit(q, 1, 5)
	if g.asyncErrors() != 3 {
		t.Errorf("%d errors counted, want 3: %v", g.asyncErrors(), g.log.lines)
	}
	// A fence after a failed submission still retires.
	g.ok(g.r.CreateFence(g.ctx, 1, 1))
	simtest.Retired(t, 1)
	// The implicit queue 0 has no ring: its job runs, its fence is nobody's.
	g.submit(0, 1, 5)
	g.submit(q, 2)
}

func TestInFences(t *testing.T) {
	g := newGuest(t)
	other := addGuest(t, g.r, g.log, 2)
	qa, qb := g.queue(0), other.queue(1)
	simtest.Control(t, "hang ring=0")
	g.submit(qa, 1)
	g.ok(g.r.CreateFence(1, 1, 100))
	other.seqno++
	g.ok(g.r.SubmitAfter(2, other.message(7, 0, submitWords(qb, 1)...), []uint64{100, 55555}))
	g.ok(g.r.CreateFence(2, 2, 200))
	time.Sleep(10 * time.Millisecond)
	if got := simtest.Retired(t, 0); len(got) != 0 {
		t.Fatalf("retired before its in-fence: %v", got)
	}
	fd, err := g.r.ExportFence(200)
	g.ok(err)
	simtest.Control(t, "unhang")
	if got := simtest.Retired(t, 2); len(got) != 2 {
		t.Fatalf("retired %v", got)
	}
	// A sync_file from elsewhere; merged with another, used once.
	again, err := fd.Dup()
	g.ok(err)
	g.ok(g.r.AttachFence(1, again.Num()))
	again.Take()
	g.ok(g.r.AttachFence(1, fd.Num()))
	fd.Take()
	g.submit(qa, 2)
	if err := g.r.AttachFence(99, -1); !errors.Is(err, core.ErrNoContext) {
		t.Errorf("unknown context: %v", err)
	}
	if g.asyncErrors()+other.asyncErrors() != 0 {
		t.Errorf("counted: %v", g.log.lines)
	}
}

func TestSharing(t *testing.T) {
	g := newGuest(t)
	other := addGuest(t, g.r, g.log, 2)
	g.alloc(5, 0x1000, wire.BlobShareable|wire.BlobMappable)
	g.alloc(6, 0x1000, wire.BlobMappable)
	g.alloc(7, 0x1000, 0)
	for _, res := range []uint32{5, 6, 7} {
		g.r.Attach(2, res)
		g.r.Attach(2, res)
		g.r.Attach(1, res)
	}
	lo, hi := iova(50)
	other.must(4, 0, lo, hi, 5, 0)
	other.must(4, 0, lo+0x10000, hi, 6, 0)
	if other.asyncErrors() != 0 {
		t.Fatalf("shared buffers: %v", g.log.lines)
	}
	other.must(4, 0, lo+0x20000, hi, 7, 0)
	if other.asyncErrors() != 1 {
		t.Error("a private buffer was shared")
	}
	// Only a shareable one outlives its creator.
	g.r.DestroyContext(1)
	if fd, _, err := g.r.Export(5); err != nil {
		t.Error(err)
	} else {
		fd.Close()
	}
	if _, _, err := g.r.Export(6); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("export without its context: %v", err)
	}
	if err := g.r.MapFixed(6, 0x1000); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("map_fixed without its context: %v", err)
	}
	other.ret(other.ask(8, 5, 6, 1), 0)
	g.r.Unref(6)
	other.ret(other.ask(8, 5, 6, 1), -int32(syscall.ENOENT))
}

// Two resources of one dma-buf are one GEM handle: the first detach must not
// close it for the other.
func TestHandlesAreCounted(t *testing.T) {
	g := newGuest(t)
	g.alloc(5, 0x1000, wire.BlobShareable)
	fd, _, err := g.r.Export(5)
	g.ok(err)
	g.ok(g.r.ImportBlob(6, wire.BlobMemHost3D, wire.FdDmabuf, fd.Num(), 0x1000))
	fd.Take()
	g.r.Attach(1, 6)
	g.ret(g.ask(8, 5, 6, 1), 0)
	if n := simtest.Counters().Handles; n != 1 {
		t.Errorf("%d handles for one buffer", n)
	}
	g.r.Detach(1, 6)
	g.ret(g.ask(8, 5, 6, 1), -int32(syscall.ENOENT))
	g.ret(g.ask(8, 5, 5, 1), 0)
	g.r.Detach(1, 5)
	if n := simtest.Counters().Handles; n != 0 {
		t.Errorf("%d handles left", n)
	}
}

func TestTeardownDoesNotWait(t *testing.T) {
	g := newGuest(t)
	g.alloc(5, 0x1000, 1)
	q := g.queue(2)
	simtest.Control(t, "hang")
	for i := range uint32(20) {
		g.submit(q, i+1, 5)
		g.ok(g.r.CreateFence(1, 3, uint64(i)))
	}
	start := time.Now()
	g.r.DestroyContext(1)
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

func TestFaultsComeBeforeTheFence(t *testing.T) {
	g := newGuest(t)
	q := g.queue(0)
	simtest.Control(t, "fault")
	g.submit(q, 1)
	g.ok(g.r.CreateFence(1, 1, 1))
	simtest.Retired(t, 1)
	if n := g.word(12); n != 1 {
		t.Errorf("global_faults %d", n)
	}
	// A failing query leaves the count alone.
	simtest.Control(t, "fail GET_PARAM nth=1 errno=5")
	g.submit(q, 2)
	g.ok(g.r.CreateFence(1, 1, 2))
	simtest.Retired(t, 2)
	if n := g.word(12); n != 1 {
		t.Errorf("global_faults %d after a failed query", n)
	}
	// A process that starts later must not take an old fault for its own.
	later := addGuest(t, g.r, g.log, 2)
	if n := later.word(12); n != 1 {
		t.Errorf("global_faults %d for a new context", n)
	}
}

func TestReset(t *testing.T) {
	g := newGuest(t)
	g.alloc(5, 0x1000, 3)
	if _, _, err := g.r.Map(5); err != nil {
		t.Fatal(err)
	}
	q := g.queue(0)
	simtest.Control(t, "hang")
	g.submit(q, 1, 5)
	g.ok(g.r.CreateFence(1, 1, 1))
	g.r.Unref(5)
	g.r.Reset()
	simtest.Retired(t, 1)
	simtest.Control(t, "unhang")
	again := addGuest(t, g.r, g.log, 1)
	again.alloc(5, 0x1000, 3)
}

func TestSubmitDoesNotAllocate(t *testing.T) {
	g := newGuest(t)
	g.alloc(5, 0x1000, 1)
	q := g.queue(1)
	m := g.message(7, 0, submitWords(q, 0, 5)...)
	prep := g.message(5, 0x100, 5, 1)
	seq, fence := uint32(0), uint64(0)
	if n := testing.AllocsPerRun(200, func() {
		seq++
		fence++
		m[32], m[33] = byte(seq), byte(seq>>8)
		if g.r.Submit(1, m) != nil || g.r.Submit(1, prep) != nil || g.r.CreateFence(1, 2, fence) != nil {
			t.Fatal("failed")
		}
	}); n != 0 {
		t.Errorf("%v allocations per submission, CPU_PREP and fence", n)
	}
	if g.asyncErrors() != 0 {
		t.Errorf("counted: %v", g.log.lines)
	}
}

func TestPanicEndsOneContext(t *testing.T) {
	l := &logged{}
	d := panicky()
	r, err := core.New(core.Config{Drivers: []core.Driver{d}, Log: l.logger(), Fences: simtest.Callbacks(), DRM: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	g, other := addGuest(t, r, l, 1), addGuest(t, r, l, 2)
	if err := g.send(panicCmd, 0); !errors.Is(err, syscall.EIO) {
		t.Fatalf("a panic: %v", err)
	}
	if err := g.send(1, 0); !errors.Is(err, syscall.EIO) {
		t.Errorf("after it: %v", err)
	}
	if g.asyncErrors() != 1 || !contains(l.lines, "the context is lost") {
		t.Errorf("%d counted, log %q", g.asyncErrors(), l.lines)
	}
	g.ok(r.CreateFence(1, 1, 1))
	simtest.Retired(t, 1)
	other.must(1, 0)
}

// A job that never ends is reported once, and holds up nothing but its ring.
func TestHungGPUIsReported(t *testing.T) {
	cb := simtest.Callbacks()
	cb.HungAfter = 100 * time.Millisecond
	l := &logged{}
	r, err := core.New(core.Config{Drivers: []core.Driver{msm.Driver}, Log: l.logger(), Fences: cb, DRM: true, CrashOnPanic: true})
	if err != nil {
		t.Fatal(err)
	}
	defer simtest.Settle(t)
	defer r.Close()
	g := addGuest(t, r, l, 1)
	q := g.queue(1)
	for round := range 2 {
		simtest.Control(t, "hang ring=1")
		g.submit(q, uint32(round+1))
		g.ok(r.CreateFence(1, 2, uint64(round)))
		simtest.Hangs(t, round+1)
		time.Sleep(300 * time.Millisecond)
		simtest.Hangs(t, round+1)
		g.must(1, 0)
		simtest.Control(t, "unhang")
		simtest.Retired(t, round+1)
		time.Sleep(200 * time.Millisecond) // the watch ends, the next round starts another
	}
}
