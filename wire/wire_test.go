package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// A driver of three commands stands in for a real one.
type toy struct {
	ran  []string
	fail error
}

type echoReq struct {
	Hdr  Req
	A, B uint32
}

type echoRsp struct {
	Hdr  Rsp
	A, B uint32
}

var toyTable = Table[*toy]{
	1: Nop[*toy]("NOP"),
	2: On("ECHO", (*toy).echo),
	3: On("SILENT", (*toy).silent),
}

func (t *toy) echo(q *echoReq, tail Tail, r *echoRsp) error {
	r.A, r.B = q.A, q.B+tail.Len()
	t.ran = append(t.ran, "echo")
	return t.fail
}

func (t *toy) silent(q *echoReq, tail Tail, _ *None) error {
	t.ran = append(t.ran, "silent")
	return t.fail
}

func words(w ...uint32) []byte {
	b := make([]byte, len(w)*4)
	for i, v := range w {
		binary.NativeEndian.PutUint32(b[i*4:], v)
	}
	return b
}

func call() *Call { return NewCall(make([]byte, ScratchSize)) }

func TestBatch(t *testing.T) {
	nop := words(1, 16, 7, 0)
	for _, c := range []struct {
		name  string
		batch []byte
		align uint32
		err   error
		seqno uint32
		ran   int
	}{
		{"empty", nil, 4, nil, 0, 0},
		{"nop publishes its seqno", nop, 4, nil, 7, 0},
		{"two in order", append(bytes.Clone(nop), words(1, 16, 9, 0)...), 4, nil, 9, 0},
		{"trailing bytes come after what ran", append(bytes.Clone(nop), 1, 2, 3, 4), 4, syscall.EINVAL, 7, 0},
		{"length below a header", words(1, 12, 7, 0), 4, syscall.EINVAL, 0, 0},
		{"length beyond the batch", words(1, 20, 7, 0), 4, syscall.EINVAL, 0, 0},
		{"length near 2^32", words(1, 0xfffffffc, 7, 0), 4, syscall.EINVAL, 0, 0},
		{"odd length", append(words(1, 18, 7, 0), 0, 0, 0, 0), 4, syscall.EINVAL, 0, 0},
		{"length of 4 where 8 is asked for", words(1, 20, 7, 0, 0), 8, syscall.EINVAL, 0, 0},
		{"odd rsp_off, no response", words(1, 16, 7, 2), 4, syscall.EINVAL, 0, 0},
		{"command 0", words(0, 16, 7, 0), 4, syscall.EINVAL, 0, 0},
		{"command without a row", words(4, 16, 7, 0), 4, syscall.EINVAL, 0, 0},
		{"short request reads zeros", words(3, 16, 7, 0), 4, nil, 7, 1},
		{"long request is fine", words(3, 32, 7, 0, 1, 2, 3, 4), 4, nil, 7, 1},
		{"first error drops the rest", append(words(0, 16, 7, 0), words(1, 16, 8, 0)...), 4, syscall.EINVAL, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			mem := make([]byte, 64)
			x := &toy{}
			err := toyTable.Run(x, call(), c.batch, c.align, NewShmem(mem, 16))
			if !errors.Is(err, c.err) && err != c.err {
				t.Errorf("error %v, want %v", err, c.err)
			}
			if got := binary.NativeEndian.Uint32(mem); got != c.seqno {
				t.Errorf("seqno %d, want %d", got, c.seqno)
			}
			if len(x.ran) != c.ran {
				t.Errorf("ran %v", x.ran)
			}
		})
	}
}

func TestHandlerErrorPublishesNothing(t *testing.T) {
	mem := make([]byte, 64)
	shm := NewShmem(mem, 16)
	binary.NativeEndian.PutUint32(mem[16:], 12)
	before := bytes.Clone(mem)
	x := &toy{fail: syscall.ENOSPC}
	m := call()
	if err := toyTable.Run(x, m, words(2, 24, 7, 0, 1, 2), 4, shm); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("error %v", err)
	}
	if !bytes.Equal(mem, before) {
		t.Fatal("a failed command wrote to the guest")
	}
	// Nor does its response turn up with the next command.
	x.fail = nil
	if err := toyTable.Run(x, m, words(3, 16, 8, 0), 4, shm); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(mem[16:], before[16:]) {
		t.Fatal("a stale response was published")
	}
}

