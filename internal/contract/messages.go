package contract

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"syscall"
	"testing"

	"virgldrm/wire"
)

// needed are the fields that every description has; the others fit some drivers.
var needed = []string{"Nop", "Answered", "AnswerSize", "Page", "Allocate", "Knows", "OpenQueue", "Job", "Rings", "Recordings", "Seeds", "Probes"}

// Test runs all that is not a fuzzer. What a driver has forgotten in its
// description fails here as well.
func Test(t *testing.T, d *Driver) {
	for _, name := range needed {
		if reflect.ValueOf(*d).FieldByName(name).IsZero() {
			t.Fatalf("the contract.Driver has no %s: fill it in", name)
		}
	}
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Driver)
	}{
		{"Probe", probe},
		{"Malformed", malformed},
		{"Batch", batch},
		{"NoShmem", noShmem},
		{"IoctlSimple", ioctlSimple},
		{"Shmem", shmem},
		{"BlobRules", blobRules},
		{"ExportAndMap", exportAndMap},
		{"Sharing", sharing},
		{"HandlesAreCounted", handlesAreCounted},
		{"OutOfDescriptors", outOfDescriptors},
		{"SubmitAndFence", submitAndFence},
		{"InFences", inFences},
		{"FailedSubmit", failedSubmit},
		{"InFenceIsUsedOnce", inFenceIsUsedOnce},
		{"SubmitDoesNotAllocate", submitDoesNotAllocate},
		{"TeardownDoesNotWait", teardownDoesNotWait},
		{"Reset", reset},
		{"HungGPUIsReported", hungGPU},
		{"ManyContexts", manyContexts},
		{"PanicEndsOneContext", panicEnds},
		{"FaultEndsOneContext", faultEnds},
		{"OpenDRMMayCallBack", openDRM},
		{"Soak", soakTest},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, d) })
	}
}

// malformed: a bad header ends the batch, publishes nothing and counts nothing.
func malformed(t *testing.T, d *Driver) {
	g := d.NewGuest(t)
	type header struct{ cmd, length, rspOff uint32 }
	for _, h := range []header{
		{0, 16, 0}, {0xffff, 16, 0}, {0xffffffff, 16, 0},
		{d.Nop, 0, 0}, {d.Nop, 4, 0}, {d.Nop, 15, 0}, {d.Nop, 20, 0}, {d.Nop, 0xfffffff0, 0},
		{d.Nop, 16, 1}, {d.Nop, 16, d.Align / 2}, {d.Nop, 16, 0xffffffff},
	} {
		before := g.Word(0)
		g.Seqno++
		m := g.Message(h.cmd, h.rspOff)
		binary.LittleEndian.PutUint32(m[4:], h.length)
		if err := g.R.Submit(g.Ctx, m); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("header %+v: %v", h, err)
		}
		if g.Word(0) != before || g.AsyncErrors() != 0 {
			t.Errorf("header %+v: published or counted", h)
		}
	}
	// Lengths that are no multiple of the alignment, with the bytes there.
	for n := uint32(17); n < 16+d.Align; n++ {
		m := append(g.Message(d.Nop, 0), make([]byte, 16)...)
		binary.LittleEndian.PutUint32(m[4:], n)
		if err := g.R.Submit(g.Ctx, m); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("length %d: %v", n, err)
		}
	}
	g.OK(g.R.Submit(g.Ctx, nil))
	// Every command there is, cut to any length and with words too many.
	for cmd := uint32(0); cmd < 64; cmd++ {
		for words := range 24 {
			if err := g.Send(cmd, 0, make([]uint32, words)...); !isErrno(err) {
				t.Errorf("command %d with %d words: an error without errno: %v", cmd, words, err)
			}
		}
	}
	g.Must(d.Nop, 0)
	g.Must(d.Nop, 0, 1, 2, 3) // longer than we know
}

