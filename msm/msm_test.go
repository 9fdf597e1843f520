package msm_test

import (
	"bytes"
	"errors"
	"strings"
	"syscall"
	"testing"

	"virgldrm/core"
	"virgldrm/internal/contract"
	"virgldrm/internal/simtest"
	"virgldrm/wire"
)

// The capset that a real guest was given on an Adreno 660.
func TestCapset(t *testing.T) {
	r, _ := driver.NewRenderer(t)
	want := contract.Unhex(t, "02000000 01000000 0d000000 00000000 01000000 00000000"+
		"01000000 03000000 0000000001000000 000000000f000000 94020000 00001000 0000100000000000 0100060600000000"+
		"0046c323 0f000000 0600000000000000 0100000000000000 01000000 01000000 00f0ffffffff0100")
	got := make([]byte, wire.CapsetSize)
	r.Capset(got)
	if !bytes.Equal(got[:len(want)], want) {
		t.Errorf("capset\n%x, want\n%x", got[:len(want)], want)
	}
	if !bytes.Equal(got[len(want):], make([]byte, len(got)-len(want))) {
		t.Errorf("capset tail %x", got[len(want):])
	}
}

func TestProbeRefuses(t *testing.T) {
	simtest.Control(t, "fail GET_PARAM nth=1 errno=22 count=100")
	defer simtest.Control(t, "reset")
	_, err := core.New(driver.Config(&contract.Log{}))
	if !errors.Is(err, syscall.ENOTSUP) || !strings.Contains(err.Error(), "VA_SIZE is 0") {
		t.Fatalf("without user-managed addresses: %v", err)
	}
}

// Messages and answers byte for byte.
func TestGoldenVectors(t *testing.T) {
	g := driver.NewGuest(t)
	if got := g.Mem[:16]; !bytes.Equal(got, contract.Unhex(t, "00000000 10000000 00000000 00000000")) {
		t.Fatalf("response memory starts with %x", got)
	}
	for range 7 {
		simtest.Control(t, "fault")
	}
	g.Golden(1, "01000000 10000000 01000000 00000000")
	g.Reserve(0x20, 32)
	g.Golden(2, "02000000 2c000000 02000000 20000000 406418c0 10000000 09000000 00000000 00000000 00000000 00000000")
	g.Answer(0x20, "20000000 00000000 10000000 09000000 07000000 00000000 00000000 00000000")
	g.Reserve(0x40, 24)
	g.Golden(3, "02000000 20000000 03000000 40000000 4a640cc0 01000000 01000000 00000000")
	g.Answer(0x40, "14000000 00000000 01000000 01000000 01000000")
	g.Golden(4, "03000000 28000000 04000000 00000000 00100000 01000000 45230000 00000000 00000200 02000000")
	g.OK(g.Blob(5, 2, 0x3000, wire.BlobMappable))
	simtest.Control(t, "hang")
	g.Golden(6, "07000000 54000000 06000000 00000000 10000080 01000000 01000000 01000000 09000000 01000000 05000000 00000000 00000000 01000000 00000000 00000000 40000000 00000000 00000000 00000000 00000000")
	g.Reserve(0x60, 16)
	g.Golden(7, "0a000000 18000000 07000000 60000000 01000000 09000000")
	g.Answer(0x60, "08000000 92ffffff")
	simtest.Control(t, "unhang")
	g.OK(g.R.CreateFence(g.Ctx, 2, 77))
	simtest.Retired(t, 1)
	g.Golden(5, "04000000 20000000 05000000 00000000 00000000 00000000 05000000 00000000")
	if g.AsyncErrors() != 0 {
		t.Fatalf("%d asynchronous errors: %v", g.AsyncErrors(), g.Log.Lines)
	}
}

func TestIoctlSimple(t *testing.T) {
	g := driver.NewGuest(t)
	g.Ret(g.Ask(32, 2, 0xc0106440, 0x10, 1, 0, 0), 0) // GET_PARAM's older form
	if a := g.Ask(32, 2, 0xc0186440, 0x10, 1, 0, 0, 8, 0); int32(a[0]) != -1 {
		t.Errorf("GET_PARAM with a pointer: %v", a)
	}
	if a := g.Ask(32, 2, 0xc0186440, 0x10, 999, 0, 0, 0, 0); int32(a[0]) != -1 {
		t.Errorf("unknown parameter: %v", a)
	}
	if a := g.Ask(24, 2, 0xc00c644a, 0, 99, 0); int32(a[0]) != -1 {
		t.Errorf("queue of an impossible priority: %v", a)
	}
	id := g.Queue(1)
	if a := g.Ask(8, 2, 0x4004644b, id); len(a) != 1 || a[0] != 0 {
		t.Errorf("SUBMITQUEUE_CLOSE: %v", a)
	}
	if a := g.Ask(8, 2, 0x4004644b, id); int32(a[0]) != -1 {
		t.Errorf("closed twice: %v", a)
	}
}

func TestGemNew(t *testing.T) {
	g := driver.NewGuest(t)
	lo, hi := iova(9)
	fails := func(name string, want error, body ...uint32) {
		t.Helper()
		n := g.AsyncErrors()
		if err := g.Send(3, 0, body...); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if g.AsyncErrors() != n+1 {
			t.Errorf("%s: not counted", name)
		}
	}
	fails("size 0", syscall.EINVAL, lo, hi, 0, 0, boWC, 9)
	fails("unknown flags", syscall.EINVAL, lo, hi, 0x1000, 0, 0x80000000, 9)
	g.Park(9, 0x1000)
	before := simtest.Counters().BOs
	fails("address taken", syscall.ENOSPC, lo, hi, 0x1000, 0, boWC, 10)
	if simtest.Counters().BOs != before {
		t.Error("a buffer that got no address was leaked")
	}
	if err := g.Blob(20, 10, 0x1000, 0); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("its blob: %v", err)
	}
}

