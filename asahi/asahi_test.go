package asahi_test

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

// The capset that a real guest was given: the head, and no part of the driver's.
func TestCapset(t *testing.T) {
	r, _ := driver.NewRenderer(t)
	want := make([]byte, wire.CapsetSize)
	copy(want, contract.Unhex(t, "02000000 00000000 00000000 00000000 04000000 00000000"))
	got := make([]byte, wire.CapsetSize)
	r.Capset(got)
	if !bytes.Equal(got, want) {
		t.Errorf("capset\n%x, want\n%x", got, want)
	}
}

func TestProbeRefuses(t *testing.T) {
	simtest.Control(t, "fail GET_PARAMS nth=1 errno=22")
	defer simtest.Control(t, "reset")
	_, err := core.New(driver.Config(&contract.Log{}))
	if !errors.Is(err, syscall.ENOTSUP) || !strings.Contains(err.Error(), "update the host's kernel") {
		t.Fatalf("a kernel of another interface: %v", err)
	}
}

// Messages and answers byte for byte.
func TestGoldenVectors(t *testing.T) {
	g := driver.NewGuest(t)
	g.Reserve(0, 32)
	g.Golden(1, "02000000 2c000000 01000000 00000000 426418c0 00000000 60000000 00000000 68000000 00000000 00000000")
	g.Answer(0, "20000000 00000000 00000000 60000000 00000000 68000000 01000000 00000000")
	g.Reserve(0x20, 600)
	g.Golden(2, "03000000 28000000 02000000 20000000 00000000 00000000 00000000 00000000 50020000 00000000")
	g.Answer(0x20, "58020000 00000000")
	g.Reserve(0x280, 32)
	g.Golden(3, "02000000 2c000000 03000000 80020000 486418c0 00000000 01000000 01000000 00000000 00000000 11000000")
	g.Answer(0x280, "20000000 00000000 00000000 01000000 01000000 01000000 00000000 11000000")
	g.Golden(4, "04000000 30000000 04000000 00000000 01000000 06000000 01000000 02000000 00800000 00000000 00400000 12000000")
	g.OK(g.Blob(5, 2, 0x8000, wire.BlobMappable|wire.BlobShareable))
	if info, err := g.R.MapInfo(5); err != nil || info != wire.MapCached {
		t.Errorf("map info %d, %v", info, err)
	}
	g.Golden(5, "05000000 3c000000 05000000 00000000 01000000 20000000 01000000 02000000 05000000 00400000 00000000 00400000 00000000 00000000 13000000")
	// The recorded host had made two objects before.
	g.Ask(16, 7, bindObjectWords(0, 5)...)
	g.Ask(16, 7, bindObjectWords(0, 5)...)
	g.Reserve(0x2a0, 16)
	g.Golden(6, "07000000 38000000 06000000 a0020000 00000000 01000000 05000000 00000000 00000000 00000000 00400000 00000000 00000000 00000000")
	g.Answer(0x2a0, "0c000000 00000000 03000000")
	g.Golden(7, "06000000 38000000 07000000 00000000 00000000 01000000 10000000 01000000 01000800 ffff0000 00000000 00000000 05000000 03000000")
	g.OK(g.R.CreateFence(g.Ctx, 2, 77))
	simtest.Retired(t, 1)
	if g.AsyncErrors() != 0 {
		t.Fatalf("%d asynchronous errors: %v", g.AsyncErrors(), g.Log.Lines)
	}
	if c := simtest.Counters(); c.VMs != 1 || c.Bindings != 2 || c.Objects != 3 || c.Queues != 1 {
		t.Errorf("in the kernel: %+v", c)
	}
}

