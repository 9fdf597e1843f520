// Package trace is the library's log: levels as the C API has them, one sink
// given by the embedder, and limits for lines a guest can provoke.
//
// One line is one event: what happened, then key=value or the error. Guest
// bytes are quoted, never raw.
package trace

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Level orders log lines; the values are the C API's.
type Level int32

// Levels, from VIRGL_LOG_LEVEL_DEBUG upwards.
const (
	Debug Level = iota
	Info
	Warning
	Error
	Silent
)

// Sink takes a finished line without newline. It may be called on any thread and
// must not call the library: the renderer's lock may be held.
type Sink func(level Level, line string)

// Logger writes lines at or above a threshold. A nil Logger discards. Methods
// may be called on any thread.
type Logger struct {
	sink    Sink
	enabled func(Level) bool
	limit   *limiter
}

// New returns a logger that asks enabled before it formats a line.
func New(sink Sink, enabled func(Level) bool) *Logger {
	return &Logger{sink: sink, enabled: enabled}
}

// Limited returns a logger for lines that one guest context can cause: a burst
// passes, then one line a second, and the next line says how many were dropped.
func (l *Logger) Limited() *Logger {
	if l == nil {
		return nil
	}
	return &Logger{sink: l.sink, enabled: l.enabled, limit: &limiter{now: time.Now}}
}

// Enabled tells whether a line of this level would be written.
func (l *Logger) Enabled(level Level) bool { return l != nil && l.enabled(level) }

// Debugf, Infof, Warnf and Errorf format and write a line.
func (l *Logger) Debugf(format string, args ...any) { l.printf(Debug, format, args) }

// Infof: see Debugf.
func (l *Logger) Infof(format string, args ...any) { l.printf(Info, format, args) }

// Warnf: see Debugf.
func (l *Logger) Warnf(format string, args ...any) { l.printf(Warning, format, args) }

// Errorf: see Debugf.
func (l *Logger) Errorf(format string, args ...any) { l.printf(Error, format, args) }

func (l *Logger) printf(level Level, format string, args []any) {
	if !l.Enabled(level) {
		return
	}
	var dropped int64
	if l.limit != nil {
		var ok bool
		if dropped, ok = l.limit.pass(); !ok {
			return
		}
	}
	line := format
	if len(args) > 0 {
		line = fmt.Sprintf(format, args...)
	}
	if dropped > 0 {
		line = fmt.Sprintf("%s (%d lines dropped before)", line, dropped)
	}
	l.sink(level, line)
}

// Lines that pass at once, and how often one more does.
const (
	burst  = 20
	refill = time.Second
)

// limiter is a token bucket that counts what it refused.
type limiter struct {
	now     func() time.Time
	state   atomic.Int64 // nanoseconds at which the bucket was last empty enough
	dropped atomic.Int64
}

// pass takes a token; if there is one it returns how many lines were refused
// since the last. It needs no lock: state is the virtual time up to which
// tokens are spent.
func (b *limiter) pass() (dropped int64, ok bool) {
	now := b.now().UnixNano()
	for {
		spent := b.state.Load()
		next := max(spent, now-int64(burst-1)*int64(refill)) + int64(refill)
		if next > now+int64(refill) {
			b.dropped.Add(1)
			return 0, false
		}
		if b.state.CompareAndSwap(spent, next) {
			return b.dropped.Swap(0), true
		}
	}
}
