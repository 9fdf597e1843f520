// Package contract proves of a driver what all drivers have in common: messages
// and answers, buffers, fences, and how contexts end. A driver's tests describe
// it (Driver) and call Test and the fuzzers; the simulated kernel has to know the
// driver. It also is the guest that other tests of a driver use.
package contract

import "virgldrm/core"

// Driver is a driver and what its guests send.
type Driver struct {
	core.Driver

	Nop    uint32   // command number
	Simple []uint32 // ioctls that IOCTL_SIMPLE, command 2, passes on
	// Answered are commands that need no more than a context and are answered.
	Answered []Request
	// Sized is one whose answer has as many bytes of payload as the guest wants,
	// if there is such a command.
	Sized func(bytes uint32) Request
	// AnswerSize returns the size of a command's response, 0 for none; the
	// message may be malformed in any way.
	AnswerSize func(message []byte) uint64

	// Page is what sizes of buffers are multiples of.
	Page uint32
	// Allocate is the command that parks a new buffer under a blob_id. Its
	// failure ends the batch if AllocateIsFatal, and is counted.
	Allocate        func(blob uint32, size uint64) Request
	AllocateIsFatal bool
	// ExportsMappable: a MAPPABLE buffer can be exported without SHAREABLE.
	ExportsMappable bool
	// Knows asks the context whether a resource has a buffer there.
	Knows func(g *Guest, res uint32) bool

	// OpenQueue returns a new queue, whose jobs are on the ring.
	OpenQueue func(g *Guest, ring uint32) uint32
	// Job is the seq-th submission to a queue, and uses the resources.
	Job   func(queue, seq uint32, res ...uint32) Request
	Rings uint32 // GPU rings of a context on the simulated kernel

	// Recordings are the files with batches of real guests, Seeds more of them,
	// for a context with buffers 5, 6 and 8 and queues 1 and 2.
	Recordings string
	Seeds      []Request
	// Probes are the kinds of requests that Probe makes.
	Probes []string
	// Tri tells which words of the capset are tri-state booleans.
	Tri map[int]bool
}

// Request is a command: its number and the words behind the header.
type Request struct {
	Cmd   uint32
	Words []uint32
}
