package asahi_test

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

// still fails if a fence retires while the GPU hangs.
func still(t *testing.T, want int) {
	t.Helper()
	time.Sleep(10 * time.Millisecond)
	if got := simtest.Retired(t, 0); len(got) != want {
		t.Fatalf("retired %v", got)
	}
}

func TestSubmitIsChecked(t *testing.T) {
	g := driver.NewGuest(t)
	q := g.Queue(1)
	calls := simtest.Calls(t, "SUBMIT")
	for _, body := range [][]uint32{
		nil, {0, q, 0}, // cut
		{0, q, 1, 0}, {0, q, 0, 1, 5}, {0, q, 8, 1, 5, 3}, // payload that is not there
		{0, q, 0xffffffff, 0}, {0, q, 0, 0xffffffff}, {0, q, 0, 0x20000000}, {0, q, 0xfffffff8, 1, 0, 0},
		{0, q, 0xffffffff, 0xffffffff},
	} {
		if err := g.Send(6, 0, body...); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%x: %v", body, err)
		}
	}
	if g.AsyncErrors() != 0 || simtest.Calls(t, "SUBMIT") != calls {
		t.Errorf("malformed messages: %d counted, or the kernel was asked", g.AsyncErrors())
	}
	for i, body := range [][]uint32{
		{1, q, 16, 0, 0x00080001, 0x0000ffff, 0, 0}, // unknown flags
		{0, q, 0, 0},                            // no commands
		{0, q, 8, 0, 0x00080001, 0x0000ffff},    // a command cut short
		{0, q, 16, 0, 0x00080009, 0xffff, 0, 0}, // an unknown one
	} {
		g.Must(6, 0, body...)
		if n := g.AsyncErrors(); n != uint32(i)+1 {
			t.Errorf("%x: %d counted: %q", body, n, g.Log.Lines)
		}
	}
}

// The commands arrive as they were sent, whatever their length, and the shared
// buffers behind them.
func TestSubmitUnaligned(t *testing.T) {
	g := driver.NewGuest(t)
	g.Alloc(5, page, wire.BlobShareable)
	q := g.Queue(1)
	for size := uint32(8); size < 16; size++ { // of the payload, zero behind what the kernel knows
		words := make([]uint32, 4+(8+size+8+3)/4)
		words[1], words[2], words[3] = q, 8+size, 1
		words[4], words[5] = size<<16|1, 0xffff
		b := g.Message(6, 0, words...)
		b[32+8+size], b[32+8+size+4] = 5, readWrite
		calls := simtest.Calls(t, "IMPORT_SYNC_FILE")
		g.OK(g.R.Submit(1, b))
		if simtest.Calls(t, "IMPORT_SYNC_FILE") != calls+1 {
			t.Errorf("buffer behind %d bytes of commands was not found", 8+size)
		}
	}
	if g.AsyncErrors() != 0 {
		t.Errorf("counted: %q", g.Log.Lines)
	}
}

// Nobody but us orders jobs on buffers that processes share.
func TestSharedBuffersOrderJobs(t *testing.T) {
	g := driver.NewGuest(t)
	other := driver.AddGuest(t, g.R, g.Log, 2)
	g.Alloc(5, page, wire.BlobShareable|wire.BlobMappable)
	g.Alloc(6, page, wire.BlobMappable) // nobody else's
	g.R.Attach(2, 5)
	writes, reads := g.Queue(1), other.Queue(2)
	simtest.Control(t, "hang ring=0")
	simtest.Control(t, "record")
	exports := simtest.Calls(t, "PRIME_HANDLE_TO_FD")
	g.Submit(writes, 1, 5, 6, 99)
	if n := simtest.Calls(t, "PRIME_HANDLE_TO_FD") - exports; n != 1 {
		t.Errorf("%d buffers of three exported, one is shared", n)
	}
	type syncFile struct {
		Flags uint32 // whom a job waits for, or who waits for it: readers 1, writers 2
		Fd    int32
	}
	waits, tells := simtest.Last[syncFile](t, "EXPORT_SYNC_FILE"), simtest.Last[syncFile](t, "IMPORT_SYNC_FILE")
	if waits.Flags != 3 || tells.Flags != 2 {
		t.Errorf("the job waits with flags %d and is a user with flags %d", waits.Flags, tells.Flags)
	}
	g.OK(g.R.CreateFence(1, 1, 1))
	other.Must(6, 0, append(jobWords(reads, 5)[:9], 2)...) // only writes: waits for nobody
	g.OK(g.R.CreateFence(2, 2, 2))
	simtest.Retired(t, 1)
	writers := simtest.Calls(t, "IMPORT_SYNC_FILE")
	g.Must(6, 0, append(jobWords(writes, 5)[:9], 1)...)
	if simtest.Calls(t, "IMPORT_SYNC_FILE") != writers {
		t.Error("who only reads keeps others waiting")
	}
	g.Submit(writes, 2, 5)
	other.Submit(reads, 2, 5)
	g.OK(g.R.CreateFence(2, 2, 3))
	still(t, 1)
	simtest.Control(t, "unhang")
	simtest.Retired(t, 3)
	// Each keeps its descriptor of the buffer, and its two syncobjs.
	exports = simtest.Calls(t, "PRIME_HANDLE_TO_FD")
	syncobjs := simtest.Calls(t, "SYNCOBJ_CREATE")
	for i := range uint32(10) {
		g.Submit(writes, i+2, 5)
		other.Submit(reads, i+2, 5)
	}
	if simtest.Calls(t, "PRIME_HANDLE_TO_FD") != exports || simtest.Calls(t, "SYNCOBJ_CREATE") != syncobjs {
		t.Error("exported again, or more syncobjs")
	}
	if n := g.AsyncErrors() + other.AsyncErrors(); n != 0 {
		t.Errorf("%d counted: %q", n, g.Log.Lines)
	}
}

