package msm_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"syscall"
	"testing"

	"virgldrm/core"
	"virgldrm/internal/simtest"
	"virgldrm/msm"
	"virgldrm/wire"
)

// The capset that a real guest was given on an Adreno 660.
func TestCapset(t *testing.T) {
	r, _ := newRenderer(t)
	want := unhex(t, "02000000 01000000 0d000000 00000000 01000000 00000000"+
		"01000000 03000000 0000000001000000 000000000f000000 94020000 00001000 0000100000000000 0100060600000000"+
		"0046c323 0f000000 0600000000000000 0100000000000000 01000000 01000000 00f0ffffffff0100")
	got := make([]byte, wire.CapsetSize)
	r.Capset(got)
	if !bytes.Equal(got[:len(want)], want) {
		t.Errorf("capset\n%x, want\n%x", got[:len(want)], want)
	}
	if !bytes.Equal(got[len(want):], make([]byte, len(got)-len(want))) {
		t.Errorf("capset tail %x", got[len(want):])
	}
}

func TestProbeRefuses(t *testing.T) {
	for _, c := range []struct {
		name, control, says string
		err                 syscall.Errno
	}{
		{"no node", "fail OPEN nth=1 errno=2 count=100", "no render node in /dev/dri", syscall.ENODEV},
		{"no permission", "fail OPEN nth=1 errno=13 count=100", "read and write access", syscall.ENODEV},
		{"no version", "fail VERSION nth=1 errno=5 count=100", "read the driver's version", syscall.ENODEV},
		{"no user-managed iova", "fail GET_PARAM nth=1 errno=22 count=100", "VA_SIZE is 0", syscall.ENOTSUP},
	} {
		t.Run(c.name, func(t *testing.T) {
			simtest.Control(t, c.control)
			defer simtest.Control(t, "reset")
			l := &logged{}
			_, err := core.New(core.Config{Drivers: []core.Driver{msm.Driver}, Log: l.logger(), Fences: simtest.Callbacks(), DRM: true})
			if !errors.Is(err, c.err) || !contains([]string{err.Error()}, c.says) {
				t.Fatalf("error %v, want %v saying %q", err, c.err, c.says)
			}
		})
	}
}

// Messages and answers byte for byte.
func TestGoldenVectors(t *testing.T) {
	g := newGuest(t)
	if got := g.mem[:16]; !bytes.Equal(got, unhex(t, "00000000 10000000 00000000 00000000")) {
		t.Fatalf("response memory starts with %x", got)
	}
	run := func(seqno uint32, message string) {
		t.Helper()
		g.seqno = seqno
		g.ok(g.r.Submit(g.ctx, unhex(t, message)))
		if g.word(0) != seqno {
			t.Fatalf("seqno %d, want %d", g.word(0), seqno)
		}
	}
	slot := func(off, reserved uint32) { binary.LittleEndian.PutUint32(g.mem[header+off:], reserved) }
	answer := func(off uint32, want string) {
		t.Helper()
		w := unhex(t, want)
		if got := g.mem[header+off:][:len(w)]; !bytes.Equal(got, w) {
			t.Fatalf("answer %x, want %x", got, w)
		}
	}
	for range 7 {
		simtest.Control(t, "fault")
	}
	run(1, "01000000 10000000 01000000 00000000")
	slot(0x20, 32)
	run(2, "02000000 2c000000 02000000 20000000 406418c0 10000000 09000000 00000000 00000000 00000000 00000000")
	answer(0x20, "20000000 00000000 10000000 09000000 07000000 00000000 00000000 00000000")
	slot(0x40, 24)
	run(3, "02000000 20000000 03000000 40000000 4a640cc0 01000000 01000000 00000000")
	answer(0x40, "14000000 00000000 01000000 01000000 01000000")
	run(4, "03000000 28000000 04000000 00000000 00100000 01000000 45230000 00000000 00000200 02000000")
	g.ok(g.blob(5, 2, 0x3000, wire.BlobMappable))
	simtest.Control(t, "hang")
	run(6, "07000000 54000000 06000000 00000000 10000080 01000000 01000000 01000000 09000000 01000000 05000000 00000000 00000000 01000000 00000000 00000000 40000000 00000000 00000000 00000000 00000000")
	slot(0x60, 16)
	run(7, "0a000000 18000000 07000000 60000000 01000000 09000000")
	answer(0x60, "08000000 92ffffff")
	simtest.Control(t, "unhang")
	g.ok(g.r.CreateFence(g.ctx, 2, 77))
	simtest.Retired(t, 1)
	run(5, "04000000 20000000 05000000 00000000 00000000 00000000 05000000 00000000")
	if g.asyncErrors() != 0 {
		t.Fatalf("%d asynchronous errors: %v", g.asyncErrors(), g.log.lines)
	}
}

