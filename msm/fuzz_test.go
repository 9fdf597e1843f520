package msm_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"virgldrm/internal/simtest"
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
