package msm_test

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
	"unsafe"

	"virgldrm/core"
	"virgldrm/internal/simtest"
	"virgldrm/msm"
	"virgldrm/trace"
	"virgldrm/wire"
)

func TestMain(m *testing.M) { simtest.Main(m) }

// logged collects the library's lines of one test.
type logged struct{ lines []string }

func (l *logged) logger() *trace.Logger {
	return trace.New(func(_ trace.Level, s string) { l.lines = append(l.lines, s) }, func(trace.Level) bool { return true })
}

// newRenderer starts a renderer on the simulated GPU; it is closed with the test.
func newRenderer(t testing.TB) (*core.Renderer, *logged) {
	t.Helper()
	l := &logged{}
	r, err := core.New(core.Config{
		Drivers: []core.Driver{msm.Driver}, Log: l.logger(), Fences: simtest.Callbacks(), DRM: true, CrashOnPanic: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		simtest.Control(t, "reset")
		simtest.Settle(t)
	})
	return r, l
}

// guest is one guest process: a context with response memory, and the words it
// sends. Like a guest it reserves a slot's length before it asks.
type guest struct {
	t     testing.TB
	r     *core.Renderer
	log   *logged
	ctx   uint32
	seqno uint32
	mem   []byte
	shm   uint32 // res_id of the response memory
}

const shmSize = 0x4000

func newGuest(t testing.TB) *guest {
	r, l := newRenderer(t)
	return addGuest(t, r, l, 1)
}

func addGuest(t testing.TB, r *core.Renderer, l *logged, ctx uint32) *guest {
	t.Helper()
	g := &guest{t: t, r: r, log: l, ctx: ctx, shm: 1000 + ctx}
	if err := r.CreateContext(ctx, wire.CapsetDRM, "guest"); err != nil {
		t.Fatal(err)
	}
	g.ok(r.CreateBlob(&core.BlobArgs{Res: g.shm, Ctx: ctx, Mem: wire.BlobMemHost3D, Flags: wire.BlobMappable, Size: shmSize}))
	addr, size, err := r.Map(g.shm)
	g.ok(err)
	g.mem = unsafe.Slice(*(**byte)(unsafe.Pointer(&addr)), size)
	return g
}

func (g *guest) ok(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatalf("%v; log: %q", err, g.log.lines[max(0, len(g.log.lines)-3):])
	}
}

func (g *guest) word(off uint32) uint32 { return binary.LittleEndian.Uint32(g.mem[off:]) }

const header = 16 // of the response memory

// asyncErrors is the counter that means "device lost" to a guest.
func (g *guest) asyncErrors() uint32 { return g.word(8) }

// send submits one command: its number, rsp_off and the words behind the header.
func (g *guest) send(cmd, rspOff uint32, body ...uint32) error {
	g.seqno++
	return g.r.Submit(g.ctx, g.message(cmd, rspOff, body...))
}

func (g *guest) message(cmd, rspOff uint32, body ...uint32) []byte {
	b := make([]byte, 16+4*len(body))
	for i, w := range append([]uint32{cmd, uint32(len(b)), g.seqno, rspOff}, body...) {
		binary.LittleEndian.PutUint32(b[4*i:], w)
	}
	return b
}

// must sends a command that has to succeed and to publish its seqno.
func (g *guest) must(cmd, rspOff uint32, body ...uint32) {
	g.t.Helper()
	g.ok(g.send(cmd, rspOff, body...))
	if got := g.word(0); got != g.seqno {
		g.t.Fatalf("seqno %d after command %d", got, g.seqno)
	}
}

// ask sends a command with a response slot of n bytes at off and returns the
// words of the answer behind its length.
func (g *guest) ask(n uint32, cmd uint32, body ...uint32) []uint32 {
	g.t.Helper()
	const off = 0x100
	binary.LittleEndian.PutUint32(g.mem[header+off:], n)
	g.must(cmd, off, body...)
	got := g.word(header + off)
	if got > n || got%4 != 0 {
		g.t.Fatalf("answer of %d bytes in a slot of %d", got, n)
	}
	var words []uint32
	for i := uint32(4); i < got; i += 4 {
		words = append(words, g.word(header+off+i))
	}
	return words
}

// errno compares an in-band result.
func (g *guest) ret(words []uint32, want int32) {
	g.t.Helper()
	if len(words) == 0 || int32(words[0]) != want {
		g.t.Fatalf("answer %v, want ret %d", words, want)
	}
}

const (
	iovaBase = 0x100000000
	boWC     = 0x20000
)

// alloc makes a buffer at an address of its own and a resource of it.
func (g *guest) alloc(res, size uint32, flags uint32) {
	g.t.Helper()
	g.gemNew(res, size)
	g.ok(g.blob(res, uint64(res), uint64(size+0xfff)&^0xfff, flags))
}

func iova(n uint32) (lo, hi uint32) {
	v := uint64(iovaBase) + uint64(n)<<20
	return uint32(v), uint32(v >> 32)
}

func (g *guest) gemNew(blob, size uint32) {
	g.t.Helper()
	lo, hi := iova(blob)
	g.must(3, 0, lo, hi, size, 0, boWC, blob)
}

func (g *guest) blob(res uint32, id, size uint64, flags uint32) error {
	return g.r.CreateBlob(&core.BlobArgs{Res: res, Ctx: g.ctx, Mem: wire.BlobMemHost3D, Flags: flags, ID: id, Size: size})
}

// queue opens a submitqueue and returns its id.
func (g *guest) queue(prio uint32) uint32 {
	g.t.Helper()
	a := g.ask(24, 2, 0xc00c644a, 0, prio, 0)
	g.ret(a, 0)
	return a[3]
}

// submit sends a job without commands on one buffer.
func (g *guest) submit(queue, seq uint32, res ...uint32) {
	g.t.Helper()
	g.must(7, 0, submitWords(queue, seq, res...)...)
}

func submitWords(queue, seq uint32, res ...uint32) []uint32 {
	w := []uint32{0x10, queue, uint32(len(res)), 0, seq}
	for _, r := range res {
		w = append(w, 3, r, 0, 0) // read and written
	}
	return w
}

// unhex reads words of bytes as the documentation prints them.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func contains(lines []string, part string) bool {
	return strings.Contains(strings.Join(lines, "\n"), part)
}
