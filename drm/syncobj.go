package drm

import "structs"

// Some kernel drivers take fences as binary syncobjs: handles of one file that
// hold the newest fence put in. A submission takes or leaves its fence inside the
// ioctl, so that one syncobj serves any number of them.

// From the kernel's drm/drm.h.
type syncobjCreate struct {
	_ structs.HostLayout

	Handle uint32
	Flags  uint32
}

type syncobjHandle struct {
	_ structs.HostLayout

	Handle uint32
	Flags  uint32
	Fd     int32
	Pad    uint32
	Point  uint64
}

var (
	opSyncobjCreate     = IOWR[syncobjCreate]("SYNCOBJ_CREATE", 0xbf)
	opSyncobjHandleToFd = IOWR[syncobjHandle]("SYNCOBJ_HANDLE_TO_FD", 0xc1)
	opSyncobjFdToHandle = IOWR[syncobjHandle]("SYNCOBJ_FD_TO_HANDLE", 0xc2)
)

const (
	syncobjImportSyncFile = 1
	syncobjExportSyncFile = 1
)

// Syncobj is a syncobj of one file, made when first needed; it ends with the
// file. The zero value is none.
type Syncobj struct{ handle uint32 }

// Handle returns the kernel's handle, and makes the syncobj if there is none.
func (s *Syncobj) Handle(d *Device) (uint32, error) {
	if s.handle == 0 {
		a := syncobjCreate{}
		if err := opSyncobjCreate.Try(&d.FD, &a); err != nil {
			return 0, err
		}
		s.handle = a.Handle
	}
	return s.handle, nil
}

// Put replaces the fence of s by a sync_file's, which stays the caller's, and
// returns the handle.
func (s *Syncobj) Put(d *Device, syncFile *FD) (uint32, error) {
	h, err := s.Handle(d)
	if err != nil {
		return 0, err
	}
	a := syncobjHandle{Handle: h, Flags: syncobjImportSyncFile, Fd: int32(syncFile.Num())}
	return h, opSyncobjFdToHandle.Try(&d.FD, &a)
}

// Get returns the fence of s as a sync_file.
func (s *Syncobj) Get(d *Device) (FD, error) {
	a := syncobjHandle{Handle: s.handle, Flags: syncobjExportSyncFile, Fd: -1}
	if err := opSyncobjHandleToFd.Try(&d.FD, &a); err != nil {
		return FD{}, err
	}
	return NewFD(int(a.Fd)), nil
}