// One failure at each request of a submission: the job is lost or goes on, and
// what counts is counted. Nothing may leak.
func TestSubmitFailures(t *testing.T) {
	for _, c := range []struct {
		fail          string
		errs, submits uint32
		fence         bool // the job has one that is waited for
	}{
		{"SYNCOBJ_CREATE nth=1", 1, 0, false},
		{"SYNCOBJ_CREATE nth=2", 1, 0, false},
		{"SYNCOBJ_FD_TO_HANDLE nth=1", 1, 0, false},
		{"SUBMIT nth=1", 1, 1, false},
		{"SYNCOBJ_HANDLE_TO_FD nth=1", 1, 1, false},
		{"PRIME_HANDLE_TO_FD nth=1", 0, 1, true},
		{"EXPORT_SYNC_FILE nth=1", 0, 1, true},
		{"MERGE nth=1", 0, 1, true},
		{"IMPORT_SYNC_FILE nth=1", 0, 1, true},
	} {
		t.Run(c.fail, func(t *testing.T) {
			g := driver.NewGuest(t)
			other := driver.AddGuest(t, g.R, g.Log, 2)
			g.Alloc(5, page, wire.BlobMappable|wire.BlobShareable)
			g.Alloc(6, page, wire.BlobMappable|wire.BlobShareable)
			q, qo := g.Queue(1), other.Queue(2)
			other.Submit(qo, 1)
			g.OK(g.R.CreateFence(2, 2, 1))
			simtest.Control(t, "hang ring=1")
			other.Submit(qo, 2)
			g.OK(g.R.CreateFence(2, 2, 2))
			g.WaitFor(2)
			simtest.Control(t, "fail "+c.fail+" errno=24")
			submits := simtest.Calls(t, "SUBMIT")
			g.Submit(q, 1, 5, 6)
			if n := g.AsyncErrors(); n != c.errs {
				t.Errorf("%d counted, want %d: %q", n, c.errs, g.Log.Lines)
			}
			if n := simtest.Calls(t, "SUBMIT") - submits; n != uint64(c.submits) {
				t.Errorf("the kernel was given %d jobs", n)
			}
			g.OK(g.R.CreateFence(1, 1, 3))
			if c.fence {
				still(t, 1) // the in-fence counts, whatever failed
			} else {
				simtest.Retired(t, 2)
			}
			simtest.Control(t, "unhang")
			simtest.Retired(t, 3)
			g.Submit(q, 2, 5, 6) // as if nothing had been
			if n := g.AsyncErrors(); n != c.errs {
				t.Errorf("%d counted after a good one: %q", n, g.Log.Lines)
			}
		})
	}
}

// ends destroys the context and fails the test when that waits for the hung GPU.
func ends(t *testing.T, g *contract.Guest) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		g.R.DestroyContext(g.Ctx)
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
		t.Error("DestroyContext waits for the GPU")
	}
	simtest.Control(t, "unhang")
	<-done
}

// The end of a context does not wait for a job whose fence could not be had.
func TestBusyContextEnds(t *testing.T) {
	for _, kind := range []string{"SYNCOBJ_HANDLE_TO_FD", "MERGE"} {
		t.Run(kind, func(t *testing.T) {
			g := driver.NewGuest(t)
			vm := openVM(g)
			first, second := openQueue(g, vm, 1), openQueue(g, vm, 1)
			simtest.Control(t, "close_waits")
			if kind == "MERGE" {
				g.Submit(first, 1) // done: a fence of it tells nothing
			}
			simtest.Control(t, "hang")
			simtest.Control(t, "fail "+kind+" nth=1 errno=24")
			g.Submit(second, 1)
			if g.AsyncErrors() != 1 {
				t.Errorf("%d counted", g.AsyncErrors())
			}
			g.OK(g.R.CreateFence(1, 1, 1))
			ends(t, g)
		})
	}
}