func TestMapInfo(t *testing.T) {
	g := driver.NewGuest(t)
	const scanout, cached, uncached, coherent = 0x1, 0x10000, 0x40000, 0x80000
	for i, c := range []struct{ flags, info uint32 }{
		{boWC, wire.MapWC},
		{cached, wire.MapWC}, // guests flush
		{uncached, wire.MapWC},
		{coherent, wire.MapCached},
		{coherent | scanout, wire.MapCached},
	} {
		id := uint32(10 + i)
		lo, hi := iova(id)
		g.Must(3, 0, lo, hi, 0x1000, 0, c.flags, id)
		g.OK(g.Blob(id, uint64(id), 0x1000, wire.BlobMappable))
		if info, err := g.R.MapInfo(id); err != nil || info != c.info {
			t.Errorf("map info %d of a buffer with flags %#x, want %d; %v", info, c.flags, c.info, err)
		}
	}
}

func TestUpload(t *testing.T) {
	g := driver.NewGuest(t)
	g.Alloc(5, 0x2345, 0)
	fails := func(name string, want error, body ...uint32) {
		t.Helper()
		if err := g.Send(8, 0, body...); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	fails("pad", syscall.EINVAL, 5, 1, 0, 4, 0)
	fails("more than sent", syscall.EINVAL, 5, 0, 0, 8, 0)
	fails("length wraps", syscall.EINVAL, 5, 0, 0, 0xfffffff0, 0)
	fails("unknown resource", syscall.ENOENT, 6, 0, 0, 4, 0)
	fails("header only", syscall.ENOENT)
	fails("beyond the end", syscall.EFAULT, 5, 0, 0x2345, 4, 0)
	fails("offset wraps", syscall.EFAULT, 5, 0, 0xfffffffc, 8, 0, 0)
	g.Must(8, 0, 5, 0, 0x2341, 4, 7)
	if g.AsyncErrors() != 0 {
		t.Error("counted")
	}
}

func TestSetIova(t *testing.T) {
	g := driver.NewGuest(t)
	g.Alloc(5, 0x1000, 1)
	lo, hi := iova(5)
	g.Must(4, 0, lo, hi, 5, 0) // what it has already
	g.Must(4, 0, lo, hi, 5)    // a 32-bit guest sends no padding
	if g.AsyncErrors() != 0 {
		t.Fatalf("%d asynchronous errors", g.AsyncErrors())
	}
	g.Must(4, 0, lo+0x100000, hi, 5, 0)
	if g.AsyncErrors() != 1 {
		t.Error("a second address was not counted")
	}
	g.Must(4, 0, lo, hi, 99, 0)
	if g.AsyncErrors() != 2 {
		t.Error("an unknown resource was not counted")
	}
	g.Must(4, 0, 0, 0, 5, 0)
	if g.AsyncErrors() != 2 {
		t.Error("releasing the address was counted")
	}
}

func TestInBandResults(t *testing.T) {
	g := driver.NewGuest(t)
	g.Alloc(5, 0x1000, 1)
	q := g.Queue(2)
	g.Ret(g.Ask(8, 5, 5, 1), 0)
	g.Ret(g.Ask(8, 5, 99, 1), -int32(syscall.ENOENT))
	g.Ret(g.Ask(8, 5, 5, 0x100), -int32(syscall.EINVAL))
	g.Ret(g.Ask(16, 10, 99, 0), -int32(syscall.ENOENT))
	g.Ret(g.Ask(16, 10, q, 1000), -int32(syscall.EINVAL))
	simtest.Control(t, "hang")
	g.Submit(q, 1, 5)
	g.Ret(g.Ask(8, 5, 5, 1), -int32(syscall.EBUSY))
	g.Ret(g.Ask(16, 10, q, 1), -int32(syscall.ETIMEDOUT))
	simtest.Control(t, "unhang")
	g.OK(g.R.CreateFence(g.Ctx, 2, 1))
	simtest.Retired(t, 1)
	g.Ret(g.Ask(16, 10, q, 1), 0)
	g.Ret(g.Ask(8, 5, 5, 1), 0)
	a := g.Ask(16, 9, q, 0, 4)
	g.Ret(a, 0)
	if len(a) != 3 || a[1] != 4 || a[2] != 0 {
		t.Errorf("SUBMITQUEUE_QUERY(FAULTS): %v", a)
	}
	if err := g.Send(9, 0x100, q, 0, 0xfffffff0); !errors.Is(err, syscall.ENOMEM) {
		t.Errorf("query of 4 GiB: %v", err)
	}
	if g.AsyncErrors() != 0 {
		t.Error("counted")
	}
}

func TestNames(t *testing.T) {
	g := driver.NewGuest(t)
	g.Alloc(5, 0x1000, 1)
	g.Must(6, 0, 5, 4, 0x6e6e6e6e)
	g.Must(6, 0, 99, 4, 0x6e6e6e6e)
	g.Must(6, 0) // cut to its header: names nothing
	g.Must(6, 0, append([]uint32{5, 200}, make([]uint32, 50)...)...)
	if err := g.Send(6, 0, 5, 5, 0); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("name longer than sent: %v", err)
	}
	g.Must(11, 0, 4, 4, 0x00414141, 0x00424242)
	for _, body := range [][]uint32{{4, 8, 0, 0}, {0xffffffff, 0x10, 0}, {}} {
		if err := g.Send(11, 0, body...); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("debug info %v: %v", body, err)
		}
	}
	if g.AsyncErrors() != 0 {
		t.Error("counted")
	}
}
