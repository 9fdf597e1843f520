package contract

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"virgldrm/core"
	"virgldrm/internal/simtest"
)

func submitAndFence(t *testing.T, d *Driver) {
	g := d.NewGuest(t)
	g.Alloc(5, uint64(d.Page), 1)
	q := g.Queue(2)
	simtest.Control(t, "hang")
	g.Submit(q, 1, 5)
	g.OK(g.R.CreateFence(g.Ctx, 2, 10))
	g.OK(g.R.CreateFence(g.Ctx, 2, 11)) // nothing new: behind 10
	g.OK(g.R.CreateFence(g.Ctx, 0, 12))
	g.OK(g.R.CreateFence(g.Ctx, 1, 13)) // an idle ring
	if got := simtest.Retired(t, 2); len(got) != 2 || got[0].ID != 12 || got[1].ID != 13 {
		t.Fatalf("retired with the GPU hung: %v", got)
	}
	simtest.Control(t, "unhang")
	if got := simtest.Retired(t, 4); got[2].ID != 10 || got[3].ID != 11 {
		t.Fatalf("retired %v", got)
	}
	if err := g.R.CreateFence(g.Ctx, d.Rings+1, 14); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("fence on a ring there is not: %v", err)
	}
	if g.AsyncErrors() != 0 {
		t.Error("counted")
	}
}

func inFences(t *testing.T, d *Driver) {
	g := d.NewGuest(t)
	other := d.AddGuest(t, g.R, g.Log, 2)
	qa, qb := g.Queue(1), other.Queue(2)
	simtest.Control(t, "hang ring=0")
	g.Submit(qa, 1)
	g.OK(g.R.CreateFence(1, 1, 100))
	g.OK(g.R.SubmitAfter(2, other.JobMessage(qb, 1), []uint64{100, 55555}))
	g.OK(g.R.CreateFence(2, 2, 200))
	time.Sleep(10 * time.Millisecond)
	if got := simtest.Retired(t, 0); len(got) != 0 {
		t.Fatalf("retired before its in-fence: %v", got)
	}
	fd, err := g.R.ExportFence(200)
	g.OK(err)
	simtest.Control(t, "unhang")
	if got := simtest.Retired(t, 2); len(got) != 2 {
		t.Fatalf("retired %v", got)
	}
	// A sync_file from elsewhere; merged with another, used once.
	again, err := fd.Dup()
	g.OK(err)
	g.OK(g.R.AttachFence(1, again.Num()))
	again.Take()
	g.OK(g.R.AttachFence(1, fd.Num()))
	fd.Take()
	g.Submit(qa, 2)
	for _, c := range []struct {
		ctx  uint32
		want error
	}{{99, core.ErrNoContext}, {1, core.ErrMerge}} {
		if err := g.R.AttachFence(c.ctx, -1); !errors.Is(err, c.want) {
			t.Errorf("no fence for context %d: %v, want %v", c.ctx, err, c.want)
		}
	}
	if g.AsyncErrors()+other.AsyncErrors() != 0 {
		t.Errorf("counted: %v", g.Log.Lines)
	}
}

// failedSubmit: what the kernel refuses is counted, uses up the in-fence and
// leaves the fence of the ring to the submissions before.
func failedSubmit(t *testing.T, d *Driver) {
	g := d.NewGuest(t)
	q := g.Queue(1)
	simtest.Control(t, "hang")
	g.Submit(q, 1)
	g.OK(g.R.CreateFence(1, 1, 1))
	g.WaitFor(1)
	simtest.Control(t, "fail SUBMIT nth=1 errno=28")
	g.Submit(q, 2)
	if !g.Counted(1) {
		t.Errorf("%d counted, want 1: %q", g.AsyncErrors(), g.Log.Lines)
	}
	g.OK(g.R.CreateFence(1, 1, 2))
	time.Sleep(10 * time.Millisecond)
	if got := simtest.Retired(t, 0); len(got) != 0 {
		t.Fatalf("retired with the GPU hung: %v", got)
	}
	simtest.Control(t, "unhang")
	if got := simtest.Retired(t, 2); got[0].ID != 1 || got[1].ID != 2 {
		t.Errorf("retired %v", got)
	}
	g.Submit(q, 3)
	if !g.Counted(1) {
		t.Errorf("%d counted after a good one", g.AsyncErrors())
	}
}

// inFenceIsUsedOnce: a job that the kernel refused has used up the in-fence.
func inFenceIsUsedOnce(t *testing.T, d *Driver) {
	g := d.NewGuest(t)
	other := d.AddGuest(t, g.R, g.Log, 2)
	hung, q := g.Queue(1), other.Queue(2)
	simtest.Control(t, "hang ring=0")
	g.Submit(hung, 1)
	g.OK(g.R.CreateFence(1, 1, 1))
	other.WaitFor(1)
	simtest.Control(t, "fail SUBMIT nth=1 errno=28")
	other.Submit(q, 1)
	other.Submit(q, 2)
	g.OK(g.R.CreateFence(2, 2, 2))
	if got := simtest.Retired(t, 1); got[0].ID != 2 {
		t.Errorf("retired %v", got)
	}
	simtest.Control(t, "unhang")
	simtest.Retired(t, 2)
}

func submitDoesNotAllocate(t *testing.T, d *Driver) {
	g := d.NewGuest(t)
	g.Alloc(5, uint64(d.Page), 3)
	q := g.Queue(2)
	jobs := make([][]byte, 250)
	for i := range jobs {
		jobs[i] = g.JobMessage(q, uint32(i+1), 5)
	}
	ask := d.Answered[len(d.Answered)-1]
	answered := g.Message(ask.Cmd, 0x100, ask.Words...)
	next := 0
	if n := testing.AllocsPerRun(200, func() {
		if g.R.Submit(1, jobs[next]) != nil || g.R.Submit(1, answered) != nil || g.R.CreateFence(1, 2, uint64(next)) != nil {
			t.Fatal("failed")
		}
		next++
	}); n != 0 {
		t.Errorf("%v allocations per submission, answered command and fence", n)
	}
	if g.AsyncErrors() != 0 {
		t.Errorf("counted: %v", g.Log.Lines)
	}
}

// A job that never ends is reported once, and holds up nothing but its ring.
func hungGPU(t *testing.T, d *Driver) {
	l := &Log{}
	cfg := d.Config(l)
	cfg.Fences.HungAfter = 100 * time.Millisecond
	g := d.AddGuest(t, Start(t, cfg), l, 1)
	q := g.Queue(2)
	for round := range 2 {
		simtest.Control(t, "hang ring=1")
		g.Submit(q, uint32(round+1))
		g.OK(g.R.CreateFence(1, 2, uint64(round)))
		simtest.Hangs(t, round+1)
		time.Sleep(300 * time.Millisecond)
		simtest.Hangs(t, round+1)
		g.Must(d.Nop, 0)
		simtest.Control(t, "unhang")
		simtest.Retired(t, round+1)
		time.Sleep(200 * time.Millisecond) // the watch ends, the next round starts another
	}
}