func TestIoctlSimple(t *testing.T) {
	g := newGuest(t)
	fatal := func(name string, err error, body ...uint32) {
		t.Helper()
		before := g.word(0)
		if got := g.send(2, 0x100, body...); !errors.Is(got, err) {
			t.Errorf("%s: %v, want %v", name, got, err)
		}
		if g.word(0) != before || g.asyncErrors() != 0 {
			t.Errorf("%s: published or counted", name)
		}
	}
	fatal("another ioctl", syscall.EINVAL, 0xc0106442, 0, 0, 0, 0)
	fatal("the same number, no direction", syscall.EINVAL, 0x0000644a)
	fatal("the same number, shorter", syscall.EINVAL, 0xc008644a, 0, 0)
	fatal("the same number, longer", syscall.EINVAL, 0xc010644a, 0, 0, 0, 0)
	fatal("another type", syscall.EINVAL, 0xc00c3e4a, 0, 0, 0)
	fatal("a byte short", syscall.EINVAL, 0xc00c644a, 0, 0)
	fatal("a word too long", syscall.EINVAL, 0xc00c644a, 0, 0, 0, 0)
	g.ret(g.ask(32, 2, 0xc0106440, 0x10, 1, 0, 0), 0) // GET_PARAM's older form
	if a := g.ask(32, 2, 0xc0186440, 0x10, 1, 0, 0, 8, 0); int32(a[0]) != -1 {
		t.Errorf("GET_PARAM with a pointer: %v", a)
	}
	if a := g.ask(32, 2, 0xc0186440, 0x10, 999, 0, 0, 0, 0); int32(a[0]) != -1 {
		t.Errorf("unknown parameter: %v", a)
	}
	if a := g.ask(24, 2, 0xc00c644a, 0, 99, 0); int32(a[0]) != -1 {
		t.Errorf("queue of an impossible priority: %v", a)
	}
	id := g.queue(0)
	if a := g.ask(8, 2, 0x4004644b, id); len(a) != 1 || a[0] != 0 {
		t.Errorf("SUBMITQUEUE_CLOSE: %v", a)
	}
	if a := g.ask(8, 2, 0x4004644b, id); int32(a[0]) != -1 {
		t.Errorf("closed twice: %v", a)
	}
}

func TestGemNew(t *testing.T) {
	g := newGuest(t)
	lo, hi := iova(9)
	fails := func(name string, want error, body ...uint32) {
		t.Helper()
		n := g.asyncErrors()
		if err := g.send(3, 0, body...); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if g.asyncErrors() != n+1 {
			t.Errorf("%s: not counted", name)
		}
	}
	fails("blob_id 0", syscall.EINVAL, lo, hi, 0x1000, 0, boWC, 0)
	fails("size 0", syscall.EINVAL, lo, hi, 0, 0, boWC, 9)
	fails("unknown flags", syscall.EINVAL, lo, hi, 0x1000, 0, 0x80000000, 9)
	g.gemNew(9, 0x1000)
	fails("blob_id pending", syscall.EINVAL, lo, hi, 0x1000, 0, boWC, 9)
	before := simtest.Counters().BOs
	fails("address taken", syscall.ENOSPC, lo, hi, 0x1000, 0, boWC, 10)
	if simtest.Counters().BOs != before {
		t.Error("a buffer that got no address was leaked")
	}
	if err := g.blob(20, 10, 0x1000, 0); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("its blob: %v", err)
	}
}

