package fence_test

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"virgldrm/fence"
	"virgldrm/internal/simtest"
)

// Without a place in the epoll the event of a fence never comes: the look-out for
// hung rings makes up for it.
func TestFenceThatCannotBeWatchedAtOnce(t *testing.T) {
	cb := simtest.Callbacks()
	cb.HungAfter = 400 * time.Millisecond
	h, err := fence.NewHub(cb)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	c := newContext(t, h, 7, 2)
	defer c.Destroy()
	simtest.Control(t, "fail EPOLL_ADD nth=2 errno=28") // the first is the waiter's own
	j := newJob(t)
	add(t, c, 1, 1, j.file(t))
	j.finish(t)
	time.Sleep(cb.HungAfter / 2)
	simtest.Hold(7) // or it retires while Check looks
	defer simtest.Hold(0)
	if !h.Check() {
		t.Error("nothing is pending")
	}
	simtest.Hold(0)
	expect(t, done(7, 1, 1))
}

func TestWaiterThatCannotBeStopped(t *testing.T) {
	h := newHub(t)
	c := newContext(t, h, 7, 2)
	simtest.Control(t, "fail EPOLL_ADD nth=1 errno=28")
	j := newJob(t)
	fd := j.file(t)
	if _, err := c.Add(1, 1, fd); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a fence without a waiter: %v", err)
	}
	add(t, c, 1, 2, fd)
	j.finish(t)
	expect(t, done(7, 1, 2))
	c.Destroy()
	closed := make(chan struct{})
	go func() {
		h.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(5 * time.Second):
		t.Fatal("Close hangs")
	}
}

// A slow callback keeps the next fence of its ring from being watched; it is
// pending all the same.
func TestPendingBehindASlowCallback(t *testing.T) {
	h := newHub(t)
	defer h.Close()
	c := newContext(t, h, 7, 2)
	defer c.Destroy()
	simtest.Hold(7)
	defer simtest.Hold(0)
	a, b := newJob(t), newJob(t)
	add(t, c, 1, 1, a.file(t))
	add(t, c, 1, 2, b.file(t))
	a.finish(t)
	time.Sleep(20 * time.Millisecond) // the waiter is in the slow callback now
	if !h.Check() {
		t.Error("nothing is pending")
	}
}