// batch: commands before a bad one stay done, later ones are not.
func batch(t *testing.T, d *Driver) {
	g := d.NewGuest(t)
	var m []byte
	for range 1024 { // 16 KiB, as guests send them
		g.Seqno++
		m = append(m, g.Message(d.Nop, 0)...)
	}
	g.OK(g.R.Submit(g.Ctx, m))
	if g.Word(0) != g.Seqno {
		t.Errorf("seqno %d, want %d", g.Word(0), g.Seqno)
	}
	for _, tail := range []int{1, 15} {
		g.Seqno++
		m := append(g.Message(d.Nop, 0), make([]byte, tail)...)
		if err := g.R.Submit(g.Ctx, m); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%d bytes behind the last command: %v", tail, err)
		}
		if g.Word(0) != g.Seqno {
			t.Errorf("the command before them: seqno %d, want %d", g.Word(0), g.Seqno)
		}
	}
	g.Seqno++
	last := g.Seqno
	m = append(g.Message(d.Nop, 0), g.Message(0, 0)...)
	g.Seqno++
	m = append(m, g.Message(d.Nop, 0)...)
	if err := g.R.Submit(g.Ctx, m); !errors.Is(err, syscall.EINVAL) || g.Word(0) != last {
		t.Errorf("a bad command between two: %v, seqno %d, want %d", err, g.Word(0), last)
	}
}

// noShmem: commands without an answer are legal before there is response memory.
func noShmem(t *testing.T, d *Driver) {
	r, l := d.NewRenderer(t)
	g := &Guest{T: t, D: d, R: r, Log: l, Ctx: 1, Shm: 1001}
	g.OK(r.CreateContext(1, wire.CapsetDRM, ""))
	g.OK(g.Send(d.Nop, 0))
	for _, q := range d.Answered {
		if err := g.Send(q.Cmd, 0, q.Words...); !errors.Is(err, syscall.ENOMEM) {
			t.Errorf("command %d without response memory: %v", q.Cmd, err)
		}
	}
	bad := d.Allocate(0, 0) // fails; there is nothing to count in
	if err := g.Send(bad.Cmd, 0, bad.Words...); d.AllocateIsFatal && !errors.Is(err, syscall.EINVAL) || !d.AllocateIsFatal && err != nil {
		t.Errorf("an allocation that fails: %v", err)
	}
	g.MakeShm(uint64(d.ShmemHeader)) // no room for answers is legal
	g.Must(d.Nop, 0)
	for _, q := range d.Answered {
		if err := g.Send(q.Cmd, 0, q.Words...); !errors.Is(err, syscall.ENOMEM) {
			t.Errorf("command %d without room for its answer: %v", q.Cmd, err)
		}
	}
}

// ioctlSimple: only exact numbers with exact arguments are passed on.
func ioctlSimple(t *testing.T, d *Driver) {
	g := d.NewGuest(t)
	known := map[uint32]bool{}
	for _, nr := range d.Simple {
		known[nr] = true
	}
	fatal := func(what string, nr, bytes uint32) {
		t.Helper()
		before := g.Word(0)
		if err := g.Send(2, 0x100, append([]uint32{nr}, make([]uint32, bytes/4)...)...); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%s: %v", what, err)
		}
		if g.Word(0) != before || g.AsyncErrors() != 0 {
			t.Errorf("%s: published or counted", what)
		}
	}
	for _, nr := range d.Simple {
		size := nr >> 16 & 0x3fff
		fatal(fmt.Sprintf("%#x with a word too few", nr), nr, size-4)
		fatal(fmt.Sprintf("%#x with a word too many", nr), nr, size+4)
		for _, other := range []uint32{
			nr &^ (3 << 30), nr ^ 1<<30, nr ^ 1<<31, nr | 3<<30, // direction
			nr &^ (0x3fff << 16), nr - 4<<16, nr + 4<<16, nr | 0x3fff<<16, // size
			nr ^ 1<<8,                     // type
			nr&^0xff | 0x4d, nr&^0xff | 0, // number
		} {
			if !known[other] {
				fatal(fmt.Sprintf("%#x, which is like %#x", other, nr), other, other>>16&0x3fff&^3)
			}
		}
	}
}