func TestQueues(t *testing.T) {
	g := driver.NewGuest(t)
	vm := openVM(g)
	for _, prio := range []uint32{2, 3, 0xffffffff} { // refused by us, whatever the kernel allows
		before := simtest.Calls(t, "QUEUE_CREATE")
		g.Ret(g.Ask(32, 2, queueWords(vm, prio)...), -1)
		if n := simtest.Calls(t, "QUEUE_CREATE"); n != before {
			t.Errorf("the kernel was asked for priority %d", prio)
		}
	}
	refused := queueWords(vm+7, 1)
	refused[4] = 77 // no queue becomes of it
	g.Ret(g.Ask(32, 2, refused...), -1)
	q := openQueue(g, vm, 2)
	g.Ret(g.Ask(8, 2, queueDestroy, q, 1), -1) // a pad that is not zero: it stays
	g.Submit(q, 1)
	if a := g.Ask(8, 2, queueDestroy, q, 0); len(a) != 1 || a[0] != 0 {
		t.Errorf("QUEUE_DESTROY: %v", a)
	}
	g.Ret(g.Ask(8, 2, queueDestroy, q, 0), -1)
	for _, unknown := range []uint32{q, 0, 77} {
		errs, calls := g.AsyncErrors(), simtest.Calls(t, "SUBMIT")
		m := g.JobMessage(unknown, 1)
		if err := g.R.Submit(1, m); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("job of the unknown queue %d: %v", unknown, err)
		}
		if simtest.Calls(t, "SUBMIT") != calls || g.AsyncErrors() != errs+1 {
			t.Errorf("job of the unknown queue %d: sent to the kernel, or not counted", unknown)
		}
	}
	g.Ret(g.Ask(8, 2, vmDestroy, vm, 0), 0)
	if a := g.Ask(24, 2, getTime, 0, 0, 0, 0); a[0] != 0 || a[3]|a[4] == 0 {
		t.Errorf("GET_TIME: %v", a)
	}
}

func TestGetParams(t *testing.T) {
	g := driver.NewGuest(t)
	params := func(size uint32) []uint32 { return g.Ask(0x2000, 3, 0, 0, 0xdead, 0xbeef, size, 0) }
	full := params(592)
	if len(full) != 1+592/4 || full[0] != 0 || full[1+2] != 13 {
		t.Fatalf("%d words: %v...", len(full), full[:8])
	}
	for size, words := range map[uint32]int{0: 1, 4: 2, 16: 5, 600: 151, wire.MaxReply - 8: wire.MaxReply/4 - 1} {
		a := params(size)
		if len(a) != words || a[0] != 0 {
			t.Errorf("%d bytes: %d words of answer, ret %d", size, len(a), int32(a[0]))
		}
		for i, w := range a[1:] {
			if i < 148 && w != full[1+i] || i >= 148 && w != 0 {
				t.Errorf("%d bytes: word %d is %#x", size, i, w)
			}
		}
	}
	g.Ret(g.Ask(600, 3, 1, 0, 0, 0, 592, 0), -int32(syscall.EINVAL))
	simtest.Control(t, "fail GET_PARAMS nth=1 errno=5")
	if a := params(592); len(a) != 149 || int32(a[0]) >= 0 {
		t.Errorf("the kernel fails: %d words, ret %d", len(a), int32(a[0]))
	}
	for _, c := range []struct {
		body []uint32
		want syscall.Errno
	}{
		{[]uint32{0, 0, 0, 0, 592}, syscall.EINVAL},
		{[]uint32{0, 0, 0, 0, 592, 0, 0}, syscall.EINVAL},
		{nil, syscall.EINVAL},
		{[]uint32{0, 0, 0, 0, wire.MaxReply - 7, 0}, syscall.ENOMEM},
		{[]uint32{0, 0, 0, 0, 0xfffffff8, 0}, syscall.ENOMEM},
		{[]uint32{0, 0, 0, 0, 0xfffffff8, 0xffffffff}, syscall.ENOMEM},
		{[]uint32{0, 0, 0, 0, 592, 1}, syscall.ENOMEM},
	} {
		before := g.Word(0)
		if err := g.Send(3, 0x100, c.body...); !errors.Is(err, c.want) || g.Word(0) != before {
			t.Errorf("%x: %v, want %v", c.body, err, c.want)
		}
	}
	if g.AsyncErrors() != 0 {
		t.Error("counted")
	}
}

