// Package drm reaches the host's kernel: render nodes, ioctls, dma-bufs,
// sync_files and mappings, all through libdrm and libc, so that simulators and
// tracers can sit underneath. Raw system calls on such descriptors are not made
// anywhere in this library.
//
// Descriptors are owned by exactly one FD; whoever holds it closes it.
package drm
