package msm_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"virgldrm/core"
	"virgldrm/internal/simtest"
	"virgldrm/msm"
	"virgldrm/wire"
)

// recorded returns the batches that real guests sent, each shape of batch once.
func recorded(f *testing.F) [][]byte {
	files, _ := filepath.Glob("../testdata/recordings/turnip-*.vrec.xz")
	if len(files) == 0 {
		f.Fatal("no recordings in testdata/recordings")
	}
	seen := map[string]bool{}
	var batches [][]byte
	for _, file := range files {
		text, err := exec.Command("xz", "-dc", file).Output()
		if err != nil {
			f.Fatalf("xz -dc %s: %v: install xz-utils", file, err)
		}
		for line := range strings.Lines(string(text)) {
			_, data, ok := strings.Cut(line, " data=")
			if !ok || !strings.Contains(line, " submit_cmd-enter ") {
				continue
			}
			data, _, _ = strings.Cut(strings.TrimSpace(data), " ")
			batch, err := hex.DecodeString(data)
			if err != nil {
				f.Fatal(err)
			}
			shape := ""
			for _, c := range commands(batch) {
				shape += string(rune(c.cmd)) + string(rune(len(c.raw)))
			}
			if !seen[shape] {
				seen[shape] = true
				batches = append(batches, batch)
			}
		}
	}
	return batches
}

// command is one ccmd of a batch, read as the protocol defines it.
type command struct {
	cmd, seqno, rspOff uint32
	raw                []byte
}

// commands splits a batch up to the first header that breaks a rule.
func commands(batch []byte) (list []command) {
	word := binary.LittleEndian.Uint32
	for len(batch) >= 16 {
		n, off := word(batch[4:]), word(batch[12:])
		if n < 16 || uint64(n) > uint64(len(batch)) || n%4 != 0 || off%4 != 0 {
			break
		}
		list = append(list, command{word(batch), word(batch[8:]), off, batch[:n]})
		batch = batch[n:]
	}
	return list
}

// answer is the size of a command's response, 0 for none.
func (c command) answer() uint64 {
	arg := func(at int) uint32 {
		if len(c.raw) < at+4 {
			return 0
		}
		return binary.LittleEndian.Uint32(c.raw[at:])
	}
	switch c.cmd {
	case 2:
		if arg(16) == 0x4004644b { // the one ioctl that only writes
			return 8
		}
		return 8 + uint64(max(len(c.raw), 20)-20)
	case 5, 10:
		return 8
	case 9:
		return 12 + uint64(arg(24))
	}
	return 0
}

const maxBatch = 1 << 16

// cliff returns maxBatch bytes of memory with a page behind that nobody may
// touch.
func cliff(t testing.TB) []byte {
	mem, err := syscall.Mmap(-1, 0, maxBatch+syscall.Getpagesize(), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err == nil {
		err = syscall.Mprotect(mem[maxBatch:], syscall.PROT_NONE)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(mem) })
	return mem[:maxBatch]
}

func isErrno(err error) bool {
	var e syscall.Errno
	return err == nil || errors.As(err, &e) && e != 0
}

// settled waits until the simulated kernel holds what it held before.
func settled(t testing.TB, before simtest.Live) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Microsecond) {
		now := simtest.Counters()
		fences := now.Fences
		now.Fences = before.Fences
		if now == before && fences <= 1 { // the library keeps the newest signalled one
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left in the kernel: %+v, %d fences; before %+v", now, fences, before)
		}
	}
}