func TestGemNew(t *testing.T) {
	g := driver.NewGuest(t)
	vm := openVM(g)
	fails := func(name string, body ...uint32) {
		t.Helper()
		n, had := g.AsyncErrors(), simtest.Counters()
		g.Must(4, 0, body...)
		if g.AsyncErrors() != n+1 {
			t.Errorf("%s: not counted", name)
		}
		if now := simtest.Counters(); now != had {
			t.Errorf("%s: left %+v", name, now)
		}
	}
	fails("size 0", 0, 6, vm, 9, 0, 0, 0, 0x12)
	fails("size no multiple", 0, 6, vm, 9, 0x1000, 0, 0, 0x12)
	fails("unknown flags", 0x80, 6, vm, 9, page, 0, 0, 0x12)
	fails("unknown VM", 0, 6, vm+9, 9, page, 0, 0, 0x12)
	fails("no such address", 0, 6, vm, 9, page, 0, 0, 0xffffffff)
	fails("neither read nor write", 0, 0, vm, 9, page, 0, 0, 0x12)
	fails("private to an unknown VM", 2, 6, vm+9, 9, page, 0, 0, 0)
	if err := g.Blob(5, 9, page, 0); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("its blob: %v", err)
	}

	errs := g.AsyncErrors()
	g.Must(4, 0, 0, 6, vm, 1, 2*page, 0, 0, 0x12)
	if n := simtest.Counters().Bindings; n != 1 {
		t.Errorf("%d bindings", n)
	}
	g.Must(4, 0, 0, 6, 12345, 2, page, 0, 0, 0) // not bound: the VM does not matter
	g.Must(4, 0, 1, 6, vm, 3, page, 2, 0, 0)    // more than 32 bits of size
	g.Must(4, 0, 2, 6, vm, 4, page, 0, 0, 0x13) // private
	g.OK(g.Blob(5, 1, 2*page, 1))
	g.OK(g.Blob(6, 2, page, 1))
	g.OK(g.Blob(7, 3, 2<<32+page, 1))
	if err := g.Blob(8, 4, page, 3); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a shareable one of a private buffer: %v", err)
	}
	g.OK(g.Blob(8, 4, page, 1))
	for res, want := range map[uint32]uint32{5: wire.MapWC, 7: wire.MapCached} {
		if info, err := g.R.MapInfo(res); err != nil || info != want {
			t.Errorf("map info of %d: %d, %v", res, info, err)
		}
	}
	if g.AsyncErrors() != errs {
		t.Errorf("counted: %q", g.Log.Lines)
	}
	// The guest unbinds nothing: closing the handle has to.
	g.R.Detach(1, 5)
	g.R.Detach(1, 8)
	if c := simtest.Counters(); c.Bindings != 0 || c.Handles != 2 {
		t.Errorf("after detach: %+v", c)
	}
}

