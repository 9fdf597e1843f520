package msm_test

import (
	"bytes"
	"os"
	"runtime"
	"testing"
	"time"

	"virgldrm/internal/simtest"
	"virgldrm/wire"
)

// The cost of an operation must not grow with the number of live buffers. Times
// on a busy machine prove little, so only a growth with the square would fail.
func TestManyBuffers(t *testing.T) {
	g := driver.NewGuest(t)
	const n = 100_000
	var times [2]time.Duration
	for half := range times {
		start := time.Now()
		for i := range uint32(n / 2) {
			id := uint32(half)*n/2 + i + 2000
			g.Must(3, 0, id<<12, id>>20+1, 0x1000, 0, boWC, id)
			g.OK(g.Blob(id, uint64(id), 0x1000, wire.BlobMappable))
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
	g.Submit(g.Queue(1), 1, res...)
	if g.AsyncErrors() != 0 {
		t.Fatalf("4096 buffers in a submission: %v", g.Log.Lines)
	}
	if c := simtest.Counters(); c.BOs != n {
		t.Errorf("%d buffers live", c.BOs)
	}
}

// What a guest can do for ever must leave nothing behind, in memory or the log.
func TestContextsComeAndGo(t *testing.T) {
	g := driver.NewGuest(t)
	g.Alloc(5, 0x1000, wire.BlobShareable)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	lines, before := len(g.Log.Lines), int64(0)
	const n = 20_000
	for i := range uint32(n) {
		if i == n/10 {
			before = heap()
		}
		id := 1<<20 + i
		g.OK(g.R.CreateContext(id, wire.CapsetDRM, ""))
		g.R.Attach(id, 5)
		if g.R.Submit(id, make([]byte, 16)) == nil {
			t.Fatal("garbage passes")
		}
		if i%2 == 0 {
			g.R.Detach(id, 5)
		}
		g.R.DestroyContext(id)
	}
	if grown := heap() - before; grown > 100_000 {
		t.Errorf("the heap grew by %d bytes in %d contexts", grown, n)
	}
	if lines = len(g.Log.Lines) - lines; lines > 3000 {
		t.Errorf("%d lines", lines)
	}
}

// A process has only so many mappings, and its runtime needs some.
func TestUploadsKeepFewMappings(t *testing.T) {
	g := driver.NewGuest(t)
	for i := range uint32(50) {
		g.Alloc(5+i, 0x1000, 0)
		g.Must(8, 0, 5+i, 0, 0, 4, 7+i)
		g.Must(8, 0, 5, 0, 4, 4, i) // the first again
	}
	maps, err := os.ReadFile("/proc/self/maps")
	g.OK(err)
	if n := bytes.Count(maps, []byte("drmsim-bo")); n > 10 {
		t.Errorf("%d buffers are mapped", n)
	}
}

func TestLargeMessages(t *testing.T) {
	g := driver.NewGuest(t)
	g.Alloc(5, 1<<20, 0)
	words := make([]uint32, 4+1<<18)
	words[0], words[3] = 5, 1<<20
	words[4], words[len(words)-1] = 0x11111111, 0x22222222
	g.Must(8, 0, words...) // an upload of 1 MiB
}
