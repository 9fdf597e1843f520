package contract

import (
	"bytes"
	"encoding/binary"
	"errors"
	"syscall"
	"testing"

	"virgldrm/core"
	"virgldrm/internal/simtest"
	"virgldrm/wire"
)

// shmem: one per context, large enough for the header, and it starts with it.
func shmem(t *testing.T, d *Driver) {
	g := d.NewGuest(t)
	want := make([]byte, ShmSize)
	binary.LittleEndian.PutUint32(want[4:], d.ShmemHeader)
	if !bytes.Equal(g.Mem, want) {
		t.Errorf("response memory starts with %x", g.Mem[:d.ShmemHeader])
	}
	g.OK(g.R.CreateContext(2, wire.CapsetDRM, ""))
	for _, a := range []core.BlobArgs{
		{Res: 5, Ctx: 1, Flags: wire.BlobMappable, Size: ShmSize}, // its second
		{Res: 5, Ctx: 2, Flags: wire.BlobMappable, Size: uint64(d.ShmemHeader) - 1},
		{Res: 5, Ctx: 2, Flags: wire.BlobMappable | wire.BlobShareable, Size: ShmSize},
		{Res: 5, Ctx: 2, Size: ShmSize},
		{Res: 5, Ctx: 2, Flags: wire.BlobMappable, Size: 1 << 32},
	} {
		a.Mem = wire.BlobMemHost3D
		if err := g.R.CreateBlob(&a); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("response memory %+v: %v", a, err)
		}
	}
}

func blobRules(t *testing.T, d *Driver) {
	g := d.NewGuest(t)
	size := uint64(3 * d.Page)
	g.Park(2, size)
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"64-bit blob_id", g.Blob(5, 1<<32|2, size, 1), syscall.EINVAL},
		{"unknown blob_id", g.Blob(5, 3, size, 1), syscall.ENOENT},
		{"size not rounded", g.Blob(5, 2, size-1, 1), syscall.EINVAL},
		{"size too small", g.Blob(5, 2, size-0x1000, 1), syscall.EINVAL},
		{"size too large", g.Blob(5, 2, size+0x1000, 1), syscall.EINVAL},
		{"size beyond 32 bits", g.Blob(5, 2, size+1<<32, 1), syscall.EINVAL},
		{"second response memory", g.Blob(5, 0, ShmSize, 1), syscall.EINVAL},
		{"res_id in use", g.Blob(g.Shm, 2, size, 1), syscall.EINVAL},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.err, c.want)
		}
	}
	simtest.Control(t, "fail PRIME_HANDLE_TO_FD nth=1 errno=24")
	if err := g.Blob(5, 2, size, 3); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("failed export: %v", err)
	}
	// The buffer is still there for a correct request, once.
	g.OK(g.Blob(5, 2, size, 3))
	if err := g.Blob(6, 2, size, 3); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("a second resource of one buffer: %v", err)
	}
	if info, err := g.R.MapInfo(5); err != nil || info == wire.MapNone {
		t.Errorf("map info %d, %v", info, err)
	}
	g.R.Unref(5)
	g.Park(2, size)
	for _, id := range []uint32{0, 2} { // the response memory's, and one that waits
		before, q := g.AsyncErrors(), d.Allocate(id, size)
		err := g.Send(q.Cmd, 0, q.Words...)
		if d.AllocateIsFatal != errors.Is(err, syscall.EINVAL) || !d.AllocateIsFatal && err != nil {
			t.Errorf("blob_id %d: %v", id, err)
		}
		if !g.Counted(before + 1) {
			t.Errorf("blob_id %d: %d counted", id, g.AsyncErrors()-before)
		}
	}
	if err := g.Blob(6, 3, size, 1); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("blob of what was not allocated: %v", err)
	}
}