// FuzzCommandStream runs arbitrary bytes as one batch of a context that has
// buffers 5, 6 and 8 (shared by another context) and queues 1 and 2.
func FuzzCommandStream(f *testing.F) {
	r, l := newRenderer(f)
	other := addGuest(f, r, l, 2)
	other.alloc(8, 0x3000, wire.BlobShareable|wire.BlobMappable)
	other.alloc(9, 0x1000, wire.BlobMappable)
	addr, size, err := r.Map(9)
	if err != nil {
		f.Fatal(err)
	}
	private := unsafe.Slice((*byte)(unsafe.Pointer(at(addr))), size)
	for i := range private {
		private[i] = 0xa5
	}
	edge := cliff(f)
	mine, theirs := bytes.Clone(private), bytes.Clone(other.mem)

	for _, b := range recorded(f) {
		f.Add(b, byte(16))
	}
	g := &guest{seqno: 7}
	lo, hi := iova(40)
	job := []uint32{1, 0, 0, 0x40, 0, 0, 0, 0}
	for _, b := range [][]byte{
		g.message(3, 0, lo, hi, 0x1234, 0, boWC, 3),
		append(g.message(3, 0, lo, hi, 0x1000, 0, boWC, 3), g.message(3, 0, lo, hi, 0x1000, 0, boWC, 3)...),
		g.message(4, 0, 0, 0, 5, 0),
		append(g.message(5, 0x10, 8, 3), g.message(5, 0x3fe8, 6, 1)...),
		g.message(6, 0, 5, 4, 0x64636261),
		g.message(7, 0, append(submitWords(1, 1, 5, 6, 8), job...)...),
		append(g.message(7, 0, submitWords(2, 1, 5)...), g.message(10, 0x20, 2, 1)...),
		g.message(7, 0, submitWords(0, 1, 8)...),
		g.message(8, 0, 8, 0, 0x2ffc, 4, 0x11223344),
		g.message(8, 0, 5, 0, 0, 0),
		g.message(9, 0x40, 1, 0, 4),
		g.message(9, 0x40, 1, 0, 0xffffffff),
		g.message(11, 0, 4, 4, 0x00636261, 0x00636261),
		append(g.message(2, 0x80, 0xc00c644a, 0, 2, 0), g.message(2, 0xa0, 0x4004644b, 3)...),
		g.message(2, 0x80, 0xc0106442, 0x1000, 0, boWC, 0),
		g.message(2, 0x80, 0xc0186440, 0x10, 9, 0, 0, 0, 0),
	} {
		f.Add(b, byte(0xee))
	}

	f.Fuzz(func(t *testing.T, batch []byte, slots byte) {
		if len(batch) > maxBatch {
			return
		}
		l.lines = l.lines[:0]
		simtest.Callbacks() // forgets the fences of earlier runs
		before := simtest.Counters()
		g := addGuest(t, r, l, 1)
		t.Cleanup(func() {
			r.DestroyContext(1)
			for _, res := range []uint32{g.shm, 5, 6} {
				r.Unref(res)
			}
			settled(t, before)
		})
		g.alloc(5, 0x1000, wire.BlobShareable|wire.BlobMappable)
		g.alloc(6, 0x2345, 0)
		r.Attach(1, 8)
		g.queue(0)
		g.queue(1)
		for i := range g.mem[header:] {
			g.mem[header+i] = slots
		}
		was, seqno, errs := bytes.Clone(g.mem), g.word(0), g.asyncErrors()

		sent := edge[maxBatch-len(batch)&^3:]
		copy(sent, batch)
		err := r.Submit(1, sent)
		if !isErrno(err) {
			t.Errorf("an error without errno: %v", err)
		}
		if !bytes.Equal(sent, batch[:len(sent)]) {
			t.Error("the batch was written to")
		}
		seen := commands(batch[:len(sent)])
		switch now := g.word(0); {
		case err == nil && len(seen) > 0 && now != seen[len(seen)-1].seqno:
			t.Errorf("seqno %#x after a batch that ends in %#x", now, seen[len(seen)-1].seqno)
		case now != seqno && !slices.ContainsFunc(seen, func(c command) bool { return c.seqno == now }):
			t.Errorf("seqno %#x is none of the batch", now)
		}
		if g.asyncErrors() < errs {
			t.Errorf("errors went from %d to %d", errs, g.asyncErrors())
		}
		if g.word(4) != header || g.word(12) != 0 {
			t.Errorf("header %x", g.mem[:header])
		}
		for _, c := range seen { // what may have changed is as it was
			if off, n := uint64(c.rspOff)+header, c.answer(); off < shmSize {
				copy(was[off:min(off+n, shmSize)], g.mem[off:])
			}
		}
		if !bytes.Equal(g.mem[header:], was[header:]) {
			t.Error("wrote outside the responses")
		}
		if !bytes.Equal(private, mine) || !bytes.Equal(other.mem, theirs) {
			t.Error("wrote to another context's memory")
		}

		for ring := range uint32(4) {
			g.ok(r.CreateFence(1, ring, uint64(ring)))
		}
		if got := simtest.Retired(t, 4); len(got) != 4 {
			t.Errorf("retired %v", got)
		}
		g.must(1, 0)
	})
}

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

