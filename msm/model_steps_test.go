package msm_test

import (
	"encoding/binary"
	"fmt"
	"syscall"

	"virgldrm/core"
	"virgldrm/internal/contract"
	"virgldrm/msm"
	"virgldrm/resources"
	"virgldrm/wire"
)

// The steps of the model: each makes one call and says what it had to answer.

// send submits one command; a failing one leaves the seqno alone.
func (m *machine) send(id uint32, want syscall.Errno, cmd, rspOff uint32, body ...uint32) error {
	m.last++
	g := contract.Guest{Seqno: m.last}
	if c := m.ctxs[id]; c == nil {
		want = syscall.EINVAL
	} else if want == 0 && c.mem != nil {
		c.seqno = m.last
	}
	return is(m.r.Submit(id, g.Message(cmd, rspOff, body...)), want)
}

func (m *machine) context(o op) error {
	if o.ctx == 0 {
		return is(m.r.CreateContext(0, wire.CapsetDRM, ""), syscall.EINVAL)
	}
	if m.ctxs[o.ctx] == nil {
		m.ctxs[o.ctx] = &modelCtx{pending: map[uint32]*modelObj{}, objs: map[uint32]*modelObj{}, iova: map[*modelBuf]uint64{}}
	}
	return is(m.r.CreateContext(o.ctx, wire.CapsetDRM, ""), 0)
}

func (m *machine) destroy(o op) error {
	if c := m.ctxs[o.ctx]; c != nil {
		syscall.Munmap(c.mem)
	}
	delete(m.ctxs, o.ctx)
	m.r.DestroyContext(o.ctx)
	return nil
}

