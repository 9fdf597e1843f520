package msm_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"virgldrm/core"
	"virgldrm/internal/contract"
	"virgldrm/internal/simtest"
	"virgldrm/resources"
)

// What the guest and the VMM believe: buffers, who can name them, and what
// every call must answer. No part of it looks into the library.
type (
	modelBuf struct { // a GEM buffer; identity is the pointer
		size uint64 // whole pages
		mark uint32 // the word at offset 8
	}
	modelObj struct { // a buffer as one context names it
		buf   *modelBuf
		size  uint64 // as the guest asked
		flags uint32 // of the blob
	}
	modelCtx struct {
		pending map[uint32]*modelObj // by blob_id
		objs    map[uint32]*modelObj // by res_id
		iova    map[*modelBuf]uint64
		mem     []byte // response memory, once there is some
		errs    uint32 // async_error
		seqno   uint32
	}
	modelRes struct {
		kind    resources.Kind
		creator uint32
		buf     *modelBuf
		size    uint64 // as created
		file    uint64 // bytes behind its descriptor
		info    uint32
		mapped  bool
	}
)

// op is one step. Its numbers are drawn before anything runs, so that dropping
// a step leaves the others what they are.
type op struct {
	kind           string
	ctx, res, blob uint32
	x, y           uint32
}

func (o op) String() string {
	return fmt.Sprintf("{%q, %d, %d, %d, %d, %d}", o.kind, o.ctx, o.res, o.blob, o.x, o.y)
}

type opKind struct {
	weight int
	name   string
	step   func(*machine, op) error
}

var opKinds = []opKind{
	{2, "context", (*machine).context},
	{1, "destroy", (*machine).destroy},
	{2, "shmem", (*machine).shmem},
	{12, "gem_new", (*machine).gemNew},
	{6, "blob", (*machine).blob},
	{1, "guest blob", (*machine).guestBlob},
	{10, "attach", (*machine).attach},
	{4, "detach", (*machine).detach},
	{4, "export", (*machine).export},
	{8, "import", (*machine).importBlob},
	{6, "map", (*machine).mapBlob},
	{3, "unmap", (*machine).unmap},
	{4, "map_fixed", (*machine).mapFixed},
	{2, "map_info", (*machine).mapInfo},
	{3, "unref", (*machine).unref},
	{4, "cpu_prep", (*machine).cpuPrep},
	{6, "upload", (*machine).upload},
}

// draw makes a sequence: three contexts with response memory, then anything.
// An allocation is mostly followed by its resource, else few would exist.
func draw(rng *rand.Rand, n int) (ops []op) {
	for ctx := uint32(1); ctx <= 3; ctx++ {
		ops = append(ops, op{"context", ctx, 0, 0, 0, 0}, op{"shmem", ctx, 10 + ctx, 0, 63, 63})
	}
	total := 0
	for _, k := range opKinds {
		total += k.weight
	}
	for len(ops) < n {
		w, kind := rng.IntN(total), 0
		for w >= opKinds[kind].weight {
			w -= opKinds[kind].weight
			kind++
		}
		o := op{opKinds[kind].name, 1 + rng.Uint32N(3), 1 + rng.Uint32N(8), 1 + rng.Uint32N(3), rng.Uint32N(64), rng.Uint32N(64)}
		switch rng.IntN(60) {
		case 0:
			o.ctx = 0
		case 1:
			o.res = 0
		case 2:
			o.blob = 0
		case 3:
			o.res = 10 + o.ctx // its response memory
		}
		ops = append(ops, o)
		if o.kind == "gem_new" && rng.IntN(4) > 0 {
			ops = append(ops, op{"blob", o.ctx, o.res, o.blob, rng.Uint32N(64), rng.Uint32N(64)})
		}
	}
	return ops
}

type machine struct {
	r    *core.Renderer
	ctxs map[uint32]*modelCtx
	res  map[uint32]*modelRes
	last uint32  // mark
	free uintptr // reserved addresses for map_fixed
}

const reserved = 1 << 20