// A fence that cannot be made leaves the job's to the next one of its ring.
func TestRefusedFence(t *testing.T) {
	g := driver.NewGuest(t)
	q := g.Queue(1)
	simtest.Control(t, "close_waits")
	simtest.Control(t, "hang")
	g.Submit(q, 1)
	var was syscall.Rlimit
	g.OK(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was))
	f, err := os.Open("/dev/null")
	g.OK(err)
	none := was
	none.Cur = uint64(f.Fd()) // the lowest free one: the waiter cannot start
	f.Close()
	g.OK(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none))
	err = g.R.CreateFence(1, 1, 1)
	g.OK(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was))
	if !errors.Is(err, syscall.ENOMEM) {
		t.Errorf("without a descriptor: %v", err)
	}
	g.OK(g.R.CreateFence(1, 1, 2))
	still(t, 0)
	ends(t, g)
	simtest.Retired(t, 1)
}

// Queues of one priority run in any order: a fence of their ring waits for all.
func TestFenceWaitsForEveryQueue(t *testing.T) {
	g := driver.NewGuest(t)
	other := driver.AddGuest(t, g.R, g.Log, 2)
	vm := openVM(g)
	first, second, qo := openQueue(g, vm, 1), openQueue(g, vm, 1), other.Queue(2)
	simtest.Control(t, "hang ring=1")
	other.Submit(qo, 1)
	g.OK(g.R.CreateFence(2, 2, 1))
	g.OK(g.R.SubmitAfter(1, g.JobMessage(first, 1), []uint64{1})) // hangs
	g.Submit(second, 1)                                           // does not
	g.OK(g.R.CreateFence(1, 1, 2))
	still(t, 0)
	simtest.Control(t, "unhang")
	simtest.Retired(t, 2)

	// Without a descriptor to merge them the job is counted as lost.
	simtest.Control(t, "hang")
	g.Submit(first, 2)
	simtest.Control(t, "fail MERGE nth=1 errno=24")
	g.Submit(second, 2)
	if n := g.AsyncErrors(); n != 1 {
		t.Errorf("%d counted", n)
	}
	g.OK(g.R.CreateFence(1, 1, 3))
	still(t, 2)
	simtest.Control(t, "unhang")
	simtest.Retired(t, 3)
}

// Some guests ask for the fences of all queues on ring 1.
func TestFenceOnAnotherRing(t *testing.T) {
	g := driver.NewGuest(t)
	medium, low := g.Queue(2), g.Queue(1)
	simtest.Control(t, "hang ring=1")
	g.Submit(medium, 1)
	g.OK(g.R.CreateFence(1, 1, 1)) // ring 1 has nothing of its own
	g.OK(g.R.CreateFence(1, 0, 2)) // ring 0 is the host's
	still(t, 1)
	g.Submit(low, 1)
	g.Submit(medium, 2)
	g.OK(g.R.CreateFence(1, 2, 3))
	simtest.Control(t, "unhang")
	simtest.Retired(t, 3)
	simtest.Control(t, "hang ring=1")
	g.Submit(low, 2)
	g.Submit(medium, 3)
	g.OK(g.R.CreateFence(1, 1, 4)) // now it has
	simtest.Retired(t, 4)
	g.OK(g.R.CreateFence(1, 2, 5))
	still(t, 4)
	simtest.Control(t, "unhang")
	simtest.Retired(t, 5)
	if g.AsyncErrors() != 0 {
		t.Errorf("counted: %q", g.Log.Lines)
	}
}

// A failed job of the GPU signals its fence like any other.
func TestGPUError(t *testing.T) {
	g := driver.NewGuest(t)
	q := g.Queue(1)
	simtest.Control(t, "gpu_error errno=5")
	g.Submit(q, 1)
	g.OK(g.R.CreateFence(1, 1, 1))
	simtest.Retired(t, 1)
	if g.AsyncErrors() != 0 || g.Word(12) != 0 {
		t.Errorf("counted %d and %d", g.AsyncErrors(), g.Word(12))
	}
}

// What is bound on the way through us is what the GPU finds.
func TestJobsFindWhatIsBound(t *testing.T) {
	g := driver.NewGuest(t)
	vm := openVM(g)
	q := openQueue(g, vm, 1)
	run := func(stream uint32) {
		t.Helper()
		w := make([]uint32, 4+2+64/4)
		w[1], w[2] = q, 8+64
		w[4], w[5] = 64<<16|1, 0xffff
		w[8], w[9] = stream, 0x12
		g.Must(6, 0, w...)
		g.OK(g.R.CreateFence(1, 1, uint64(g.Seqno)))
	}
	failed := func(want uint64) {
		t.Helper()
		if n := simtest.JobsFailed(t); n != want {
			t.Errorf("%d jobs failed, want %d", n, want)
		}
	}
	was := simtest.JobsFailed(t)
	g.Must(4, 0, 0, 6, vm, 5, page, 0, 0x10000, 0x12)
	g.OK(g.Blob(5, 5, page, 1))
	run(0x10000)
	simtest.Retired(t, 1)
	failed(was)
	g.R.Detach(1, 5)
	run(0x10000)
	simtest.Retired(t, 2)
	failed(was + 1)
}