func exportAndMap(t *testing.T, d *Driver) {
	g := d.NewGuest(t)
	for i, c := range []struct {
		name              string
		flags             uint32
		exported, mappped bool
	}{
		{"neither", 0, false, false},
		{"MAPPABLE", wire.BlobMappable, d.ExportsMappable, true},
		{"SHAREABLE", wire.BlobShareable, true, true},
		{"both", wire.BlobMappable | wire.BlobShareable, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, size := uint32(10+i), uint64(d.Page)
			g.T = t
			g.Alloc(res, size, c.flags)
			fd, kind, err := g.R.Export(res)
			if (err == nil) != c.exported || kind != wire.FdDmabuf && err == nil {
				t.Errorf("export: type %d, %v", kind, err)
			}
			fd.Close()
			addr, n, err := g.R.Map(res)
			if !c.mappped {
				if !errors.Is(err, syscall.EOPNOTSUPP) {
					t.Errorf("map: %v", err)
				}
				return
			}
			g.OK(err)
			if n != size || addr == 0 {
				t.Fatalf("mapped %d bytes at %#x", n, addr)
			}
			if _, _, err := g.R.Map(res); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("second map: %v", err)
			}
			*At(addr + 8) = 0x12345678
			g.OK(g.R.Unmap(res))
			if err := g.R.Unmap(res); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("second unmap: %v", err)
			}
			addr, _, err = g.R.Map(res)
			g.OK(err)
			if got := *At(addr + 8); got != 0x12345678 {
				t.Errorf("the word reads %#x in a new mapping", got)
			}
		})
	}
}

func sharing(t *testing.T, d *Driver) {
	g := d.NewGuest(t)
	other := d.AddGuest(t, g.R, g.Log, 2)
	flags := map[uint32]uint32{5: wire.BlobShareable | wire.BlobMappable, 6: wire.BlobMappable, 7: 0}
	for res := uint32(5); res <= 7; res++ {
		g.Alloc(res, uint64(d.Page), flags[res])
		g.R.Attach(2, res)
		g.R.Attach(2, res)
		g.R.Attach(1, res)
	}
	for res, want := range map[uint32]bool{5: true, 6: d.ExportsMappable, 7: false, 99: false} {
		if got := d.Knows(other, res); got != want {
			t.Errorf("resource %d is shared: %v", res, got)
		}
	}
	third := d.AddGuest(t, g.R, g.Log, 3)
	g.R.Attach(3, 5)
	// Only a shareable one outlives its creator.
	g.R.DestroyContext(1)
	if fd, _, err := g.R.Export(5); err != nil {
		t.Error(err)
	} else {
		fd.Close()
	}
	if _, _, err := g.R.Export(6); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("export without its context: %v", err)
	}
	if err := g.R.MapFixed(6, 0x1000); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("map_fixed without its context: %v", err)
	}
	if !d.Knows(other, 5) || !d.Knows(third, 5) {
		t.Error("an import ended with its creator")
	}
	g.R.Unref(5)
	if d.Knows(other, 5) || d.Knows(third, 5) {
		t.Error("known after unref")
	}
}

// Two resources of one dma-buf are one GEM handle: the first detach must not
// close it for the other, the last one must.
func handlesAreCounted(t *testing.T, d *Driver) {
	g := d.NewGuest(t)
	g.Alloc(5, uint64(d.Page), wire.BlobShareable)
	fd, _, err := g.R.Export(5)
	g.OK(err)
	g.OK(g.R.ImportBlob(6, wire.BlobMemHost3D, wire.FdDmabuf, fd.Num(), uint64(d.Page)))
	fd.Take()
	g.R.Attach(1, 6)
	if n := simtest.Counters().Handles; n != 1 || !d.Knows(g, 6) {
		t.Errorf("%d handles for one buffer", n)
	}
	g.R.Detach(1, 6)
	if d.Knows(g, 6) || !d.Knows(g, 5) {
		t.Error("the first detach ended the wrong one")
	}
	g.R.Detach(1, 5)
	if n := simtest.Counters().Handles; n != 0 {
		t.Errorf("%d handles left", n)
	}
}

func outOfDescriptors(t *testing.T, d *Driver) {
	g := d.NewGuest(t)
	g.Park(2, uint64(d.Page))
	simtest.Control(t, "fail PRIME_HANDLE_TO_FD nth=1 errno=24")
	if err := g.Blob(5, 2, uint64(d.Page), wire.BlobShareable); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("%v", err)
	}
	if !g.Log.Says("RLIMIT_NOFILE") {
		t.Errorf("the log does not say what to do: %q", g.Log.Lines)
	}
}
