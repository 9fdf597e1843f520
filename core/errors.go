package core

import (
	"errors"
	"fmt"
	"syscall"
)

// Errors that have a code of their own in the C API.
var (
	// ErrNoContext says that a context id is unknown.
	ErrNoContext = fmt.Errorf("unknown context: %w", syscall.EINVAL)
	// ErrMerge says that an in-fence could not be added.
	ErrMerge = errors.New("in-fence lost")
	// ErrInUse says that a resource id is taken.
	ErrInUse = fmt.Errorf("resource id in use: %w", syscall.EINVAL)
	// ErrNative says that a call is not for native contexts.
	ErrNative = fmt.Errorf("native contexts have no transfers: %w", syscall.EPERM)

	// errCannotMap says that a resource is of a kind map_fixed is not for; VMMs
	// try resource_map then.
	errCannotMap = fmt.Errorf("cannot be mapped at a fixed address: %w", syscall.EOPNOTSUPP)
)

// coded gives an error the code that the contract wants, whatever caused it.
func coded(code syscall.Errno, err error) error { return &codedError{code, err} }

type codedError struct {
	code syscall.Errno
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.code }
