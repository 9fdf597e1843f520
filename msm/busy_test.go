package msm_test

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"virgldrm/internal/contract"
	"virgldrm/internal/simtest"
	"virgldrm/wire"
)

// GEM_CLOSE waits for the GPU; the embedder's thread must not.
func TestBusyBuffersAreClosedLater(t *testing.T) {
	g := driver.NewGuest(t)
	q := g.Queue(1)
	for res := uint32(5); res < 9; res++ {
		g.Alloc(res, 0x1000, wire.BlobShareable)
	}
	simtest.Control(t, "hang")
	g.Submit(q, 1, 5, 6, 7)
	fd, _, err := g.R.Export(7)
	g.OK(err)
	simtest.Control(t, "fail CPU_PREP nth=1 errno=12") // a kernel that cannot say
	within(t, "freeing busy buffers", func() {
		g.R.Detach(1, 5)
		g.R.Unref(6)
		g.R.Detach(1, 7)
	})
	g.R.Unref(8) // idle, but it came later
	if n := simtest.Counters().Handles; n != 3 {
		t.Errorf("%d handles with three busy", n)
	}
	// One of them comes back before it is closed.
	g.OK(g.R.ImportBlob(9, wire.BlobMemHost3D, wire.FdDmabuf, fd.Num(), 0x1000))
	fd.Take()
	g.R.Attach(1, 9)
	g.OK(g.R.CreateFence(1, 1, 1))
	simtest.Control(t, "unhang")
	simtest.Retired(t, 1)
	g.Alloc(10, 0x1000, 0)
	if n := simtest.Counters().Handles; n != 2 {
		t.Errorf("%d handles when all are idle, want those of resources 9 and 10", n)
	}
	g.Ret(g.Ask(8, 5, 9, 1), 0)
	if err := g.Blob(5, 5, 0x1000, 0); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a detached resource keeps its id: %v", err)
	}
}

// Nor may the end of a context wait, whoever knows of its jobs.
func TestBusyContextsEnd(t *testing.T) {
	r, l := driver.NewRenderer(t)
	fenced, unfenced, stray := driver.AddGuest(t, r, l, 1), driver.AddGuest(t, r, l, 2), driver.AddGuest(t, r, l, 3)
	simtest.Control(t, "close_waits")
	simtest.Control(t, "hang")
	for _, g := range []*contract.Guest{fenced, unfenced, stray} {
		g.Alloc(10+g.Ctx, 0x1000, wire.BlobShareable)
		q := uint32(0)
		if g != stray {
			q = g.Queue(2)
		}
		if g == fenced {
			g.Submit(q, 1, 10+g.Ctx)
		} else {
			g.Submit(q, 1) // no busy buffer tells of it
		}
	}
	fenced.OK(r.CreateFence(1, 2, 1))
	idle := driver.AddGuest(t, r, l, 4) // but it shares a buffer with a busy one
	fd, _, err := r.Export(11)
	idle.OK(err)
	idle.OK(r.ImportBlob(20, wire.BlobMemHost3D, wire.FdDmabuf, fd.Num(), 0x1000))
	fd.Take()
	r.Attach(4, 20)
	r.Attach(4, 11)
	within(t, "Detach", func() { r.Detach(4, 11) })
	for _, g := range []*contract.Guest{idle, fenced, unfenced, stray} {
		within(t, "DestroyContext", func() { r.DestroyContext(g.Ctx) })
	}
	simtest.Retired(t, 1)
	simtest.Control(t, "unhang")
}

// A buffer that was busy when it was freed, and is idle when it comes back, has
// a live handle again.
func TestFreedBufferComesBack(t *testing.T) {
	g := driver.NewGuest(t)
	q := g.Queue(1)
	g.Alloc(5, 0x1000, wire.BlobShareable)
	simtest.Control(t, "hang")
	g.Submit(q, 1, 5)
	g.R.Detach(1, 5)
	g.OK(g.R.CreateFence(1, 1, 1))
	simtest.Control(t, "unhang")
	simtest.Retired(t, 1)
	g.R.Attach(1, 5)
	if n := simtest.Counters().Handles; n != 1 {
		t.Errorf("%d handles, want 1", n)
	}
	g.Ret(g.Ask(8, 5, 5, 1), 0)
}

// The address of one may be used as soon as it is idle.
func TestAddressOfFreedBuffer(t *testing.T) {
	g := driver.NewGuest(t)
	q := g.Queue(1)
	g.Alloc(5, 0x1000, 0)
	simtest.Control(t, "hang")
	g.Submit(q, 1, 5)
	g.R.Unref(5)
	g.OK(g.R.CreateFence(1, 1, 1))
	simtest.Control(t, "unhang")
	simtest.Retired(t, 1)
	lo, hi := iova(5)
	g.Must(3, 0, lo, hi, 0x1000, 0, boWC, 7)
	if g.AsyncErrors() != 0 {
		t.Errorf("counted: %q", g.Log.Lines)
	}
}