func TestResponseSlots(t *testing.T) {
	const header, size = 16, 48 // 32 bytes of response memory
	for _, c := range []struct {
		name      string
		off       uint32
		guestLen  uint32
		err       error
		published uint32
	}{
		{"exact", 0, 12, nil, 12},
		{"guest reserved more", 0, 16, nil, 12},
		{"older guest", 0, 8, nil, 8},
		{"guest length 4", 0, 4, nil, 4},
		{"guest length 3 still tells the length", 0, 3, nil, 3},
		{"guest length 0", 0, 0, nil, 0},
		{"guest length is a lie", 20, 0xffffffff, nil, 12},
		{"last slot", 20, 12, nil, 12},
		{"one word too far", 24, 12, syscall.ENOMEM, 0},
		{"at the end", 32, 12, syscall.ENOMEM, 0},
		{"beyond", 36, 12, syscall.ENOMEM, 0},
		{"near 2^32", 0xfffffffc, 12, syscall.ENOMEM, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			mem := bytes.Repeat([]byte{0xee}, size)
			shm := NewShmem(mem, header)
			if in := header + uint64(c.off); in+4 <= size {
				binary.NativeEndian.PutUint32(mem[in:], c.guestLen)
			}
			before := bytes.Clone(mem)
			err := toyTable.Run(&toy{}, call(), words(2, 28, 5, c.off, 0x11, 0x22, 0), 4, shm)
			if !errors.Is(err, c.err) && err != c.err {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			want := before
			if err == nil {
				copy(want, words(5))
				slot := want[header+c.off:]
				copy(slot[:max(c.published, 4)], words(c.published, 0x11, 0x22+4)[:max(c.published, 4)])
				copy(slot, words(c.published))
			}
			if !bytes.Equal(mem, want) {
				t.Fatalf("memory\n%s want\n%s", hex.Dump(mem), hex.Dump(want))
			}
		})
	}
}

func TestCommandsBeforeResponseMemory(t *testing.T) {
	x := &toy{}
	if err := toyTable.Run(x, call(), words(3, 16, 1, 0), 4, nil); err != nil {
		t.Fatal(err)
	}
	if err := toyTable.Run(x, call(), words(2, 24, 2, 0, 1, 2), 4, nil); !errors.Is(err, syscall.ENOMEM) {
		t.Fatalf("a response without memory: %v", err)
	}
}

func TestErrorNamesTheCommand(t *testing.T) {
	err := toyTable.Run(&toy{fail: syscall.ENOSPC}, call(), words(3, 16, 41, 0), 4, nil)
	if err == nil || err.Error() != "SILENT seqno 41: no space left on device" {
		t.Fatalf("%v", err)
	}
	err = toyTable.Run(&toy{}, call(), words(9, 16, 41, 0), 4, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "ccmd 9 seqno 41: unknown command") {
		t.Fatalf("%v", err)
	}
}

func TestLayouts(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"request header", unsafe.Sizeof(Req{}), ReqSize},
		{"response header", unsafe.Sizeof(Rsp{}), RspSize},
		{"capset head", unsafe.Sizeof(CapsetHead{}), 24},
		{"capset", unsafe.Sizeof(Capset{}), CapsetSize},
		{"context_type", unsafe.Offsetof(CapsetHead{}.ContextType), 16},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.name, c.got, c.want)
		}
	}
	if Tri(true) != 1 || Tri(false) != 0xffffffff {
		t.Error("capset booleans")
	}
}

func TestNoAllocations(t *testing.T) {
	mem := make([]byte, 256)
	shm, m, x := NewShmem(mem, 16), call(), &struct{}{}
	table := Table[*struct{}]{
		1: Nop[*struct{}]("NOP"),
		2: On("ECHO", func(_ *struct{}, q *echoReq, _ Tail, r *echoRsp) error { r.A = q.A; return nil }),
	}
	batch := append(words(1, 16, 1, 0), words(2, 24, 2, 8, 1, 2)...)
	if n := testing.AllocsPerRun(100, func() {
		if err := table.Run(x, m, batch, 4, shm); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Fatalf("%v allocations per batch", n)
	}
}

func FuzzBatch(f *testing.F) {
	f.Add(append(words(1, 16, 7, 0), words(2, 24, 8, 4, 1, 2)...), uint16(64))
	f.Add(words(2, 16, 7, 0xfffffff0), uint16(16))
	f.Fuzz(func(t *testing.T, batch []byte, size uint16) {
		batch = batch[:len(batch)&^3]
		backing := bytes.Repeat([]byte{0x55}, int(size)+16+64)
		mem := backing[: int(size)+16 : int(size)+16]
		err := toyTable.Run(&toy{}, call(), batch, 4, NewShmem(mem, 16))
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("error of another kind: %v", err)
		}
		if !bytes.Equal(backing[len(mem):], bytes.Repeat([]byte{0x55}, 64)) {
			t.Fatal("wrote behind the response memory")
		}
	})
}
