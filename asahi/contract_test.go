package asahi_test

import (
	"encoding/binary"
	"testing"

	"virgldrm/asahi"
	"virgldrm/internal/contract"
	"virgldrm/internal/simtest"
)

func TestMain(m *testing.M) { simtest.Main(m, "DRMSIM_DRIVER=asahi") }

// driver is asahi as the tests of all drivers see it.
var driver = &contract.Driver{
	Driver: asahi.Driver,
	Nop:    1,
	Simple: []uint32{getTime, vmCreate, vmDestroy, queueCreate, queueDestroy},
	Answered: []contract.Request{
		{Cmd: 2, Words: vmWords()},
		{Cmd: 2, Words: []uint32{vmDestroy, 77, 0}},
		{Cmd: 7, Words: bindObjectWords(0, 99)},
		{Cmd: 3, Words: []uint32{0, 0, 0, 0, 592, 0}},
	},
	Sized: func(bytes uint32) contract.Request {
		return contract.Request{Cmd: 3, Words: []uint32{0, 0, 0, 0, bytes, 0}}
	},
	AnswerSize: answerSize,

	Page: page,
	Allocate: func(blob uint32, size uint64) contract.Request {
		return contract.Request{Cmd: 4, Words: []uint32{0, 6, 0, blob, uint32(size), uint32(size >> 32), 0, 0}}
	},
	Knows: func(g *contract.Guest, res uint32) bool {
		a := g.Ask(16, 7, bindObjectWords(0, res)...)
		if a[0] == 0 {
			w := make([]uint32, 10)
			w[0], w[8] = 1, a[1]
			g.Must(7, 0, w...)
		}
		return a[0] == 0
	},

	OpenQueue: func(g *contract.Guest, ring uint32) uint32 {
		return openQueue(g, openVM(g), ring)
	},
	Job: func(queue, _ uint32, res ...uint32) contract.Request {
		return contract.Request{Cmd: 6, Words: jobWords(queue, res...)}
	},
	Rings: 2,

	Recordings: "../testdata/recordings/asahi-*.vrec.xz",
	Seeds:      seeds(),
	Probes:     []string{"GET_PARAMS"},
}

func Test(t *testing.T)                  { contract.Test(t, driver) }
func FuzzCommandStream(f *testing.F)     { contract.FuzzCommandStream(f, driver) }
func FuzzResponsePlacement(f *testing.F) { contract.FuzzResponsePlacement(f, driver) }
func FuzzCapset(f *testing.F)            { contract.FuzzCapset(f, driver) }

// Ioctls that guests may make.
const (
	getTime      = 0xc0106441
	vmCreate     = 0xc0186442
	vmDestroy    = 0x40086443
	queueCreate  = 0xc0186448
	queueDestroy = 0x40086449

	page = 0x4000
)

// answerSize is the size of a command's response, 0 for none.
func answerSize(message []byte) uint64 {
	arg := func(at int) uint64 {
		if len(message) < at+4 {
			return 0
		}
		return uint64(binary.LittleEndian.Uint32(message[at:]))
	}
	switch {
	case arg(0) == 2 && arg(16)>>30 == 1: // only written
		return 8
	case arg(0) == 2:
		return 8 + uint64(max(len(message), 20)-20)
	case arg(0) == 3:
		return 8 + arg(32) + arg(36)<<32
	case arg(0) == 7 && arg(16) == 0:
		return 12
	}
	return 0
}

func vmWords() []uint32 { return []uint32{vmCreate, 0, 0x60, 0, 0x68, 0, 0} }

func openVM(g *contract.Guest) uint32 {
	g.T.Helper()
	a := g.Ask(32, 2, vmWords()...)
	g.Ret(a, 0)
	return a[5]
}

func queueWords(vm, prio uint32) []uint32 { return []uint32{queueCreate, 0, vm, prio, 0, 0, 0x11} }

func openQueue(g *contract.Guest, vm, ring uint32) uint32 {
	g.T.Helper()
	a := g.Ask(32, 2, queueWords(vm, ring-1)...)
	g.Ret(a, 0)
	return a[4]
}

// bindObjectWords binds or unbinds a page of a resource for timestamps.
func bindObjectWords(op, res uint32) []uint32 {
	return []uint32{op, 1, res, 0, 0, 0, page, 0, 0, 0}
}

// bindWords is VM_BIND of whole records.
func bindWords(vm uint32, records ...[8]uint32) []uint32 {
	w := []uint32{vm, 32, uint32(len(records))}
	for _, r := range records {
		w = append(w, r[:]...)
	}
	return w
}

const readWrite = 3

// jobWords is a compute job that reads and writes the resources.
func jobWords(queue uint32, res ...uint32) []uint32 {
	w := []uint32{0, queue, 16, uint32(len(res)), 0x00080001, 0x0000ffff, 0, 0}
	for _, r := range res {
		w = append(w, r, readWrite)
	}
	return w
}

func seeds() (list []contract.Request) {
	add := func(cmd uint32, words ...uint32) { list = append(list, contract.Request{Cmd: cmd, Words: words}) }
	for _, nr := range []uint32{getTime, vmCreate, vmDestroy, queueCreate, queueDestroy} {
		add(2, append([]uint32{nr}, make([]uint32, nr>>16&0x3fff/4)...)...)
	}
	add(2, queueWords(1, 1)...)
	add(2, queueWords(1, 2)...)
	add(3, 0, 0, 0, 0, 592, 0)
	add(3, 0, 0, 0, 0, 592, 1)
	add(3, 0, 0, 0, 0, 0xfffffff8, 0xffffffff)
	add(4, 1, 6, 1, 40, page, 0, page, 0x12)
	add(4, 2, 6, 1, 41, page, 0, 0, 0)
	add(5, bindWords(1, [8]uint32{6, 5, 0, 0, page, 0, 0, 0x13}, [8]uint32{1, 0, 0, 0, page, 0, 0, 0x13})...)
	add(5, 1, 8, 2, 6, 5, 1, 0)
	add(5, 1, 0x80000000, 2)
	add(5, 1, 36, 1, 6, 5, 0, 0, page, 0, 0, 0x13, 1)
	add(6, jobWords(1, 5, 6, 8)...)
	add(6, jobWords(2)...)
	add(6, 0, 1, 0xffffffff, 0xffffffff)
	add(7, bindObjectWords(0, 5)...)
	add(7, bindObjectWords(1, 5)...)
	return list
}
