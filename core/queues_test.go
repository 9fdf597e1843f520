package core

import "testing"

// A ring is an index elsewhere: whatever a kernel answers, it must be one.
func TestQueues(t *testing.T) {
	q := NewQueues(2)
	for id, prio := range map[uint32]uint32{0: 1, 1: 0, 2: 1, 3: 2, 4: 0xffffffff, 0xffffffff: 1} {
		q.AddQueue(id, prio)
	}
	for id, want := range map[uint32]uint32{0: 0, 1: 1, 2: 2, 3: 0, 4: 0, 5: 0, 0xffffffff: 2} {
		if got := q.RingOf(id); got != want {
			t.Errorf("queue %#x is on ring %d, want %d", id, got, want)
		}
	}
	if q.RemoveQueue(2); q.RingOf(2) != 0 || q.Rings() != 2 {
		t.Error("a removed queue has a ring")
	}
}
