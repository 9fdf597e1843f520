package msm_test

import (
	"errors"
	"syscall"
	"testing"

	"virgldrm/internal/simtest"
)

func TestSubmitIsSanitised(t *testing.T) {
	g := driver.NewGuest(t)
	g.Alloc(5, 0x1000, 1)
	q := g.Queue(1)
	seq := uint32(0)
	with := func(flags uint32, cmd ...uint32) error {
		seq++
		w := submitWords(q, seq, 5)
		w[0] |= flags
		if cmd != nil {
			w[3] = 1
		}
		return g.Send(7, 0, append(w, cmd...)...)
	}
	// Syncobj bits without arrays, and what is not the guest's to ask for.
	for _, f := range []uint32{0x08000000, 0x04000000, 0x10000000, 0x40000000, 0x20000000, 0x02000000, 0x0c000000} {
		g.OK(with(f))
	}
	// A wild relocs pointer without relocations is dropped.
	g.OK(with(0, 1, 0, 0, 0x40, 0, 0, 0xdeadbeef, 0xdeadbeef))
	if g.AsyncErrors() != 0 {
		t.Fatalf("counted: %v", g.Log.Lines)
	}
	g.OK(with(0, 1, 0, 0, 0x40, 0, 1, 0xdeadbeef, 0xdeadbeef))
	if g.AsyncErrors() != 1 {
		t.Error("relocations were not refused")
	}
}

func TestSubmitErrors(t *testing.T) {
	g := driver.NewGuest(t)
	g.Alloc(5, 0x1000, 1)
	q := g.Queue(1)
	for _, body := range [][]uint32{
		{0x10, q, 1, 0, 1},
		{0x10, q, 0x10000000, 0, 1},
		{0x10, q, 0, 0x08000000, 1},
		{0x10, q, 0xffffffff, 0xffffffff, 1},
		{0x10, q, 2, 1, 1, 3, 5, 0, 0, 3, 5, 0, 0},
		{},
	} {
		if err := g.Send(7, 0, body...); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("tables beyond the message %v: %v", body, err)
		}
	}
	if g.AsyncErrors() != 0 {
		t.Error("malformed messages were counted")
	}
	g.Submit(q, 1, 99) // unknown buffer
	g.Submit(99, 1, 5) // unknown queue
	simtest.Control(t, "fail SUBMIT nth=1 errno=28")
	g.Submit(q, 1, 5)
	if g.AsyncErrors() != 3 {
		t.Errorf("%d errors counted, want 3: %v", g.AsyncErrors(), g.Log.Lines)
	}
	// A fence after a failed submission still retires.
	g.OK(g.R.CreateFence(g.Ctx, 1, 1))
	simtest.Retired(t, 1)
	// The implicit queue 0 has no ring: its job runs, its fence is nobody's.
	g.Submit(0, 1, 5)
	g.Submit(q, 2)
}

func TestFaultsComeBeforeTheFence(t *testing.T) {
	g := driver.NewGuest(t)
	q := g.Queue(1)
	simtest.Control(t, "fault")
	g.Submit(q, 1)
	g.OK(g.R.CreateFence(1, 1, 1))
	simtest.Retired(t, 1)
	if n := g.Word(12); n != 1 {
		t.Errorf("global_faults %d", n)
	}
	// Also before that of a ring without work.
	simtest.Control(t, "fault")
	g.OK(g.R.CreateFence(1, 2, 9))
	simtest.Retired(t, 2)
	if n := g.Word(12); n != 2 {
		t.Errorf("global_faults %d after a fence without work", n)
	}
	// A failing query leaves the count alone.
	simtest.Control(t, "fail GET_PARAM nth=1 errno=5")
	g.Submit(q, 2)
	g.OK(g.R.CreateFence(1, 1, 2))
	simtest.Retired(t, 3)
	if n := g.Word(12); n != 2 {
		t.Errorf("global_faults %d after a failed query", n)
	}
	// A process that starts later must not take an old fault for its own.
	later := driver.AddGuest(t, g.R, g.Log, 2)
	if n := later.Word(12); n != 2 {
		t.Errorf("global_faults %d for a new context", n)
	}
}
