package msm_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"syscall"
	"testing"
	"unsafe"

	"virgldrm/core"
	"virgldrm/internal/simtest"
)

// What reaches the kernel, argument by argument: the simulator cannot tell a
// clean argument from a dirty one that a real kernel would act on.

type kernelSubmit struct { // struct drm_msm_gem_submit
	Flags, Fence, NrBos, NrCmds uint32
	Bos, Cmds                   uint64
	FenceFd                     int32
	Queue                       uint32
	InSyncobjs, OutSyncobjs     uint64
	NrIn, NrOut, Stride, Pad    uint32
}

func TestSubmitReachesTheKernel(t *testing.T) {
	g := driver.NewGuest(t)
	g.Alloc(5, 0x1000, 1)
	g.Alloc(6, 0x1000, 1)
	q := g.Queue(1)
	simtest.Control(t, "record")
	const out, sn = 0x20000000, 0x02000000
	seq := uint32(0)
	submit := func(flags uint32) kernelSubmit {
		t.Helper()
		seq++
		w := submitWords(q, seq, 5, 6)
		w[0], w[3] = flags, 1
		g.Must(7, 0, append(w, 1, 1, 0x10, 0x40, 0, 0, 0xdeadbeef, 0xdeadbeef)...)
		return simtest.Last[kernelSubmit](t, "SUBMIT")
	}
	// Of the guest's flags, its pipe and NO_IMPLICIT count.
	for _, c := range []struct{ guest, kernel uint32 }{
		{0x10, 0x10 | out | sn},
		{0x80000010, 0x80000010 | out | sn},
		{0x7fff0010, 0x10 | out | sn},
	} {
		a := submit(c.guest)
		if a.Flags != c.kernel {
			t.Errorf("flags %#x became %#x, want %#x", c.guest, a.Flags, c.kernel)
		}
		want := kernelSubmit{Flags: c.kernel, Fence: seq, NrBos: 2, NrCmds: 1, Bos: a.Bos, Cmds: a.Cmds, FenceFd: -1, Queue: q}
		if a != want {
			t.Errorf("submitted %+v, want %+v", a, want)
		}
		bos := simtest.Memory(a.Bos, 32)
		for i, res := range []uint32{5, 6} {
			if h := binary.NativeEndian.Uint32(bos[16*i+4:]); h == 0 || h == res || binary.NativeEndian.Uint32(bos[16*i:]) != 3 {
				t.Errorf("buffer %d became handle %d: %x", res, h, bos)
			}
		}
		cmd := simtest.Memory(a.Cmds, 32)
		if !bytes.Equal(cmd[:24], words(1, 1, 0x10, 0x40, 0, 0)) {
			t.Errorf("command %x", cmd)
		}
		if !bytes.Equal(cmd[24:], make([]byte, 8)) {
			t.Errorf("the guest's pointer to relocations reached the kernel: %x", cmd)
		}
	}
	// Relocations never do, though older GPUs would take them.
	before := simtest.Calls(t, "SUBMIT")
	w := submitWords(q, 100, 5)
	w[3] = 1
	g.Must(7, 0, append(w, 1, 0, 0, 0x40, 0, 1, 0, 0)...)
	if simtest.Calls(t, "SUBMIT") != before || g.AsyncErrors() != 1 {
		t.Errorf("relocations: %d errors counted", g.AsyncErrors())
	}
	// An in-fence is used once, and FENCE_FD_IN says so.
	g.OK(g.R.CreateFence(1, 1, 1))
	simtest.Retired(t, 1)
	fd, err := g.R.SignalledFence()
	g.OK(err)
	g.OK(g.R.AttachFence(1, fd.Num()))
	fd.Take()
	if a := submit(0x10); a.Flags != 0x10|out|sn|0x40000000 || a.FenceFd < 0 {
		t.Errorf("with an in-fence: %+v", a)
	}
	if a := submit(0x10); a.Flags != 0x10|out|sn || a.FenceFd != -1 {
		t.Errorf("after it: %+v", a)
	}
}

func words(list ...uint32) (b []byte) {
	for _, w := range list {
		b = binary.NativeEndian.AppendUint32(b, w)
	}
	return b
}

