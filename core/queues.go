package core

// Queues is the open submission queues of a context and the rings they are on: a
// ring per priority. Drivers whose kernel has such queues embed it.
type Queues struct {
	rings uint32
	ring  map[uint32]uint32
}

// NewQueues returns an empty set; priorities are 0 to rings-1.
func NewQueues(rings uint32) Queues { return Queues{rings, map[uint32]uint32{}} }

// Rings returns the number of priorities.
func (q *Queues) Rings() uint32 { return q.rings }

// AddQueue notes a queue that the kernel has opened; the numbers are the
// guest's or the kernel's and may be anything.
func (q *Queues) AddQueue(id, prio uint32) {
	if id != 0 && prio < q.rings {
		q.ring[id] = prio + 1
	}
}

// RemoveQueue forgets a queue.
func (q *Queues) RemoveQueue(id uint32) { delete(q.ring, id) }

// RingOf returns the ring of a queue, 0 for an unknown one.
func (q *Queues) RingOf(id uint32) uint32 { return q.ring[id] }