// Also for an import, whose address comes in a message of its own.
func TestAddressOfFreedBufferForImport(t *testing.T) {
	g := driver.NewGuest(t)
	other := driver.AddGuest(t, g.R, g.Log, 2)
	other.Alloc(50, 0x1000, wire.BlobShareable)
	q := g.Queue(1)
	g.Alloc(5, 0x1000, 0)
	simtest.Control(t, "hang")
	g.Submit(q, 1, 5)
	g.R.Unref(5)
	g.OK(g.R.CreateFence(1, 1, 1))
	simtest.Control(t, "unhang")
	simtest.Retired(t, 1)
	g.R.Attach(1, 50)
	lo, hi := iova(5)
	g.Must(4, 0, lo, hi, 50)
	if g.AsyncErrors() != 0 {
		t.Errorf("counted: %q", g.Log.Lines)
	}
}

// Whatever else was freed before it.
func TestAddressBehindBusyBuffers(t *testing.T) {
	g := driver.NewGuest(t)
	other := driver.AddGuest(t, g.R, g.Log, 2)
	busy := []uint32{50, 51, 52}
	for _, res := range busy {
		other.Alloc(res, 0x1000, wire.BlobShareable)
		g.R.Attach(1, res)
	}
	q, theirs := g.Queue(1), other.Queue(2)
	g.Alloc(5, 0x1000, 0)
	simtest.Control(t, "hang ring=1")
	simtest.Control(t, "gpu_us 3000")
	other.Submit(theirs, 1, busy...)
	g.Submit(q, 1, 5)
	for _, res := range busy {
		g.R.Detach(1, res)
	}
	g.R.Unref(5)
	if n := simtest.Counters().Handles; n != 7 {
		t.Fatalf("%d handles: the job is too short for this", n)
	}
	g.OK(g.R.CreateFence(1, 1, 1))
	simtest.Retired(t, 1)
	lo, hi := iova(5)
	g.Must(3, 0, lo, hi, 0x1000, 0, boWC, 7)
	if g.AsyncErrors() != 0 {
		t.Errorf("counted: %q", g.Log.Lines)
	}
	simtest.Control(t, "unhang")
}

// A buffer that others keep busy does not keep those that were freed after it.
func TestBusyBufferHoldsUpNoOther(t *testing.T) {
	g := driver.NewGuest(t)
	other := driver.AddGuest(t, g.R, g.Log, 2)
	other.Alloc(50, 0x1000, wire.BlobShareable)
	g.R.Attach(1, 50)
	q, theirs := g.Queue(1), other.Queue(2)
	simtest.Control(t, "hang ring=1")
	simtest.Control(t, "gpu_us 3000")
	other.Submit(theirs, 1, 50)
	g.R.Detach(1, 50)
	was := simtest.Counters().Handles
	for i := range uint32(10) {
		g.Alloc(100+i, 0x1000, 0)
		g.Submit(q, 1+i, 100+i)
		g.R.Unref(100 + i)
	}
	if n := simtest.Counters().Handles; n < was+8 {
		t.Fatalf("%d handles, %d before: the jobs are too short for this", n, was)
	}
	g.OK(g.R.CreateFence(1, 1, 1))
	simtest.Control(t, "gpu_us 0")
	simtest.Retired(t, 1)
	for i := range uint32(3) {
		g.Alloc(200+i, 0x1000, 0)
		g.R.Unref(200 + i)
	}
	if n := simtest.Counters().Handles; n != was {
		t.Errorf("%d handles, %d before", n, was)
	}
	simtest.Control(t, "unhang")
}

// While a buffer is mapped its file lives on: what is busy is closed before, so
// that whoever unmaps does not wait for the GPU.
func TestEndOfContextClosesBusyBuffers(t *testing.T) {
	g := driver.NewGuest(t)
	q := g.Queue(1)
	g.Alloc(5, 0x1000, wire.BlobMappable)
	g.Alloc(6, 0x1000, 0)
	_, _, err := g.R.Map(5)
	g.OK(err)
	simtest.Control(t, "hang")
	g.Submit(q, 1, 6)
	closes := simtest.Calls(t, "GEM_CLOSE")
	g.R.DestroyContext(1)
	for deadline := time.Now().Add(2 * time.Second); simtest.Calls(t, "GEM_CLOSE")-closes < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a busy buffer is left to the end of the file")
		}
	}
	simtest.Control(t, "unhang")
}

// Each close that waits has a thread in the kernel.
func TestBusyContextsTakeFewThreads(t *testing.T) {
	r, l := driver.NewRenderer(t)
	threads := func() int {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		return len(tasks)
	}
	simtest.Control(t, "close_waits")
	simtest.Control(t, "hang")
	before := threads()
	const n = 200
	for range n {
		g := driver.AddGuest(t, r, l, 2)
		g.Alloc(10, 0x1000, 0)
		g.Submit(g.Queue(1), 1, 10)
		r.Unref(g.Shm)
		r.DestroyContext(2)
		r.Unref(10)
	}
	time.Sleep(100 * time.Millisecond)
	if now := threads(); now > before+n/4 {
		t.Errorf("%d threads for %d contexts, %d before", now, n, before)
	}
	simtest.Control(t, "unhang")
}

// within fails the test when f waits for the hung GPU, and ends the hang.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		f()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
		t.Errorf("%s waits for the GPU", what)
		simtest.Control(t, "unhang")
		<-done
	}
}
