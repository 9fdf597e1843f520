package msm_test

import (
	"encoding/binary"
	"testing"

	"virgldrm/internal/contract"
	"virgldrm/internal/simtest"
	"virgldrm/msm"
)

func TestMain(m *testing.M) { simtest.Main(m, "DRMSIM_DRIVER=msm") }

// driver is msm as the tests of all drivers see it.
var driver = &contract.Driver{
	Driver: msm.Driver,
	Nop:    1,
	Simple: []uint32{0xc0186440, 0xc0106440, 0xc00c644a, 0x4004644b},
	Answered: []contract.Request{
		{Cmd: 2, Words: []uint32{0xc0186440, 0x10, 1, 0, 0, 0, 0}},
		{Cmd: 2, Words: []uint32{0xc00c644a, 0, 0, 0}},
		{Cmd: 2, Words: []uint32{0x4004644b, 77}},
		{Cmd: 5, Words: []uint32{5, 1}},
		{Cmd: 10, Words: []uint32{0, 1}},
	},
	Sized: func(bytes uint32) contract.Request {
		return contract.Request{Cmd: 9, Words: []uint32{0, 0, bytes}}
	},
	AnswerSize: answerSize,

	Page:            0x1000,
	Allocate:        allocate,
	AllocateIsFatal: true,
	ExportsMappable: true,
	Knows: func(g *contract.Guest, res uint32) bool {
		return g.Ask(8, 5, res, 1)[0] == 0
	},

	OpenQueue: func(g *contract.Guest, ring uint32) uint32 {
		a := g.Ask(24, 2, 0xc00c644a, 0, ring-1, 0)
		g.Ret(a, 0)
		return a[3]
	},
	Job: func(queue, seq uint32, res ...uint32) contract.Request {
		return contract.Request{Cmd: 7, Words: submitWords(queue, seq, res...)}
	},
	Rings: 3,

	Recordings: "../testdata/recordings/turnip-*.vrec.xz",
	Seeds:      seeds(),
	Probes:     []string{"GET_PARAM", "GEM_NEW", "SUBMITQUEUE_NEW"},
	Tri:        map[int]bool{96: true, 100: true},
}

func Test(t *testing.T)                  { contract.Test(t, driver) }
func FuzzCommandStream(f *testing.F)     { contract.FuzzCommandStream(f, driver) }
func FuzzResponsePlacement(f *testing.F) { contract.FuzzResponsePlacement(f, driver) }
func FuzzCapset(f *testing.F)            { contract.FuzzCapset(f, driver) }

// answerSize is the size of a command's response, 0 for none.
func answerSize(message []byte) uint64 {
	arg := func(at int) uint32 {
		if len(message) < at+4 {
			return 0
		}
		return binary.LittleEndian.Uint32(message[at:])
	}
	switch arg(0) {
	case 2:
		if arg(16) == 0x4004644b { // the one ioctl that only writes
			return 8
		}
		return 8 + uint64(max(len(message), 20)-20)
	case 5, 10:
		return 8
	case 9:
		return 12 + uint64(arg(24))
	}
	return 0
}

const (
	iovaBase = 0x100000000
	boWC     = 0x20000
)

func iova(n uint32) (lo, hi uint32) {
	v := uint64(iovaBase) + uint64(n)<<20
	return uint32(v), uint32(v >> 32)
}

func allocate(blob uint32, size uint64) contract.Request {
	lo, hi := iova(blob)
	return contract.Request{Cmd: 3, Words: []uint32{lo, hi, uint32(size), uint32(size >> 32), boWC, blob}}
}

// submitWords is a job without commands.
func submitWords(queue, seq uint32, res ...uint32) []uint32 {
	w := []uint32{0x10, queue, uint32(len(res)), 0, seq}
	for _, r := range res {
		w = append(w, 3, r, 0, 0) // read and written
	}
	return w
}

func seeds() (list []contract.Request) {
	add := func(cmd uint32, words ...uint32) { list = append(list, contract.Request{Cmd: cmd, Words: words}) }
	lo, hi := iova(40)
	add(3, lo, hi, 0x1234, 0, boWC, 3)
	add(4, 0, 0, 5, 0)
	add(5, 8, 3)
	add(6, 5, 4, 0x64636261)
	add(7, append(submitWords(1, 1, 5, 6, 8), 1, 0, 0, 0x40, 0, 0, 0, 0)...)
	add(7, submitWords(2, 1, 5)...)
	add(7, submitWords(0, 1, 8)...)
	add(8, 8, 0, 0x2ffc, 4, 0x11223344)
	add(8, 5, 0, 0, 0)
	add(9, 1, 0, 4)
	add(9, 1, 0, 0xffffffff)
	add(10, 2, 1)
	add(11, 4, 4, 0x00636261, 0x00636261)
	add(2, 0xc00c644a, 0, 2, 0)
	add(2, 0x4004644b, 3)
	add(2, 0xc0106442, 0x1000, 0, boWC, 0)
	add(2, 0xc0186440, 0x10, 9, 0, 0, 0, 0)
	return list
}
