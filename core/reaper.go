package core

import (
	"runtime/debug"
	"sync"

	"virgldrm/trace"
)

// reaper frees in the background what would keep the embedder waiting for the
// GPU. Whoever waits has a thread in the kernel, and a runtime that gets no more
// threads ends the process: they are few, however many contexts a guest makes.
type reaper struct {
	log   *trace.Logger
	crash bool // on a panic

	mu      sync.Mutex
	queue   []func() // guarded by mu
	workers int      // guarded by mu
}

const maxReapers = 4

// add runs f soon, on another thread.
func (p *reaper) add(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, f)
	if p.workers < maxReapers {
		p.workers++
		go p.work()
	}
}

func (p *reaper) work() {
	for f := p.next(); f != nil; f = p.next() {
		p.run(f)
	}
}

// next returns nil when the caller's work is done.
func (p *reaper) next() func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		p.queue = nil
		p.workers--
		return nil
	}
	f := p.queue[0]
	p.queue = p.queue[1:]
	return f
}

func (p *reaper) run(f func()) {
	defer recovered(p.log, p.crash, "while a context was freed")
	f()
}

// recovered ends a panic of a goroutine of the renderer's own.
func recovered(log *trace.Logger, crash bool, when string) {
	if crash {
		return
	}
	if p := recover(); p != nil {
		log.Errorf("internal error %s: %v; %s", when, p, debug.Stack())
	}
}
