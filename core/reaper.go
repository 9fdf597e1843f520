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
	mu      sync.Mutex
	queue   []func() // guarded by mu
	workers int      // guarded by mu
}

const maxReapers = 4

var reapers reaper // of all renderers, one after the other, for it is the process that has threads

// later runs f soon, on another thread.
func (r *Renderer) later(f func()) {
	reapers.add(func() {
		defer recovered(r.log, r.cfg.CrashOnPanic, "while a context was freed")
		f()
	})
}

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
		f()
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

// recovered ends a panic of a goroutine of the renderer's own.
func recovered(log *trace.Logger, crash bool, when string) {
	if crash {
		return
	}
	if p := recover(); p != nil {
		log.Errorf("internal error %s: %v; %s", when, p, debug.Stack())
	}
}
