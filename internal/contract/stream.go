package contract

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
func recorded(f *testing.F, d *Driver) [][]byte {
	files, _ := filepath.Glob(d.Recordings)
	if len(files) == 0 {
		f.Fatalf("no file matches Recordings, %q: name one; those of another driver will do", d.Recordings)
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
		if now == before && fences <= 2 { // the library keeps the newest signalled one, buffer 8 its last writer
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left in the kernel: %+v, %d fences; before %+v", now, fences, before)
		}
	}
}

// FuzzCommandStream runs arbitrary bytes as one batch of a context that has
// buffers 5, 6 and 8 (shared by another context) and queues 1 and 2.
func FuzzCommandStream(f *testing.F, d *Driver) {
	r, l := d.NewRenderer(f)
	other := d.AddGuest(f, r, l, 2)
	page := uint64(d.Page)
	other.Alloc(8, 3*page, wire.BlobShareable|wire.BlobMappable)
	other.Alloc(9, page, wire.BlobMappable)
	addr, size, err := r.Map(9)
	if err != nil {
		f.Fatal(err)
	}
	private := unsafe.Slice((*byte)(unsafe.Pointer(At(addr))), size)
	for i := range private {
		private[i] = 0xa5
	}
	edge := cliff(f)
	mine, theirs := bytes.Clone(private), bytes.Clone(other.Mem)

	for _, b := range recorded(f, d) {
		f.Add(b, byte(16))
	}
	g := &Guest{Seqno: 7}
	for i, q := range d.Seeds {
		m := g.Message(q.Cmd, uint32(i)*0x40, q.Words...)
		f.Add(m, byte(0xee))
		f.Add(append(bytes.Clone(m), m...), byte(0xee))
	}

	f.Fuzz(func(t *testing.T, batch []byte, slots byte) {
		if len(batch) > maxBatch {
			return
		}
		l.Lines = l.Lines[:0]
		simtest.Callbacks() // forgets the fences of earlier runs
		before := simtest.Counters()
		g := d.AddGuest(t, r, l, 1)
		t.Cleanup(func() {
			r.DestroyContext(1)
			for _, res := range []uint32{g.Shm, 5, 6} {
				r.Unref(res)
			}
			settled(t, before)
		})
		g.Alloc(5, page, wire.BlobShareable|wire.BlobMappable)
		g.Alloc(6, 2*page, 0)
		r.Attach(1, 8)
		g.Queue(1)
		g.Queue(2)
		for i := range g.Mem[d.ShmemHeader:] {
			g.Mem[d.ShmemHeader+uint32(i)] = slots
		}
		was, seqno, errs := bytes.Clone(g.Mem), g.Word(0), g.AsyncErrors()

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
		switch now := g.Word(0); {
		case err == nil && len(seen) > 0 && now != seen[len(seen)-1].seqno:
			t.Errorf("seqno %#x after a batch that ends in %#x", now, seen[len(seen)-1].seqno)
		case now != seqno && !slices.ContainsFunc(seen, func(c command) bool { return c.seqno == now }):
			t.Errorf("seqno %#x is none of the batch", now)
		}
		if g.AsyncErrors() < errs {
			t.Errorf("errors went from %d to %d", errs, g.AsyncErrors())
		}
		binary.LittleEndian.PutUint32(was, g.Word(0))
		if d.AsyncError != 0 {
			binary.LittleEndian.PutUint32(was[d.AsyncError:], g.AsyncErrors())
		}
		for _, c := range seen { // what may have changed is as it was
			off, n := uint64(c.rspOff)+uint64(d.ShmemHeader), min(d.AnswerSize(c.raw), ShmSize)
			if off < ShmSize {
				copy(was[off:min(off+n, ShmSize)], g.Mem[off:])
			}
		}
		if !bytes.Equal(g.Mem, was) {
			t.Errorf("wrote outside the responses; header %x", g.Mem[:d.ShmemHeader])
		}
		if !bytes.Equal(private, mine) || !bytes.Equal(other.Mem, theirs) {
			t.Error("wrote to another context's memory")
		}

		for ring := range d.Rings + 1 {
			g.OK(r.CreateFence(1, ring, uint64(ring)))
		}
		if got := simtest.Retired(t, int(d.Rings)+1); len(got) != int(d.Rings)+1 {
			t.Errorf("retired %v", got)
		}
		g.Must(d.Nop, 0)
	})
}