func TestVMBind(t *testing.T) {
	g := driver.NewGuest(t)
	vm := openVM(g)
	g.Alloc(5, 4*page, wire.BlobMappable)
	const rw, unbind, single = 6, 1, 8
	at := func(n uint32) [8]uint32 { return [8]uint32{rw, 5, 0, 0, page, 0, n * page, 0x13} }
	bind := func(what string, bindings uint64, errs uint32, words ...uint32) {
		t.Helper()
		was := g.AsyncErrors()
		g.Must(5, 0, words...)
		if n := simtest.Counters().Bindings; n != bindings {
			t.Errorf("%s: %d bindings, want %d", what, n, bindings)
		}
		if n := g.AsyncErrors() - was; n != errs {
			t.Errorf("%s: %d counted, want %d: %q", what, n, errs, g.Log.Lines)
		}
	}
	bind("one", 1, 0, bindWords(vm, at(0))...)
	bind("three", 4, 0, bindWords(vm, at(2), at(4), at(6))...)
	bind("none", 4, 0, bindWords(vm)...)
	bind("unbind", 3, 0, bindWords(vm, [8]uint32{unbind, 0, 0, 0, page, 0, 0, 0x13})...)
	bind("one page for many", 4, 0, bindWords(vm, [8]uint32{rw | single, 5, 0, 0, 64 * page, 0, 0, 0x14})...)
	bind("unknown buffer", 4, 1, bindWords(vm, [8]uint32{rw, 99, 0, 0, page, 0, 0, 0x15})...)
	bind("unknown VM", 4, 1, bindWords(vm+5, at(0))...)
	bind("a bad one after a good one", 5, 1, bindWords(vm, at(8), [8]uint32{rw, 99}, at(10))...)
	// Records of other sizes: what is not sent is 0, what we do not know must be.
	bind("long records", 7, 0, append([]uint32{vm, 40, 2}, append(append(words(at(20)), 0, 0), append(words(at(22)), 0, 0)...)...)...)
	bind("long records with more", 7, 1, append([]uint32{vm, 40, 2}, append(append(words(at(24)), 0, 0), append(words(at(26)), 0, 1)...)...)...)
	bind("short records", 7, 1, vm, 8, 2, rw, 5, rw, 5)

	before := simtest.Calls(t, "VM_BIND")
	for _, body := range [][]uint32{
		nil, {vm, 32}, // cut
		{vm, 7, 4, 1, 2, 3, 4, 5, 6, 7}, // no room for a handle
		{vm, 0, 0}, {vm, 0, 5},
		append(bindWords(vm, at(0)), 0),                                           // a word too many
		bindWords(vm, at(0))[:10],                                                 // and too few
		{vm, 32, 2, 1, 2, 3, 4, 5, 6, 7, 8},                                       // one of two
		{vm, 0x80000000, 2}, {vm, 0x10000, 0x10000}, {vm, 0x20000008, 0x20000000}, // wraps in 32 bits
		{vm, 0xffffffff, 0xffffffff},
	} {
		if err := g.Send(5, 0, body...); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%x: %v", body, err)
		}
	}
	if simtest.Calls(t, "VM_BIND") != before {
		t.Error("malformed messages reached the kernel")
	}
}

func words(r [8]uint32) []uint32 { return r[:] }

func TestGemBindObject(t *testing.T) {
	g := driver.NewGuest(t)
	g.Alloc(5, page, wire.BlobMappable)
	a := g.Ask(16, 7, bindObjectWords(0, 5)...)
	g.Ret(a, 0)
	if len(a) != 2 || a[1] == 0 {
		t.Fatalf("BIND: %v", a)
	}
	for what, c := range map[string]struct {
		res uint32
		err syscall.Errno
	}{"unknown": {99, syscall.ENOENT}, "none": {0, syscall.ENOENT}} {
		w := bindObjectWords(0, c.res)
		w[8] = 0x5a5a // must not come back
		if b := g.Ask(16, 7, w...); len(b) != 2 || int32(b[0]) != -int32(c.err) || b[1] != 0 {
			t.Errorf("BIND of %s: %x", what, b)
		}
	}
	if err := g.Send(7, ShmEnd-8, bindObjectWords(0, 5)...); !errors.Is(err, syscall.ENOMEM) {
		t.Errorf("no room for the answer: %v", err)
	}
	if g.AsyncErrors() != 0 || simtest.Counters().Objects != 1 {
		t.Fatalf("%d counted, %d objects", g.AsyncErrors(), simtest.Counters().Objects)
	}
	// UNBIND comes with other commands: its failure must not end them.
	unbind := make([]uint32, 10)
	unbind[0], unbind[8] = 1, a[1]
	unbind[2] = 98 // unknown
	g.Must(7, 0, unbind...)
	if g.AsyncErrors() != 1 || simtest.Counters().Objects != 1 {
		t.Errorf("UNBIND of an unknown resource: %d counted, %d objects", g.AsyncErrors(), simtest.Counters().Objects)
	}
	unbind[2] = 0
	for i, errs := range []uint32{1, 2} {
		g.Must(7, ShmEnd, unbind...)
		if g.AsyncErrors() != errs {
			t.Errorf("UNBIND number %d: %d counted", i, g.AsyncErrors())
		}
	}
	unbind[2] = 99
	g.Must(7, 0, unbind...)
	unbind[0] = 7
	g.Must(7, 0, unbind...)
	if g.AsyncErrors() != 4 || simtest.Counters().Objects != 0 {
		t.Errorf("%d counted, %d objects", g.AsyncErrors(), simtest.Counters().Objects)
	}
}

// ShmEnd is the size of the memory for answers.
const ShmEnd = contract.ShmSize - 16
