package contract

import (
	"bytes"
	"encoding/binary"
	"errors"
	"syscall"
	"testing"

	"virgldrm/wire"
)

// FuzzResponsePlacement predicts every byte of the response memory after one
// command: nothing changes but the slot, as far as the guest reserved it, and
// the sequence number.
func FuzzResponsePlacement(f *testing.F, d *Driver) {
	r, l := d.NewRenderer(f)
	requests := append([]Request{{Cmd: d.Nop}}, d.Answered...)
	for which := range requests {
		for _, c := range [][3]uint32{ // rsp_off, reserved, size of the response memory
			{0, 8, 0x100}, {0x10, 0, 0x100}, {0x10, 3, 0x100}, {0x10, 4, 0x100}, {0x10, 0xffffffff, 0x100},
			{0xf8, 8, 0x100}, {0xfc, 8, 0x100}, {0x100, 8, 0x100}, {0xfffffffc, 8, 0x100}, {0, 8, 0}, {0, 8, 7}, {0xff0, 64, 0xff1},
		} {
			f.Add(byte(which), c[0], c[1], uint16(c[2]), uint16(4))
		}
	}
	for size := uint16(wire.MaxReply - 16); size <= wire.MaxReply; size++ {
		f.Add(byte(len(requests)), uint32(0), uint32(0xffff), uint16(0x2000), size)
	}

	f.Fuzz(func(t *testing.T, which byte, off, reserved uint32, room, sized uint16) {
		l.Lines = l.Lines[:0]
		g := &Guest{T: t, D: d, R: r, Log: l, Ctx: 1, Seqno: 0x5e9, Shm: 1000}
		g.OK(r.CreateContext(1, wire.CapsetDRM, ""))
		t.Cleanup(r.Reset)
		size := uint64(room) + uint64(d.ShmemHeader)
		g.MakeShm(size)

		all := requests
		if d.Sized != nil {
			all = append(all, d.Sized(uint32(sized)))
		}
		q := all[int(which)%len(all)]
		message := g.Message(q.Cmd, off, q.Words...)
		n := d.AnswerSize(message)
		for i := range g.Mem[d.ShmemHeader:] {
			g.Mem[int(d.ShmemHeader)+i] = byte(i*7 + 1)
		}
		slot := uint64(off) + uint64(d.ShmemHeader)
		inside := slot+4 <= size
		if inside {
			binary.LittleEndian.PutUint32(g.Mem[slot:], reserved)
		}
		want := bytes.Clone(g.Mem)
		var code syscall.Errno
		switch {
		case off%d.Align != 0:
			code = syscall.EINVAL
		case n > 0 && slot+n > size, n > wire.MaxReply:
			code = syscall.ENOMEM
		}

		err := r.Submit(1, message)
		if code != 0 && !errors.Is(err, code) || code == 0 && err != nil {
			t.Fatalf("command %d at %#x of %#x: %v, want %v", q.Cmd, off, room, err, code)
		}
		if err == nil {
			binary.LittleEndian.PutUint32(want, g.Seqno)
			if n > 0 {
				got := min(n, uint64(reserved))
				copy(want[slot:][:got], g.Mem[slot:]) // what the host may write
				binary.LittleEndian.PutUint32(want[slot:], uint32(got))
			}
		}
		if !bytes.Equal(g.Mem, want) {
			i := 0
			for g.Mem[i] == want[i] {
				i++
			}
			t.Fatalf("command %d, slot %#x of %d bytes, answer of %d: byte %#x is %#x, want %#x", q.Cmd, slot, reserved, n, i, g.Mem[i], want[i])
		}
	})
}
