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

// AddSyncFile makes sum, a sync_file or none, signal only when fd has as well,
// and takes fd. On error sum is as it was.
func AddSyncFile(sum *FD, fd FD) error {
	if !fd.Valid() {
		return nil
	}
	if !sum.Valid() {
		*sum = fd
		return nil
	}
	defer fd.Close()
	m := syncMerge{Name: [32]byte{'v', 'i', 'r', 'g', 'l', 'd', 'r', 'm'}, Fd2: int32(fd.Num()), Fence: -1}
	if err := opSyncMerge.Try(sum, &m); err != nil {
		return err
	}
	if m.Fence < 0 {
		return &Error{"ioctl SYNC_IOC_MERGE", syscall.EINVAL}
	}
	sum.Close()
	*sum = NewFD(int(m.Fence))
	return nil
}

// dmabufSyncFile is struct dma_buf_export_sync_file and dma_buf_import_sync_file
// of the kernel's linux/dma-buf.h.
type dmabufSyncFile struct {
	_ structs.HostLayout

	Flags uint32
	Fd    int32
}

var (
	opDmabufExport = newOp[dmabufSyncFile]("DMA_BUF_IOCTL_EXPORT_SYNC_FILE", iocRead|iocWrite, 'b', 2)
	opDmabufImport = newOp[dmabufSyncFile]("DMA_BUF_IOCTL_IMPORT_SYNC_FILE", iocWrite, 'b', 3)
)

const (
	dmabufWrite = 2
	dmabufRW    = 3
)

// DmabufFences returns a sync_file of all that uses a dma-buf now.
func DmabufFences(dmabuf *FD) (FD, error) {
	a := dmabufSyncFile{Flags: dmabufRW, Fd: -1}
	if err := opDmabufExport.Try(dmabuf, &a); err != nil {
		return FD{}, err
	}
	return NewFD(int(a.Fd)), nil
}

// AddDmabufWriter makes whoever uses a dma-buf from now on wait for a sync_file,
// which stays the caller's.
func AddDmabufWriter(dmabuf, syncFile *FD) error {
	a := dmabufSyncFile{Flags: dmabufWrite, Fd: int32(syncFile.Num())}
	return opDmabufImport.Try(dmabuf, &a)
}