func TestPollingReachesTheKernel(t *testing.T) {
	g := driver.NewGuest(t)
	g.Alloc(5, 0x1000, 1)
	q := g.Queue(1)
	g.Submit(q, 7, 5)
	simtest.Control(t, "record")
	g.Ask(8, 5, 5, 1)
	const nosync, boost = 4, 8
	if a := simtest.Last[[6]uint32](t, "CPU_PREP"); a[1] != 1|nosync|boost || a[2]|a[3]|a[4]|a[5] != 0 {
		t.Errorf("CPU_PREP %x", a)
	}
	start := now()
	g.Ask(8, 10, q, 7)
	type waitFence struct {
		Fence, Flags  uint32
		Sec, Nsec     int64
		Queue, Unused uint32
	}
	a := simtest.Last[waitFence](t, "WAIT_FENCE")
	if at := a.Sec*1e9 + a.Nsec; at < start || at > now() || a.Nsec >= 1e9 {
		t.Errorf("the kernel would wait until %d, now is %d", at, now())
	}
	if a.Fence != 7 || a.Flags != 1 || a.Queue != q {
		t.Errorf("WAIT_FENCE %+v", a)
	}
}

// now is the kernel's monotonic clock in nanoseconds.
func now() int64 {
	var ts syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

func TestNamesReachTheKernel(t *testing.T) {
	g := driver.NewGuest(t)
	g.Alloc(5, 0x1000, 1)
	simtest.Control(t, "record")
	type info struct {
		Handle, Info uint32
		Value        uint64
		Len, Pad     uint32
	}
	type param struct {
		Pipe, Param uint32
		Value       uint64
		Len, Pad    uint32
	}
	name := []byte("a buffer's name, 31 bytes long.")
	send := func(cmd uint32, fixed []uint32, text []byte) {
		t.Helper()
		g.Seqno++
		text = append(bytes.Clone(text), make([]byte, -len(text)&3)...)
		b := append(g.Message(cmd, 0, fixed...), text...)
		binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
		g.OK(g.R.Submit(g.Ctx, b))
	}
	send(6, []uint32{5, uint32(len(name))}, name)
	a := simtest.Last[info](t, "GEM_INFO")
	if got := simtest.Memory(a.Value, int(a.Len)); a.Info != 2 || a.Handle == 0 || !bytes.Equal(got, name) {
		t.Errorf("SET_NAME %+v %q", a, got)
	}
	comm, cmdline := []byte("vktest\x00"), bytes.Repeat([]byte("x"), 4096)
	both := append(bytes.Clone(comm), cmdline...)
	send(11, []uint32{uint32(len(comm)), uint32(len(cmdline))}, both)
	p := simtest.Last[param](t, "SET_PARAM")
	if got := simtest.Memory(p.Value, int(p.Len)); p.Pipe != 0x10 || p.Param != 13 || !bytes.Equal(got, cmdline) {
		t.Errorf("CMDLINE %+v %.20q", p, got)
	}
	send(11, []uint32{uint32(len(comm)), 4097}, append(both, 'x'))
	p = simtest.Last[param](t, "SET_PARAM")
	if got := simtest.Memory(p.Value, int(p.Len)); p.Param != 12 || !bytes.Equal(got, comm) {
		t.Errorf("COMM %+v %q, and the command line is too long", p, got)
	}
}

// What the host cannot do ends the command that wants it, and nothing else.
func TestHostFails(t *testing.T) {
	g := driver.NewGuest(t)
	g.Alloc(5, 0x1000, 0)
	upload := func() error { return g.Send(8, 0, 5, 0, 0, 4, 7) }
	for _, kind := range []string{"GEM_INFO", "MMAP"} {
		simtest.Control(t, "fail "+kind+" nth=1 errno=12")
		if err := upload(); !errors.Is(err, syscall.ENOMEM) {
			t.Errorf("upload when %s fails: %v", kind, err)
		}
	}
	g.OK(upload())
	simtest.Control(t, "fail GEM_NEW nth=1 errno=12")
	lo, hi := iova(6)
	if err := g.Send(3, 0, lo, hi, 0x1000, 0, boWC, 6); !errors.Is(err, syscall.ENOMEM) || g.AsyncErrors() != 1 {
		t.Errorf("GEM_NEW without memory: %v, %d counted", err, g.AsyncErrors())
	}
	g.Must(3, 0, lo, hi, 0x1000, 0, boWC, 6)
	q := g.Queue(1)
	simtest.Control(t, "hang")
	g.Submit(q, 1)
	g.OK(g.R.CreateFence(1, 1, 1))
	fd, err := g.R.ExportFence(1)
	g.OK(err)
	again, err := fd.Dup()
	g.OK(err)
	g.OK(g.R.AttachFence(1, fd.Num()))
	fd.Take()
	simtest.Control(t, "fail MERGE nth=1 errno=12")
	if err := g.R.AttachFence(1, again.Num()); !errors.Is(err, core.ErrMerge) {
		t.Errorf("in-fences that cannot be merged: %v", err)
	}
	again.Take()
}
