package core

import (
	"fmt"
	"syscall"

	"virgldrm/resources"
)

// mappings counts what guests have mapped in this process. It can have only so
// many mappings, and a Go runtime that gets no more ends it.
type mappings struct{ used, limit int }

// A resource in the embedder's window (MapFixed) counts twice, for it splits what
// lies around it, and until Unref, for nobody tells when it is taken out again.
const (
	ownMapping   = 1
	fixedMapping = 2
)

// mappingLimit leaves the embedder and the runtime a quarter of vm.max_map_count.
func mappingLimit() int {
	count := 65530 // the kernel's default, for those who cannot look
	if fd, err := syscall.Open("/proc/sys/vm/max_map_count", syscall.O_RDONLY|syscall.O_CLOEXEC, 0); err == nil {
		var text [24]byte
		n, _ := syscall.Read(fd, text[:])
		syscall.Close(fd)
		fmt.Sscan(string(text[:max(n, 0)]), &count)
	}
	return count / 4 * 3
}

// room says why a mapping of this cost cannot be made.
func (m *mappings) room(cost int) error {
	if m.used+cost > m.limit {
		return fmt.Errorf("the guest has %d mappings of %d in this process, so raise vm.max_map_count: %w", m.used, m.limit, syscall.ENOMEM)
	}
	return nil
}

// drop forgets the mappings of a resource that goes away.
func (m *mappings) drop(s *resources.Resource) {
	if s.Mapping.Valid() {
		m.used -= ownMapping
	}
	if s.Fixed {
		m.used -= fixedMapping
	}
}
