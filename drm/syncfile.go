package drm

import (
	"structs"
	"syscall"
)

// syncMerge is struct sync_merge_data of the kernel's linux/sync_file.h.
type syncMerge struct {
	_ structs.HostLayout

	Name  [32]byte
	Fd2   int32
	Fence int32
	Flags uint32
	Pad   uint32
}

var opSyncMerge = newOp[syncMerge]("SYNC_IOC_MERGE", iocRead|iocWrite, '>', 3)

// MergeSyncFiles returns a new sync_file that signals when both have. Both
// stay the caller's.
func MergeSyncFiles(a, b *FD) (FD, error) {
	m := syncMerge{Name: [32]byte{'v', 'i', 'r', 'g', 'l', 'd', 'r', 'm'}, Fd2: int32(b.Num()), Fence: -1}
	if err := opSyncMerge.Try(a, &m); err != nil {
		return FD{}, err
	}
	if m.Fence < 0 {
		return FD{}, &Error{"ioctl SYNC_IOC_MERGE", syscall.EINVAL}
	}
	return NewFD(int(m.Fence)), nil
}
