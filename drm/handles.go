package drm

import "structs"

// GEM handles are counted per file: the kernel gives the same handle when one
// buffer is imported twice, or an own buffer again, and one GEM_CLOSE ends it
// for all. Own, Import and Release keep the count.

// From the kernel's drm/drm.h.
type gemClose struct {
	_ structs.HostLayout

	Handle uint32
	Pad    uint32
}

type primeHandle struct {
	_ structs.HostLayout

	Handle uint32
	Flags  uint32
	Fd     int32
}

var (
	opGemClose        = IOW[gemClose]("GEM_CLOSE", 0x09)
	opPrimeHandleToFd = IOWR[primeHandle]("PRIME_HANDLE_TO_FD", 0x2d)
	opPrimeFdToHandle = IOWR[primeHandle]("PRIME_FD_TO_HANDLE", 0x2e)
)

// Flags of PRIME_HANDLE_TO_FD: O_CLOEXEC | O_RDWR.
const primeFlags = 0o2000000 | 0o2

// Own counts a handle that a driver's allocation ioctl just returned.
func (d *Device) Own(handle uint32) { d.refs.Set(handle, d.refs.Get(handle)+1) }

// Import makes a dma-buf a GEM object of this file and counts its handle, which
// may be one that is to be closed late. The descriptor stays the caller's.
func (d *Device) Import(dmabuf *FD) (handle uint32, err error) {
	a := primeHandle{Fd: int32(dmabuf.Num())}
	if err := opPrimeFdToHandle.Try(&d.FD, &a); err != nil {
		return 0, err
	}
	d.Own(a.Handle)
	return a.Handle, nil
}

// Release drops one count of a handle and closes it with the last. A busy one is
// closed by a later call, or with the device: the caller must not wait.
func (d *Device) Release(handle uint32) {
	d.CloseLate(false)
	n := d.refs.Get(handle)
	if n <= 1 && d.Busy != nil && d.Busy(handle) {
		d.late = append(d.late, handle) // and the count with it
		return
	}
	d.drop(handle, n)
}

// Waits tells whether Close would wait for the GPU: it waits for what GEM_CLOSE
// does, and a busy handle may be one of another file's jobs.
func (d *Device) Waits() bool { return len(d.late) > 0 }

func (d *Device) drop(handle, n uint32) {
	if n > 1 {
		d.refs.Set(handle, n-1)
		return
	}
	d.refs.Set(handle, 0)
	opGemClose.Do(&d.FD, &gemClose{Handle: handle})
}

// CloseLate closes what was busy and tells whether it closed any: up to the first
// that still is, which is asked last the next time, for others may keep it so for
// ever; or all that are idle.
func (d *Device) CloseLate(all bool) (closed bool) {
	for range d.late {
		h := d.late[0]
		d.late = d.late[1:]
		if !d.Busy(h) {
			d.drop(h, d.refs.Get(h))
			closed = true
			continue
		}
		d.late = append(d.late, h)
		if !all {
			break
		}
	}
	return closed
}

// Export returns a new dma-buf of a GEM object, close-on-exec, read-write.
func (d *Device) Export(handle uint32) (FD, error) {
	a := primeHandle{Handle: handle, Flags: primeFlags, Fd: -1}
	if err := opPrimeHandleToFd.Try(&d.FD, &a); err != nil {
		return FD{}, err
	}
	return NewFD(int(a.Fd)), nil
}
