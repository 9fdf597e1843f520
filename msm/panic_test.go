package msm_test

import (
	"virgldrm/core"
	"virgldrm/msm"
	"virgldrm/wire"
)

const panicCmd = 1 << 20

// panicky is msm with a command that panics.
func panicky() core.Driver {
	d := msm.Driver
	d.New = func(b *core.Base, caps *wire.Capset) (core.Context, error) {
		c, err := msm.Driver.New(b, caps)
		return panicking{c}, err
	}
	return d
}

type panicking struct{ core.Context }

func (p panicking) Run(m *wire.Call, batch []byte, shm *wire.Shmem) error {
	if len(batch) >= 16 && batch[2] == panicCmd>>16 {
		panic("on purpose")
	}
	return p.Context.Run(m, batch, shm)
}
