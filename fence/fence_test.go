package fence_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"virgldrm/drm"
	"virgldrm/fence"
	"virgldrm/internal/simtest"
)

func TestMain(m *testing.M) { simtest.Main(m) }

// job is a sync_file stand-in: an eventfd, readable once signalled.
type job struct{ fd int }

func newJob(t *testing.T) job {
	t.Helper()
	fd, _, e := syscall.RawSyscall(syscall.SYS_EVENTFD2, 0, syscall.O_CLOEXEC, 0)
	if e != 0 {
		t.Fatal(e)
	}
	j := job{int(fd)}
	t.Cleanup(func() { syscall.Close(j.fd) })
	return j
}

// file returns a descriptor of the job for the hub to own.
func (j job) file(t *testing.T) drm.FD {
	t.Helper()
	own := drm.NewFD(j.fd)
	fd, err := own.Dup()
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func (j job) finish(t *testing.T) {
	t.Helper()
	if _, err := syscall.Write(j.fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
}

func newHub(t *testing.T) *fence.Hub {
	t.Helper()
	h, err := fence.NewHub(simtest.Callbacks())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func newContext(t *testing.T, h *fence.Hub, id, rings uint32) *fence.Context {
	t.Helper()
	c, err := h.NewContext(id, rings)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func add(t *testing.T, c *fence.Context, ring uint32, id uint64, fd drm.FD) {
	t.Helper()
	if listed, err := c.Add(ring, id, fd); err != nil || !listed {
		t.Fatalf("fence %d: listed %v, %v", id, listed, err)
	}
}

func done(ctx, ring uint32, id uint64) simtest.Fence {
	return simtest.Fence{Ctx: ctx, Ring: ring, ID: id}
}

func expect(t *testing.T, want ...simtest.Fence) {
	t.Helper()
	got := simtest.Retired(t, len(want))
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("retired %v, want %v", got, want)
	}
}

func TestRing0RetiresInsideTheCall(t *testing.T) {
	h := newHub(t)
	defer h.Close()
	c := newContext(t, h, 7, 3)
	defer c.Destroy()
	add(t, c, 0, 1, drm.FD{})
	expect(t, done(7, 0, 1))
}

func TestSignalledJobRetiresInsideTheCall(t *testing.T) {
	h := newHub(t)
	defer h.Close()
	c := newContext(t, h, 7, 3)
	defer c.Destroy()
	j := newJob(t)
	j.finish(t)
	add(t, c, 2, 1, j.file(t))
	expect(t, done(7, 2, 1))
}

func TestOrderWithinARing(t *testing.T) {
	h := newHub(t)
	defer h.Close()
	c := newContext(t, h, 7, 3)
	defer c.Destroy()
	a, b := newJob(t), newJob(t)
	add(t, c, 1, 1, a.file(t))
	add(t, c, 1, 2, drm.FD{}) // nothing submitted: behind 1
	add(t, c, 1, 3, b.file(t))
	add(t, c, 1, 4, drm.FD{})
	add(t, c, 3, 5, drm.FD{}) // another ring: at once
	b.finish(t)
	time.Sleep(20 * time.Millisecond) // 3 must not overtake
	expect(t, done(7, 3, 5))
	a.finish(t)
	expect(t, done(7, 3, 5), done(7, 1, 1), done(7, 1, 2), done(7, 1, 3), done(7, 1, 4))
}

func TestDestroyReportsEverythingOnce(t *testing.T) {
	h := newHub(t)
	defer h.Close()
	c, other := newContext(t, h, 7, 2), newContext(t, h, 8, 2)
	var want []simtest.Fence
	for i := range uint64(100) {
		ring := uint32(1 + i/50)
		add(t, c, ring, i, newJob(t).file(t))
		want = append(want, done(7, ring, i))
	}
	stuck := newJob(t)
	add(t, other, 1, 1000, stuck.file(t))
	start := time.Now()
	c.Destroy()
	if d := time.Since(start); d > time.Second {
		t.Errorf("destroy took %v with the GPU busy", d)
	}
	expect(t, want...)
	if _, err := c.Add(1, 2000, drm.FD{}); !errors.Is(err, syscall.EINVAL) {
		t.Fatalf("a destroyed context takes fences: %v", err)
	}
	stuck.finish(t)
	expect(t, append(want, done(8, 1, 1000))...)
	other.Destroy()
}

// As a guest leaves it that is killed on a hung GPU: 12 rings, 8,192 fences.
func TestDestroyWithManyFencesInFlight(t *testing.T) {
	h := newHub(t)
	defer h.Close()
	const rings, fences = 12, 8192
	c := newContext(t, h, 7, rings)
	never := newJob(t)
	for id := range uint64(fences) {
		add(t, c, uint32(1+id%rings), id, never.file(t))
	}
	start := time.Now()
	c.Destroy()
	t.Logf("destroyed in %v", time.Since(start))
	last := map[uint32]uint64{}
	got := simtest.Retired(t, fences)
	for _, f := range got {
		if was, ok := last[f.Ring]; ok && f.ID != was+rings {
			t.Fatalf("ring %d: %d after %d", f.Ring, f.ID, was)
		}
		last[f.Ring] = f.ID
	}
	if len(got) != fences {
		t.Fatalf("%d retired of %d", len(got), fences)
	}
}

func TestBadRing(t *testing.T) {
	h := newHub(t)
	defer h.Close()
	c := newContext(t, h, 7, 3)
	defer c.Destroy()
	fd := newJob(t).file(t)
	defer fd.Close() // of no ring there is: it stays ours
	if _, err := c.Add(4, 1, fd); !errors.Is(err, syscall.EINVAL) {
		t.Fatalf("%v", err)
	}
	if _, err := h.NewContext(9, 64); !errors.Is(err, syscall.EINVAL) {
		t.Fatalf("64 GPU rings: %v", err)
	}
	expect(t)
}

func TestExport(t *testing.T) {
	h := newHub(t)
	defer h.Close()
	c := newContext(t, h, 7, 3)
	defer c.Destroy()
	if _, err := h.Signalled(); !errors.Is(err, syscall.ENOENT) {
		t.Fatalf("a signalled fence out of nothing: %v", err)
	}
	j := newJob(t)
	add(t, c, 1, 11, j.file(t))
	fd, err := h.Export(11)
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	if ready(t, fd.Num()) {
		t.Fatal("exported fence has signalled already")
	}
	again := newJob(t)
	if listed, err := c.Add(2, 11, again.file(t)); err != nil || listed {
		t.Fatalf("second fence with a pending id: listed %v, %v", listed, err)
	}
	j.finish(t)
	expect(t, done(7, 1, 11))
	if !ready(t, fd.Num()) {
		t.Fatal("exported fence does not follow")
	}
	if _, err := h.Export(11); !errors.Is(err, syscall.ENOENT) {
		t.Fatalf("a retired fence is still listed: %v", err)
	}
	last, err := h.Signalled()
	if err != nil || !ready(t, last.Num()) {
		t.Fatalf("no signalled fence to hand out: %v", err)
	}
	last.Close()
	again.finish(t)
	expect(t, done(7, 1, 11), done(7, 2, 11))
}

func ready(t *testing.T, fd int) bool {
	t.Helper()
	var set syscall.FdSet
	set.Bits[fd/64] = 1 << (fd % 64)
	n, err := syscall.Select(fd+1, &set, nil, nil, &syscall.Timeval{})
	if err != nil {
		t.Fatal(err)
	}
	return n == 1
}

// While the embedder is slow with one context, another thread serves the others.
// Both signal at once while the first waiter is in a sleep that it began alone: it
// wakes up with all there is, and must not keep it.
func TestSlowCallbackWhenAllSignalAtOnce(t *testing.T) {
	defer simtest.Hold(0)
	for range 50 {
		h := newHub(t)
		slow, quick := newContext(t, h, 7, 2), newContext(t, h, 8, 2)
		a, b := newJob(t), newJob(t)
		simtest.Hold(7)
		add(t, slow, 1, 1, a.file(t))
		add(t, quick, 1, 2, b.file(t))
		a.finish(t)
		b.finish(t)
		expect(t, done(8, 1, 2))
		simtest.Hold(0)
		expect(t, done(8, 1, 2), done(7, 1, 1))
		slow.Destroy()
		quick.Destroy()
		h.Close()
	}
}

func TestSlowCallbackDelaysItsContextOnly(t *testing.T) {
	h := newHub(t)
	defer h.Close()
	slow, quick := newContext(t, h, 7, 2), newContext(t, h, 8, 2)
	defer slow.Destroy()
	defer quick.Destroy()
	simtest.Hold(7)
	defer simtest.Hold(0)
	a, b, c := newJob(t), newJob(t), newJob(t)
	add(t, slow, 1, 1, a.file(t))
	add(t, quick, 1, 2, b.file(t))
	a.finish(t)
	time.Sleep(20 * time.Millisecond) // the waiter is in the slow callback now
	add(t, slow, 1, 3, c.file(t))
	c.finish(t)
	b.finish(t)
	expect(t, done(8, 1, 2))
	simtest.Hold(0)
	expect(t, done(8, 1, 2), done(7, 1, 1), done(7, 1, 3))
}

// Many contexts, rings and jobs that finish in any order, some contexts
// destroyed under way: each fence exactly once, each ring in order.
func TestStorm(t *testing.T) {
	h := newHub(t)
	defer h.Close()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	const contexts, rings, fences = 8, 3, 400
	var c [contexts]*fence.Context
	for i := range c {
		c[i] = newContext(t, h, uint32(i+1), rings)
	}
	jobs := make(chan job, fences)
	stop := make(chan struct{})
	go func() {
		for j := range jobs {
			if j.fd%3 == 0 {
				time.Sleep(50 * time.Microsecond)
			}
			j.finish(t)
		}
		close(stop)
	}()
	ids := map[[2]uint32][]uint64{}
	for id := range uint64(fences) {
		ctx, ring := rnd.IntN(contexts), uint32(rnd.IntN(rings+1))
		if id == fences/2 {
			c[0].Destroy()
		}
		if ctx == 0 && id >= fences/2 {
			ctx = 1
		}
		var fd drm.FD
		if ring > 0 && rnd.IntN(4) > 0 {
			j := newJob(t)
			fd = j.file(t)
			jobs <- j
		}
		add(t, c[ctx], ring, id, fd)
		key := [2]uint32{uint32(ctx + 1), ring}
		ids[key] = append(ids[key], id)
	}
	close(jobs)
	<-stop
	got := map[[2]uint32][]uint64{}
	for _, f := range simtest.Retired(t, fences) {
		key := [2]uint32{f.Ctx, f.Ring}
		got[key] = append(got[key], f.ID)
	}
	for key, want := range ids {
		if fmt.Sprint(got[key]) != fmt.Sprint(want) {
			t.Errorf("ctx %d ring %d: retired %v, want %v", key[0], key[1], got[key], want)
		}
	}
	for i := range c {
		c[i].Destroy() // also the second time for c[0]
	}
	if n := len(simtest.Retired(t, fences)); n != fences {
		t.Errorf("%d retirements of %d fences", n, fences)
	}
}

// A fence per round, retired by the waiter or inside the call.
func TestNoAllocations(t *testing.T) {
	h := newHub(t)
	defer h.Close()
	c := newContext(t, h, 1, 1)
	defer c.Destroy()
	j := newJob(t)
	j.finish(t)
	id := uint64(0)
	if n := testing.AllocsPerRun(100, func() {
		id++
		fd := j.file(t)
		c.Add(1, id, fd)
		c.Add(0, id, drm.FD{})
	}); n != 0 {
		t.Fatalf("%v allocations per fence", n)
	}
}

// Slots of contexts are used again, more often than their generation counts.
func TestContextsComeAndGo(t *testing.T) {
	h := newHub(t)
	defer h.Close()
	keep := newContext(t, h, 1, 1)
	defer keep.Destroy()
	for range 1<<16 + 10 {
		c := newContext(t, h, 2, 1)
		c.Destroy()
	}
	add(t, keep, 1, 1, drm.FD{})
	expect(t, done(1, 1, 1))
}