// play runs the steps on a fresh renderer and stops at the first surprise.
func play(ops []op) (err error) {
	r, err := core.New(driver.Config(&contract.Log{}))
	if err != nil {
		return err
	}
	m := &machine{r: r, ctxs: map[uint32]*modelCtx{}, res: map[uint32]*modelRes{}}
	area, err := syscall.Mmap(-1, 0, reserved, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return err
	}
	defer syscall.Munmap(area)
	m.free = uintptr(unsafe.Pointer(unsafe.SliceData(area)))
	var at int
	defer func() {
		for _, c := range m.ctxs {
			syscall.Munmap(c.mem)
		}
		if p := recover(); p != nil {
			err = fmt.Errorf("step %d, %v: panic: %v\n%s", at, ops[at], p, debug.Stack())
		}
		r.Close()
		if left := simtest.Counters(); err == nil && left != (simtest.Live{}) {
			err = fmt.Errorf("left after the end: %+v", left)
		}
	}()
	for at = range ops {
		i := slices.IndexFunc(opKinds, func(k opKind) bool { return k.name == ops[at].kind })
		err := opKinds[i].step(m, ops[at])
		if err == nil {
			err = m.compare()
		}
		if err != nil {
			return fmt.Errorf("step %d, %v: %w", at, ops[at], err)
		}
	}
	return nil
}

// compare counts what the simulated kernel must hold now.
func (m *machine) compare() error {
	live, handles := map[*modelBuf]bool{}, 0
	for id, c := range m.ctxs {
		mine := map[*modelBuf]bool{}
		for _, objs := range []map[uint32]*modelObj{c.pending, c.objs} {
			for _, o := range objs {
				mine[o.buf], live[o.buf] = true, true
			}
		}
		handles += len(mine)
		for buf := range c.iova {
			if !mine[buf] {
				delete(c.iova, buf)
			}
		}
		if c.mem != nil {
			word := binary.LittleEndian.Uint32
			if word(c.mem) != c.seqno || word(c.mem[8:]) != c.errs {
				return fmt.Errorf("context %d: seqno %d, %d errors; want %d and %d", id, word(c.mem), word(c.mem[8:]), c.seqno, c.errs)
			}
		}
	}
	for _, s := range m.res {
		if s.buf != nil && s.kind != resources.Opaque {
			live[s.buf] = true
		}
	}
	got := simtest.Counters()
	want := simtest.Live{Files: uint64(len(m.ctxs)), BOs: uint64(len(live)), Handles: uint64(handles)}
	if got != want {
		return fmt.Errorf("the kernel has %+v, want %+v", got, want)
	}
	return nil
}

// is compares an error's errno, 0 for success.
func is(err error, want syscall.Errno) error {
	var got syscall.Errno
	if err != nil && !errors.As(err, &got) || got != want {
		return fmt.Errorf("result %v, want %v", err, want)
	}
	return nil
}

func fails(err error) error {
	if err == nil {
		return errors.New("succeeded, want a failure")
	}
	return is(err, errno(err))
}

func errno(err error) (e syscall.Errno) {
	errors.As(err, &e)
	return e
}

// shrink drops steps while the rest still fails.
func shrink(ops []op, failing func([]op) bool) []op {
	for n := len(ops) / 2; n > 0; {
		smaller := false
		for i := 0; i+n <= len(ops); {
			if fewer := slices.Delete(slices.Clone(ops), i, i+n); failing(fewer) {
				ops, smaller = fewer, true
			} else {
				i++
			}
		}
		if !smaller || n > len(ops) {
			n /= 2
		}
	}
	return ops
}

// TestModel plays random sequences of calls against the model. MODEL_SEQUENCES
// says how many, MODEL_SEED where to start.
func TestModel(t *testing.T) {
	number := func(name string, preset uint64) uint64 {
		s := os.Getenv(name)
		if s == "" {
			return preset
		}
		n, err := strconv.ParseUint(s, 0, 64)
		if err != nil {
			t.Fatalf("%s=%s is no number", name, s)
		}
		return n
	}
	seed := number("MODEL_SEED", rand.Uint64())
	for i := range number("MODEL_SEQUENCES", 2000) {
		rng := rand.New(rand.NewPCG(seed+i, 1))
		ops := draw(rng, 40+rng.IntN(40))
		if play(ops) != nil {
			ops = shrink(ops, func(o []op) bool { return play(o) != nil })
			t.Fatalf("MODEL_SEED=%d: %v\nthe shortest sequence that fails: %v", seed+i, play(ops), ops)
		}
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, "/memfd:") {
			t.Errorf("left mapped: %s", line)
		}
	}
}