func TestBlobRules(t *testing.T) {
	g := newGuest(t)
	g.gemNew(2, 0x2345)
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"64-bit blob_id", g.blob(5, 1<<32|2, 0x3000, 1), syscall.EINVAL},
		{"unknown blob_id", g.blob(5, 3, 0x3000, 1), syscall.ENOENT},
		{"size not rounded", g.blob(5, 2, 0x2345, 1), syscall.EINVAL},
		{"size too large", g.blob(5, 2, 0x4000, 1), syscall.EINVAL},
		{"second response memory", g.blob(5, 0, 0x4000, 1), syscall.EINVAL},
		{"res_id in use", g.blob(g.shm, 2, 0x3000, 1), syscall.EINVAL},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.err, c.want)
		}
	}
	simtest.Control(t, "fail PRIME_HANDLE_TO_FD nth=1 errno=24")
	if err := g.blob(5, 2, 0x3000, 3); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("failed export: %v", err)
	}
	// The buffer is still there for a correct request.
	g.ok(g.blob(5, 2, 0x3000, 3))
	if info, err := g.r.MapInfo(5); err != nil || info != wire.MapWC {
		t.Errorf("map info %d, %v", info, err)
	}
	lo, hi := iova(100)
	g.must(3, 0, lo, hi, 0x1000, 0, boWC, 2) // and blob_id 2 is free again
}

func TestExportAndMap(t *testing.T) {
	g := newGuest(t)
	for i, c := range []struct {
		name   string
		flags  uint32
		fdType uint32 // 0: export fails
	}{
		{"neither", 0, 0},
		{"MAPPABLE", wire.BlobMappable, wire.FdDmabuf},
		{"SHAREABLE", wire.BlobShareable, wire.FdDmabuf},
		{"both", wire.BlobMappable | wire.BlobShareable, wire.FdDmabuf},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := uint32(10 + i)
			g.t = t
			g.alloc(res, 0x1000, c.flags)
			fd, kind, err := g.r.Export(res)
			if (err == nil) != (c.fdType != 0) || kind != wire.FdDmabuf && err == nil {
				t.Errorf("export: type %d, %v", kind, err)
			}
			fd.Close()
			addr, size, err := g.r.Map(res)
			if c.fdType == 0 {
				if !errors.Is(err, syscall.EOPNOTSUPP) {
					t.Errorf("map: %v", err)
				}
				return
			}
			g.ok(err)
			if size != 0x1000 || addr == 0 {
				t.Errorf("mapped %d bytes at %#x", size, addr)
			}
			if _, _, err := g.r.Map(res); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("second map: %v", err)
			}
			// What the guest uploads shows in the VMM's mapping.
			g.must(8, 0, res, 0, 8, 4, 0x12345678)
			if got := *at(addr + 8); got != 0x12345678 {
				t.Errorf("uploaded word reads %#x", got)
			}
			g.ok(g.r.Unmap(res))
			if err := g.r.Unmap(res); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("second unmap: %v", err)
			}
		})
	}
}

