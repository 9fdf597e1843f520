package msm_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"syscall"
	"testing"
	"unsafe"

	"virgldrm/core"
	"virgldrm/wire"
)

// FuzzResponsePlacement predicts every byte of the response memory after one
// command: nothing changes but the slot, as far as the guest reserved it, and
// the sequence number.
func FuzzResponsePlacement(f *testing.F) {
	r, l := newRenderer(f)
	requests := [][]uint32{
		{1},
		{2, 0xc0186440, 0x10, 1, 0, 0, 0, 0},
		{2, 0xc00c644a, 0, 0, 0},
		{2, 0x4004644b, 77},
		{5, 5, 1},
		{9, 0, 0, 0},
		{10, 0, 1},
	}
	for which := range requests {
		for _, c := range [][3]uint32{ // rsp_off, reserved, size of the response memory
			{0, 8, 0x100}, {0x10, 0, 0x100}, {0x10, 3, 0x100}, {0x10, 4, 0x100}, {0x10, 0xffffffff, 0x100},
			{0xf8, 8, 0x100}, {0xfc, 8, 0x100}, {0x100, 8, 0x100}, {0xfffffffc, 8, 0x100}, {0, 8, 0}, {0, 8, 7}, {0xff0, 64, 0xff1},
		} {
			f.Add(byte(which), c[0], c[1], uint16(c[2]), uint16(4))
		}
	}
	f.Add(byte(5), uint32(0), uint32(0xffff), uint16(0x2000), uint16(4084))
	f.Add(byte(5), uint32(0), uint32(0xffff), uint16(0x2000), uint16(4085))

	f.Fuzz(func(t *testing.T, which byte, off, reserved uint32, room, query uint16) {
		l.lines = l.lines[:0]
		g := &guest{t: t, r: r, log: l, ctx: 1, seqno: 0x5e9}
		g.ok(r.CreateContext(1, wire.CapsetDRM, ""))
		t.Cleanup(r.Reset)
		size := uint64(room) + header
		g.ok(r.CreateBlob(&core.BlobArgs{Res: 1000, Ctx: 1, Mem: wire.BlobMemHost3D, Flags: wire.BlobMappable, Size: size}))
		addr, _, err := r.Map(1000)
		g.ok(err)
		// To the end of the page, which is the guest's as well.
		g.mem = unsafe.Slice((*byte)(unsafe.Pointer(at(addr))), (size+4095)&^4095)

		body := slices.Clone(requests[int(which)%len(requests)])
		if body[0] == 9 {
			body[3] = uint32(query)
		}
		message := g.message(body[0], off, body[1:]...)
		n := command{cmd: body[0], raw: message}.answer()
		for i := range g.mem[header:] {
			g.mem[header+i] = byte(i*7 + 1)
		}
		slot := uint64(off) + header
		inside := slot+4 <= size
		if inside {
			binary.LittleEndian.PutUint32(g.mem[slot:], reserved)
		}
		want := bytes.Clone(g.mem)
		var code syscall.Errno
		switch {
		case off%4 != 0:
			code = syscall.EINVAL
		case n > 0 && slot+n > size, n > 4096:
			code = syscall.ENOMEM
		}

		err = r.Submit(1, message)
		if code != 0 && !errors.Is(err, code) || code == 0 && err != nil {
			t.Fatalf("command %d at %#x of %#x: %v, want %v", body[0], off, room, err, code)
		}
		if err == nil {
			binary.LittleEndian.PutUint32(want, g.seqno)
			if n > 0 {
				got := min(n, uint64(reserved))
				copy(want[slot:][:got], g.mem[slot:]) // what the host may write
				binary.LittleEndian.PutUint32(want[slot:], uint32(got))
			}
		}
		if !bytes.Equal(g.mem, want) {
			i := 0
			for g.mem[i] == want[i] {
				i++
			}
			t.Fatalf("command %d, slot %#x of %d bytes, answer of %d: byte %#x is %#x, want %#x", body[0], slot, reserved, n, i, g.mem[i], want[i])
		}
	})
}
