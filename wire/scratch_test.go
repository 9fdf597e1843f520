package wire

import (
	"bytes"
	"errors"
	"strings"
	"syscall"
	"testing"
)

// The scratch of a Call is used again by every command: nothing of the one
// before may show.
func TestScratchIsClean(t *testing.T) {
	var got echoReq
	table := Table[*toy]{
		1: On("ECHO", (*toy).echo),
		2: On("LOOK", func(_ *toy, q *echoReq, _ Tail, _ *echoRsp) error { got = *q; return nil }),
	}
	mem := make([]byte, 64)
	shm, m := NewShmem(mem, 16), call()
	slot := func() { copy(mem[16:], words(12, 0xeeee, 0xeeee)) }
	slot()
	if err := table.Run(&toy{}, m, words(1, 24, 7, 0, 1, 2), 4, shm); err != nil {
		t.Fatal(err)
	}
	slot()
	if err := table.Run(&toy{}, m, words(2, 16, 8, 0), 4, shm); err != nil {
		t.Fatal(err)
	}
	if got.A != 0 || got.B != 0 {
		t.Errorf("a short request read %+v of the one before", got)
	}
	if !bytes.Equal(mem[16:28], words(12, 0, 0)) {
		t.Errorf("a response nobody filled in is %x", mem[16:28])
	}
}

// A guest, or a VMM that passes its memory on, may rewrite a command while it runs.
func TestHeaderIsReadOnce(t *testing.T) {
	batch := words(1, 24, 7, 0, 1, 2)
	table := Table[*toy]{1: On("REWRITE", func(_ *toy, q *echoReq, _ Tail, r *echoRsp) error {
		copy(batch, words(9, 0xffffffff, 99, 0xfffffff0, 8, 9))
		r.A, r.B = q.A, q.B
		return nil
	})}
	mem := make([]byte, 64)
	copy(mem[16:], words(12))
	if err := table.Run(&toy{}, call(), batch, 4, NewShmem(mem, 16)); err != nil {
		t.Fatal(err)
	}
	if want := append(words(7, 16, 0, 0, 12, 1, 2), make([]byte, 36)...); !bytes.Equal(mem, want) {
		t.Errorf("memory %x, want %x", mem, want)
	}
}

// What the guest writes over its own header leads the host nowhere.
func TestHeaderIsOnlyWritten(t *testing.T) {
	mem := make([]byte, 64)
	shm := NewShmem(mem, 16)
	copy(mem, words(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 12))
	if err := toyTable.Run(&toy{}, call(), words(2, 24, 7, 0, 1, 2), 4, shm); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(mem[16:28], words(12, 1, 2)) || !bytes.Equal(mem[:4], words(7)) {
		t.Errorf("memory %x", mem)
	}
}

func TestTail(t *testing.T) {
	var got [4]byte
	table := Table[*toy]{1: On("TAIL", func(_ *toy, _ *Req, tail Tail, _ *None) error {
		tail.CopyTo(got[:], 4)
		return nil
	})}
	if err := table.Run(&toy{}, call(), words(1, 28, 1, 0, 1, 2, 3), 4, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got[:], words(2)) {
		t.Errorf("copied %x from offset 4", got)
	}
}

func TestReplySizes(t *testing.T) {
	mem := make([]byte, 16+2*MaxReply)
	for _, c := range []struct {
		n   uint32
		err error
	}{{MaxReply, nil}, {MaxReply + 4, syscall.ENOMEM}, {0xfffffffc, syscall.ENOMEM}} {
		table := Table[*toy]{1: OnCall("BIG", func(_ *toy, _ *Req, m *Call) error {
			_, err := m.Reply(c.n)
			return err
		})}
		copy(mem[16:], words(c.n))
		if err := table.Run(&toy{}, call(), words(1, 16, 1, 0), 4, NewShmem(mem, 16)); !errors.Is(err, c.err) {
			t.Errorf("reply of %d bytes: %v, want %v", c.n, err, c.err)
		}
		if !bytes.Equal(mem[16:20], words(c.n)) {
			t.Errorf("%x is the length of a reply of %d bytes", mem[16:20], c.n)
		}
	}
}

func TestShmemHeader(t *testing.T) {
	mem := make([]byte, 64)
	s := NewShmem(mem, 16)
	s.Store(8, 41)
	s.Add(8)
	s.Store(12, 7)
	if !bytes.Equal(mem[:16], words(0, 16, 42, 7)) {
		t.Errorf("header %x", mem[:16])
	}
	for _, off := range []uint32{0, 4, 13, 16} {
		mustPanic(t, "outside the driver's header", func() { s.Word(off) })
	}
}

// Mistakes in a driver's table show when it is built.
func TestTableRefuses(t *testing.T) {
	mustPanic(t, "bytes, not", func() { OnCall("SHORT", func(*toy, *Rsp, *Call) error { return nil }) })
	mustPanic(t, "bytes, not", func() { OnCall("LONG", func(*toy, *[MaxFixed + 1]byte, *Call) error { return nil }) })
	OnCall("LONGEST", func(*toy, *[MaxFixed]byte, *Call) error { return nil })
	mustPanic(t, "the union", func() { PutCaps(&Capset{}, &[137]byte{}) })
	if n := (Table[*toy]{2: Nop[*toy]("NOP")}).Name(1); n != "ccmd 1" {
		t.Errorf("a number without a command is called %q", n)
	}
}

func mustPanic(t *testing.T, part string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if s, _ := recover().(string); !strings.Contains(s, part) {
			t.Errorf("panic %q, want one that says %q", s, part)
		}
	}()
	f()
}