// FuzzCapset lets requests of the probe fail: every parameter is then unknown
// or what it is, booleans have only values of their own, and a destination is
// never overrun.
func FuzzCapset(f *testing.F) {
	r, _ := newRenderer(f)
	sound := make([]byte, wire.CapsetSize)
	r.Capset(sound)
	kinds := []string{"GET_PARAM", "GEM_NEW", "SUBMITQUEUE_NEW", "OPEN", "VERSION", "GEM_CLOSE"}
	for kind := range kinds {
		f.Add(byte(kind), byte(1), byte(1), byte(syscall.EINVAL), uint16(wire.CapsetSize))
		f.Add(byte(kind), byte(3), byte(200), byte(syscall.EIO), uint16(wire.CapsetSize-5))
	}
	f.Add(byte(0), byte(1), byte(3), byte(syscall.EINTR), uint16(0))

	f.Fuzz(func(t *testing.T, kind, nth, count, errno byte, size uint16) {
		before := simtest.Counters()
		control := "fail " + kinds[int(kind)%len(kinds)] + " nth=" + strconv.Itoa(int(max(nth, 1))) + " count=" + strconv.Itoa(int(count)) + " errno=" + strconv.Itoa(int(max(errno, 1)))
		simtest.Control(t, control)
		r, err := core.New(core.Config{Drivers: []core.Driver{msm.Driver}, Log: (&logged{}).logger(), DRM: true, CrashOnPanic: true})
		simtest.Control(t, "reset")
		if err != nil {
			if !isErrno(err) {
				t.Errorf("an error without errno: %v", err)
			}
			settled(t, before)
			return
		}
		defer settled(t, before)
		defer r.Close()
		memory := bytes.Repeat([]byte{0x77}, wire.CapsetSize+64)
		n := min(int(size), wire.CapsetSize)
		r.Capset(memory[:n:n])
		if !bytes.Equal(memory[n:], bytes.Repeat([]byte{0x77}, len(memory)-n)) {
			t.Errorf("wrote behind %d bytes", n)
		}
		got := make([]byte, wire.CapsetSize)
		r.Capset(got)
		if !bytes.Equal(got[:n], memory[:n]) {
			t.Errorf("another capset in %d bytes", n)
		}
		word := func(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
		for at := 0; at < wire.CapsetSize; at += 4 {
			v, is := word(got, at), word(sound, at)
			switch {
			case at == 24 && v > 1: // has_cached_coherent is older than the convention
				t.Errorf("has_cached_coherent %#x", v)
			case (at == 96 || at == 100) && v != 1 && v != 0xffffffff:
				t.Errorf("boolean at %d is %#x", at, v)
			case at != 96 && at != 100 && v != 0 && v != is:
				t.Errorf("word at %d is %#x, not %#x", at, v, is)
			case at < 24 && v != is:
				t.Errorf("head at %d is %#x, not %#x", at, v, is)
			case at >= 112 && v != 0:
				t.Errorf("%#x behind the driver's part", v)
			}
		}
	})
}
