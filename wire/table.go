package wire

import (
	"fmt"
	"unsafe"
)

// Row is one command of a driver: its name, the size of its fixed part and its
// handler. C is the driver's context.
type Row[C any] struct {
	Name string
	size uint32
	run  func(C, *Call) error
}

// Table holds a driver's commands by number. Numbers without a row, 0 among
// them, are refused.
type Table[C any] []Row[C]

// On makes the row of a command whose request is a Q followed by payload and
// whose response is an R (None: no response). Both start with their header.
//
// The method gets a private copy of the request and the zeroed response; an
// error means a malformed message: nothing is published and the batch ends.
func On[C, Q, R any](name string, method func(C, *Q, Tail, *R) error) Row[C] {
	var r R
	answers := unsafe.Sizeof(r) > 0
	return OnCall(name, func(c C, q *Q, m *Call) (err error) {
		var rsp *R
		if answers {
			if rsp, err = Reply[R](m); err != nil {
				return err
			}
		}
		return method(c, q, m.Tail, rsp)
	})
}

// OnCall makes the row of a command that sizes its own response with
// Call.Reply, or says with Reply that there is one.
func OnCall[C, Q any](name string, method func(C, *Q, *Call) error) Row[C] {
	var q Q
	size := unsafe.Sizeof(q)
	if size < ReqSize || size > MaxFixed {
		panic(fmt.Sprintf("wire: request %T of %s has %d bytes, not %d to %d", q, name, size, ReqSize, MaxFixed))
	}
	return Row[C]{name, uint32(size), func(c C, m *Call) error {
		return method(c, (*Q)(unsafe.Pointer(&m.fixed[0])), m)
	}}
}

// Nop makes the row of a command that does nothing but publish its seqno.
func Nop[C any](name string) Row[C] {
	return OnCall(name, func(C, *Req, *Call) error { return nil })
}

// Name returns the name of a command, for logs.
func (t Table[C]) Name(cmd uint32) string {
	if cmd < uint32(len(t)) && t[cmd].run != nil {
		return t[cmd].Name
	}
	return fmt.Sprintf("ccmd %d", cmd)
}
