package contract

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"syscall"
	"testing"

	"virgldrm/core"
	"virgldrm/internal/simtest"
	"virgldrm/wire"
)

// FuzzCapset lets requests of the probe fail: every word of the capset is then
// unknown or what it is, booleans have only values of their own, and a
// destination is never overrun.
func FuzzCapset(f *testing.F, d *Driver) {
	r, _ := d.NewRenderer(f)
	sound := make([]byte, wire.CapsetSize)
	r.Capset(sound)
	kinds := append([]string{"OPEN", "VERSION", "GEM_CLOSE"}, d.Probes...)
	for kind := range kinds {
		f.Add(byte(kind), byte(1), byte(1), byte(syscall.EINVAL), uint16(wire.CapsetSize))
		f.Add(byte(kind), byte(3), byte(200), byte(syscall.EIO), uint16(wire.CapsetSize-5))
	}
	f.Add(byte(0), byte(1), byte(3), byte(syscall.EINTR), uint16(0))

	f.Fuzz(func(t *testing.T, kind, nth, count, errno byte, size uint16) {
		before := simtest.Counters()
		simtest.Control(t, "fail "+kinds[int(kind)%len(kinds)]+" nth="+strconv.Itoa(int(max(nth, 1)))+
			" count="+strconv.Itoa(int(count))+" errno="+strconv.Itoa(int(max(errno, 1))))
		r, err := core.New(d.Config(&Log{}))
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
			case at < 24 && v != is:
				t.Errorf("head at %d is %#x, not %#x", at, v, is)
			case d.Tri[at] && v != 1 && v != 0xffffffff:
				t.Errorf("boolean at %d is %#x", at, v)
			case !d.Tri[at] && v != 0 && v != is:
				t.Errorf("word at %d is %#x, not %#x", at, v, is)
			}
		}
	})
}
