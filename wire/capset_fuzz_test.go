package wire

import (
	"bytes"
	"testing"
	"unsafe"
)

// FuzzCapset stores arms of several sizes: the head, the rest of the union and
// the memory around stay as they are, and what went in comes out.
func FuzzCapset(f *testing.F) {
	f.Add([]byte{1, 2, 3}, byte(0x11), byte(0xee), true)
	f.Add(bytes.Repeat([]byte{0xff}, CapsetSize), byte(0), byte(0x55), false)
	f.Fuzz(func(t *testing.T, data []byte, head, around byte, truth bool) {
		put[[0]byte](t, data, head, around)
		put[[1]byte](t, data, head, around)
		put[[88]byte](t, data, head, around) // msm
		put[[CapsetSize - 24]byte](t, data, head, around)
		if !panics(func() { put[[CapsetSize - 24 + 1]byte](t, data, head, around) }) {
			t.Error("an arm larger than the union was taken")
		}
		if v := Tri(truth); truth && v != 1 || !truth && v != 0xffffffff {
			t.Errorf("%v is %#x", truth, v)
		}
	})
}

func put[T any](t *testing.T, data []byte, head, around byte) {
	t.Helper()
	var c struct {
		before [64]byte
		caps   Capset
		behind [64]byte
	}
	var arm T
	memory := unsafe.Slice((*byte)(unsafe.Pointer(&c)), unsafe.Sizeof(c))
	for i := range memory {
		memory[i] = around
	}
	caps := c.caps.Bytes()
	for i := range caps[:24] {
		caps[i] = head
	}
	n := copy(unsafe.Slice((*byte)(unsafe.Pointer(&arm)), unsafe.Sizeof(arm)), data)
	size := int(unsafe.Sizeof(arm))
	want := bytes.Clone(memory)

	PutCaps(&c.caps, &arm)
	copy(want[64+24:], data[:n])
	clear(want[64+24+n:][:size-n])
	if !bytes.Equal(memory, want) {
		t.Errorf("an arm of %d bytes: memory %x, want %x", size, memory, want)
	}
	back := GetCaps[T](&c.caps)
	if got := unsafe.Slice((*byte)(unsafe.Pointer(&back)), size); !bytes.Equal(got, want[64+24:][:size]) {
		t.Errorf("an arm of %d bytes came back as %x", size, got)
	}
}

func panics(run func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	run()
	return false
}