func TestUpload(t *testing.T) {
	g := newGuest(t)
	g.alloc(5, 0x2345, 0)
	fails := func(name string, want error, body ...uint32) {
		t.Helper()
		if err := g.send(8, 0, body...); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	fails("pad", syscall.EINVAL, 5, 1, 0, 4, 0)
	fails("more than sent", syscall.EINVAL, 5, 0, 0, 8, 0)
	fails("length wraps", syscall.EINVAL, 5, 0, 0, 0xfffffff0, 0)
	fails("unknown resource", syscall.ENOENT, 6, 0, 0, 4, 0)
	fails("header only", syscall.ENOENT)
	fails("beyond the end", syscall.EFAULT, 5, 0, 0x2345, 4, 0)
	fails("offset wraps", syscall.EFAULT, 5, 0, 0xfffffffc, 8, 0, 0)
	g.must(8, 0, 5, 0, 0x2341, 4, 7)
	if g.asyncErrors() != 0 {
		t.Error("counted")
	}
}

func TestSetIova(t *testing.T) {
	g := newGuest(t)
	g.alloc(5, 0x1000, 1)
	lo, hi := iova(5)
	g.must(4, 0, lo, hi, 5, 0) // what it has already
	g.must(4, 0, lo, hi, 5)    // a 32-bit guest sends no padding
	if g.asyncErrors() != 0 {
		t.Fatalf("%d asynchronous errors", g.asyncErrors())
	}
	g.must(4, 0, lo+0x100000, hi, 5, 0)
	if g.asyncErrors() != 1 {
		t.Error("a second address was not counted")
	}
	g.must(4, 0, lo, hi, 99, 0)
	if g.asyncErrors() != 2 {
		t.Error("an unknown resource was not counted")
	}
	g.must(4, 0, 0, 0, 5, 0)
	if g.asyncErrors() != 2 {
		t.Error("releasing the address was counted")
	}
}

func TestInBandResults(t *testing.T) {
	g := newGuest(t)
	g.alloc(5, 0x1000, 1)
	q := g.queue(1)
	g.ret(g.ask(8, 5, 5, 1), 0)
	g.ret(g.ask(8, 5, 99, 1), -int32(syscall.ENOENT))
	g.ret(g.ask(8, 5, 5, 0x100), -int32(syscall.EINVAL))
	g.ret(g.ask(16, 10, 99, 0), -int32(syscall.ENOENT))
	g.ret(g.ask(16, 10, q, 1000), -int32(syscall.EINVAL))
	simtest.Control(t, "hang")
	g.submit(q, 1, 5)
	g.ret(g.ask(8, 5, 5, 1), -int32(syscall.EBUSY))
	g.ret(g.ask(16, 10, q, 1), -int32(syscall.ETIMEDOUT))
	simtest.Control(t, "unhang")
	g.ok(g.r.CreateFence(g.ctx, 2, 1))
	simtest.Retired(t, 1)
	g.ret(g.ask(16, 10, q, 1), 0)
	g.ret(g.ask(8, 5, 5, 1), 0)
	a := g.ask(16, 9, q, 0, 4)
	g.ret(a, 0)
	if len(a) != 3 || a[1] != 4 || a[2] != 0 {
		t.Errorf("SUBMITQUEUE_QUERY(FAULTS): %v", a)
	}
	if err := g.send(9, 0x100, q, 0, 0xfffffff0); !errors.Is(err, syscall.ENOMEM) {
		t.Errorf("query of 4 GiB: %v", err)
	}
	if g.asyncErrors() != 0 {
		t.Error("counted")
	}
}

func TestNames(t *testing.T) {
	g := newGuest(t)
	g.alloc(5, 0x1000, 1)
	g.must(6, 0, 5, 4, 0x6e6e6e6e)
	g.must(6, 0, 99, 4, 0x6e6e6e6e)
	g.must(6, 0) // cut to its header: names nothing
	g.must(6, 0, append([]uint32{5, 200}, make([]uint32, 50)...)...)
	if err := g.send(6, 0, 5, 5, 0); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("name longer than sent: %v", err)
	}
	g.must(11, 0, 4, 4, 0x00414141, 0x00424242)
	for _, body := range [][]uint32{{4, 8, 0, 0}, {0xffffffff, 0x10, 0}, {}} {
		if err := g.send(11, 0, body...); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("debug info %v: %v", body, err)
		}
	}
	if g.asyncErrors() != 0 {
		t.Error("counted")
	}
}