func (m *machine) shmem(o op) error {
	c := m.ctxs[o.ctx]
	a := core.BlobArgs{Res: o.res, Ctx: o.ctx, Mem: wire.BlobMemHost3D, Flags: wire.BlobMappable, Size: 0x1000}
	bad := c == nil || o.res == 0 || m.res[o.res] != nil || c.mem != nil
	switch o.x {
	case 0:
		a.Flags, bad = wire.BlobMappable|wire.BlobShareable, true
	case 1:
		a.Size, bad = 15, true
	case 2:
		a.Size, bad = 1<<32, true
	}
	if bad {
		return is(m.r.CreateBlob(&a), syscall.EINVAL)
	}
	if err := is(m.r.CreateBlob(&a), 0); err != nil {
		return err
	}
	m.res[o.res] = &modelRes{kind: resources.Shm, size: a.Size, file: a.Size, info: wire.MapCached}
	fd, _, err := m.r.Export(o.res)
	if err != nil {
		return err
	}
	defer fd.Close()
	c.mem, err = syscall.Mmap(fd.Num(), 0, int(a.Size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	return err
}

func (m *machine) gemNew(o op) error {
	size := []uint64{0x1000, 0x1234, 0x3000, 0x10, 0x5000}[o.x%5]
	at := uint64(iovaBase) + uint64(o.y%24)<<16
	flags, want := uint32(boWC), syscall.Errno(0)
	c := m.ctxs[o.ctx]
	switch {
	case o.x == 63:
		size, want = 0, syscall.EINVAL
	case o.x == 62:
		flags, want = boWC|4, syscall.EINVAL
	case o.y == 63:
		at, want = at+1, syscall.EINVAL
	}
	if c != nil {
		for _, used := range c.iova {
			if used == at && want == 0 {
				want = syscall.ENOSPC
			}
		}
		if o.blob == 0 || c.pending[o.blob] != nil {
			want = syscall.EINVAL
		}
		if want != 0 && c.mem != nil {
			c.errs++
		}
		if want == 0 {
			b := &modelBuf{size: (size + 0xfff) &^ 0xfff}
			c.pending[o.blob], c.iova[b] = &modelObj{buf: b, size: size}, at
		}
	}
	return m.send(o.ctx, want, 3, 0, uint32(at), uint32(at>>32), uint32(size), 0, flags, o.blob)
}

func (m *machine) blob(o op) error {
	c := m.ctxs[o.ctx]
	a := core.BlobArgs{Res: o.res, Ctx: o.ctx, Mem: wire.BlobMemHost3D, ID: uint64(o.blob), Flags: o.y & 7, Size: 0x1000}
	var obj *modelObj
	want := syscall.EINVAL
	if c != nil {
		if obj = c.pending[o.blob]; obj != nil {
			a.Size, want = obj.buf.size, 0
		} else if o.blob != 0 {
			want = syscall.ENOENT
		}
	}
	if o.blob == 0 {
		a.Size = 1 // too small for response memory
	}
	mismatch := false
	switch o.x {
	case 0:
		a.Size, mismatch = a.Size+1, true
	case 1:
		a.Mem, want = wire.BlobMemGuestVRAM, syscall.EINVAL
	case 2:
		a.ID, want = a.ID|1<<32, syscall.EINVAL
	case 3:
		a.Iov, want = resources.Iov{Base: 0x1000, Count: 1}, syscall.EINVAL
	case 4:
		a.Size, want = 0, syscall.EINVAL
	case 5:
		a.Mem, a.Iov, a.IovBytes = wire.BlobMemHost3DGuest, resources.Iov{Base: 0x1000, Count: 1}, a.Size
	}
	if o.res == 0 || m.res[o.res] != nil || mismatch && want == 0 {
		want = syscall.EINVAL
	}
	if want == 0 {
		delete(c.pending, o.blob)
		c.objs[o.res] = obj
		obj.flags = a.Flags
		s := &modelRes{kind: resources.Opaque, creator: o.ctx, buf: obj.buf, size: a.Size, file: obj.buf.size, info: wire.MapWC}
		if a.Flags&wire.BlobShareable != 0 {
			s.kind = resources.Dmabuf
		}
		m.res[o.res] = s
	}
	return is(m.r.CreateBlob(&a), want)
}

func (m *machine) guestBlob(o op) error {
	a := core.BlobArgs{Res: o.res, Mem: wire.BlobMemGuest, Size: 0x1000, IovBytes: 0x1000 - uint64(o.x&1)}
	if o.res == 0 || m.res[o.res] != nil || o.x&1 != 0 {
		return is(m.r.CreateBlob(&a), syscall.EINVAL)
	}
	m.res[o.res] = &modelRes{kind: resources.Guest, size: a.Size, info: wire.MapCached}
	return is(m.r.CreateBlob(&a), 0)
}

// reach says why a buffer of a resource cannot leave, 0 if it can.
func (m *machine) reach(id uint32) syscall.Errno {
	s := m.res[id]
	switch {
	case s == nil:
		return syscall.EINVAL
	case s.kind == resources.Opaque && m.ctxs[s.creator] == nil:
		return syscall.EINVAL
	case s.kind == resources.Opaque:
		if o := m.ctxs[s.creator].objs[id]; o == nil || o.flags&wire.BlobMappable == 0 {
			return syscall.EOPNOTSUPP
		}
	case s.kind == resources.Guest:
		return syscall.EOPNOTSUPP
	}
	return 0
}

func (m *machine) attach(o op) error {
	c, s := m.ctxs[o.ctx], m.res[o.res]
	m.r.Attach(o.ctx, o.res)
	if c == nil || s == nil || c.objs[o.res] != nil || s.buf == nil {
		return nil
	}
	if s.kind == resources.Dmabuf || s.kind == resources.Opaque && m.reach(o.res) == 0 {
		c.objs[o.res] = &modelObj{buf: s.buf, size: s.buf.size}
	}
	return nil
}

func (m *machine) detach(o op) error {
	if c := m.ctxs[o.ctx]; c != nil {
		delete(c.objs, o.res)
	}
	m.r.Detach(o.ctx, o.res)
	return nil
}

func (m *machine) export(o op) error {
	fd, kind, err := m.r.Export(o.res)
	if m.reach(o.res) != 0 {
		return fails(err)
	}
	defer fd.Close()
	want := map[resources.Kind]uint32{resources.Shm: wire.FdShm, resources.OpaqueFD: wire.FdOpaque}[m.res[o.res].kind]
	if want == 0 {
		want = wire.FdDmabuf
	}
	if err == nil && kind != want {
		return fmt.Errorf("exported as %d, want %d", kind, want)
	}
	return is(err, 0)
}

// importBlob makes resource x of what resource res exports.
func (m *machine) importBlob(o op) error {
	id := 1 + o.x%8
	if o.x == 63 {
		id = 0
	}
	fd, _, err := m.r.Export(o.res)
	if err != nil {
		return is(m.r.ImportBlob(id, wire.BlobMemHost3D, wire.FdDmabuf, -1, 0x1000), syscall.EINVAL)
	}
	src := m.res[o.res]
	mem, kind, size, want := uint32(wire.BlobMemHost3D), uint32(wire.FdDmabuf), src.file, syscall.Errno(0)
	switch o.y % 16 {
	case 0:
		size, want = 0, syscall.EINVAL
	case 1:
		mem, want = wire.BlobMemGuest, syscall.EINVAL
	case 2:
		kind, want = 4, syscall.EINVAL
	case 3:
		size += 0x1000
	case 4:
		size, mem = 0x10, wire.BlobMemGuestVRAM
	case 5:
		kind = wire.FdOpaque
	case 6:
		kind = wire.FdShm
	}
	if id == 0 || m.res[id] != nil {
		want = syscall.EINVAL
	}
	err = m.r.ImportBlob(id, mem, kind, fd.Num(), size)
	if want != 0 {
		fd.Close()
		return is(err, want)
	}
	fd.Take()
	m.res[id] = &modelRes{buf: src.buf, size: size, file: src.file, kind: map[uint32]resources.Kind{
		wire.FdDmabuf: resources.Dmabuf, wire.FdOpaque: resources.OpaqueFD, wire.FdShm: resources.Shm,
	}[kind]}
	return is(err, 0)
}

// mappable says why a resource cannot be mapped, 0 if it can.
func (m *machine) mappable(id uint32) syscall.Errno {
	e, s := m.reach(id), m.res[id]
	switch {
	case e != 0:
		return e
	case s.kind == resources.OpaqueFD:
		return syscall.EOPNOTSUPP
	case s.size > s.file:
		return syscall.EINVAL
	}
	return 0
}

// view checks that a mapping shows the right buffer, and marks the buffer anew.
func (m *machine) view(s *modelRes, addr uintptr) error {
	w := contract.At(addr + 8)
	if s.buf == nil {
		return nil
	}
	if *w != s.buf.mark {
		return fmt.Errorf("mapped a buffer marked %d, want %d", *w, s.buf.mark)
	}
	m.last++
	s.buf.mark, *w = m.last, m.last
	return nil
}

func (m *machine) mapBlob(o op) error {
	addr, size, err := m.r.Map(o.res)
	s := m.res[o.res]
	if s == nil || s.mapped || m.mappable(o.res) != 0 {
		return fails(err)
	}
	if err != nil || size != s.size {
		return fmt.Errorf("%d bytes, %w, want %d", size, err, s.size)
	}
	s.mapped = true
	return m.view(s, addr)
}

func (m *machine) unmap(o op) error {
	err := m.r.Unmap(o.res)
	if s := m.res[o.res]; s != nil && s.mapped {
		s.mapped = false
		return is(err, 0)
	}
	return is(err, syscall.EINVAL)
}

func (m *machine) mapFixed(o op) error {
	addr, want := m.free, m.mappable(o.res)
	switch {
	case o.x == 0:
		addr, want = 0, syscall.EINVAL
	case o.x == 1 && want == 0:
		addr, want = addr+4, syscall.EINVAL
	}
	err := m.r.MapFixed(o.res, addr)
	if want != 0 {
		return is(err, want)
	}
	if err != nil {
		return is(err, 0)
	}
	err = m.view(m.res[o.res], addr)
	_, _, e := syscall.Syscall6(syscall.SYS_MMAP, addr, reserved, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_FIXED, ^uintptr(0), 0)
	if e != 0 {
		return e
	}
	return err
}

func (m *machine) mapInfo(o op) error {
	info, err := m.r.MapInfo(o.res)
	if s := m.res[o.res]; s != nil && s.info != 0 {
		if info != s.info {
			return fmt.Errorf("map info %d, want %d", info, s.info)
		}
		return is(err, 0)
	}
	return is(err, syscall.EINVAL)
}

func (m *machine) unref(o op) error {
	delete(m.res, o.res)
	for _, c := range m.ctxs {
		delete(c.objs, o.res)
	}
	m.r.Unref(o.res)
	return nil
}

// cpuPrep asks for the handle of a resource: 0, or ENOENT.
func (m *machine) cpuPrep(o op) error {
	c := m.ctxs[o.ctx]
	if c == nil || c.mem == nil {
		return m.send(o.ctx, syscall.ENOMEM, 5, 0, o.res, 1)
	}
	slot, want := c.mem[msm.Driver.ShmemHeader:], syscall.Errno(0)
	if c.objs[o.res] == nil {
		want = syscall.ENOENT
	}
	binary.LittleEndian.PutUint32(slot, 8)
	err := m.send(o.ctx, 0, 5, 0, o.res, 1)
	if got := int32(binary.LittleEndian.Uint32(slot[4:])); err == nil && got != -int32(want) {
		return fmt.Errorf("answer %d, want %d", got, -int32(want))
	}
	return err
}

// upload writes a mark through the context.
func (m *machine) upload(o op) error {
	c, off, want := m.ctxs[o.ctx], uint32(8), syscall.ENOENT
	if c != nil && c.objs[o.res] != nil {
		want = 0
		if obj := c.objs[o.res]; o.x == 0 {
			off, want = uint32(obj.size-3), syscall.EFAULT
		}
	}
	mark := m.last + 1
	if want == 0 {
		c.objs[o.res].buf.mark = mark
	}
	return m.send(o.ctx, want, 8, 0, o.res, 0, off, 4, mark)
}
