package contract

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
	"unsafe"

	"virgldrm/core"
	"virgldrm/internal/simtest"
	"virgldrm/trace"
	"virgldrm/wire"
)

// Log collects the library's lines of one test.
type Log struct{ Lines []string }

// Logger returns where the library writes them.
func (l *Log) Logger() *trace.Logger {
	return trace.New(func(_ trace.Level, s string) { l.Lines = append(l.Lines, s) }, func(trace.Level) bool { return true })
}

// Says tells whether a line has this part.
func (l *Log) Says(part string) bool { return strings.Contains(strings.Join(l.Lines, "\n"), part) }

// Config is for a renderer of one driver on the simulated kernel.
func (d *Driver) Config(l *Log) core.Config {
	return core.Config{
		Drivers: []core.Driver{d.Driver}, Log: l.Logger(), Fences: simtest.Callbacks(), DRM: true, CrashOnPanic: true,
	}
}

// NewRenderer starts a renderer; it is closed with the test, and must leave
// nothing behind.
func (d *Driver) NewRenderer(t testing.TB) (*core.Renderer, *Log) {
	t.Helper()
	l := &Log{}
	return Start(t, d.Config(l)), l
}

// Start is NewRenderer of a configuration of the test's own.
func Start(t testing.TB, cfg core.Config) *core.Renderer {
	t.Helper()
	r, err := core.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		simtest.Control(t, "reset")
		simtest.Settle(t)
	})
	return r
}

// Guest is one guest process: a context with response memory, and the words it
// sends. Like a guest it reserves a slot's length before it asks.
type Guest struct {
	T     testing.TB
	D     *Driver
	R     *core.Renderer
	Log   *Log
	Ctx   uint32
	Seqno uint32
	Mem   []byte // the response memory
	Shm   uint32 // its res_id
}

// ShmSize is the size of a guest's response memory.
const ShmSize = 0x4000

// NewGuest starts a renderer with one guest, context 1.
func (d *Driver) NewGuest(t testing.TB) *Guest {
	t.Helper()
	r, l := d.NewRenderer(t)
	return d.AddGuest(t, r, l, 1)
}

// AddGuest adds a guest to a renderer.
func (d *Driver) AddGuest(t testing.TB, r *core.Renderer, l *Log, ctx uint32) *Guest {
	t.Helper()
	g := &Guest{T: t, D: d, R: r, Log: l, Ctx: ctx, Shm: 1000 + ctx}
	g.OK(r.CreateContext(ctx, wire.CapsetDRM, "guest"))
	g.MakeShm(ShmSize)
	return g
}

// MakeShm makes the response memory.
func (g *Guest) MakeShm(size uint64) {
	g.T.Helper()
	g.OK(g.R.CreateBlob(&core.BlobArgs{Res: g.Shm, Ctx: g.Ctx, Mem: wire.BlobMemHost3D, Flags: wire.BlobMappable, Size: size}))
	addr, _, err := g.R.Map(g.Shm)
	g.OK(err)
	// To the end of the page, which is the guest's as well.
	g.Mem = unsafe.Slice((*byte)(unsafe.Pointer(At(addr))), (size+4095)&^4095)
}

// At views a word of mapped memory.
func At(addr uintptr) *uint32 { return *(**uint32)(unsafe.Pointer(&addr)) }

// OK ends the test on an error.
func (g *Guest) OK(err error) {
	g.T.Helper()
	if err != nil {
		g.T.Fatalf("%v; log: %q", err, g.Log.Lines[max(0, len(g.Log.Lines)-3):])
	}
}

// Word reads the response memory.
func (g *Guest) Word(off uint32) uint32 { return binary.LittleEndian.Uint32(g.Mem[off:]) }

// AsyncErrors is the counter that means "device lost" to a guest, 0 for drivers
// without one.
func (g *Guest) AsyncErrors() uint32 {
	if g.D.AsyncError == 0 {
		return 0
	}
	return g.Word(g.D.AsyncError)
}

// Counted tells whether so many errors were counted, as far as they are.
func (g *Guest) Counted(n uint32) bool { return g.D.AsyncError == 0 || g.AsyncErrors() == n }

// Message is one command with the guest's seqno.
func (g *Guest) Message(cmd, rspOff uint32, body ...uint32) []byte {
	b := make([]byte, 16+4*len(body))
	for i, w := range append([]uint32{cmd, uint32(len(b)), g.Seqno, rspOff}, body...) {
		binary.LittleEndian.PutUint32(b[4*i:], w)
	}
	return b
}

// Send submits one command: its number, rsp_off and the words behind the header.
func (g *Guest) Send(cmd, rspOff uint32, body ...uint32) error {
	g.Seqno++
	return g.R.Submit(g.Ctx, g.Message(cmd, rspOff, body...))
}

// Must sends a command that has to succeed and to publish its seqno.
func (g *Guest) Must(cmd, rspOff uint32, body ...uint32) {
	g.T.Helper()
	g.OK(g.Send(cmd, rspOff, body...))
	if got := g.Word(0); got != g.Seqno {
		g.T.Fatalf("seqno %d after command %d", got, g.Seqno)
	}
}

// Ask sends a command with a response slot of n bytes and returns the words of
// the answer behind its length.
func (g *Guest) Ask(n uint32, cmd uint32, body ...uint32) []uint32 {
	g.T.Helper()
	const off = 0x100
	slot := g.D.ShmemHeader + off
	g.Reserve(off, n)
	g.Must(cmd, off, body...)
	got := g.Word(slot)
	if got > n || got%4 != 0 {
		g.T.Fatalf("answer of %d bytes in a slot of %d", got, n)
	}
	var words []uint32
	for i := uint32(4); i < got; i += 4 {
		words = append(words, g.Word(slot+i))
	}
	return words
}

// Ret compares an in-band result.
func (g *Guest) Ret(words []uint32, want int32) {
	g.T.Helper()
	if len(words) == 0 || int32(words[0]) != want {
		g.T.Fatalf("answer %v, want ret %d", words, want)
	}
}

// Park allocates a buffer under a blob_id.
func (g *Guest) Park(blob uint32, size uint64) {
	g.T.Helper()
	q := g.D.Allocate(blob, size)
	errs := g.AsyncErrors()
	g.Must(q.Cmd, 0, q.Words...)
	if g.AsyncErrors() != errs {
		g.T.Fatalf("buffer %d of %d bytes: counted; log: %q", blob, size, g.Log.Lines)
	}
}

// Blob makes a resource of what is under a blob_id.
func (g *Guest) Blob(res uint32, id, size uint64, flags uint32) error {
	return g.R.CreateBlob(&core.BlobArgs{Res: res, Ctx: g.Ctx, Mem: wire.BlobMemHost3D, Flags: flags, ID: id, Size: size})
}

// Alloc makes a buffer and a resource of it.
func (g *Guest) Alloc(res uint32, size uint64, flags uint32) {
	g.T.Helper()
	g.Park(res, size)
	g.OK(g.Blob(res, uint64(res), (size+0xfff)&^0xfff, flags))
}

// Queue opens a queue on a ring.
func (g *Guest) Queue(ring uint32) uint32 {
	g.T.Helper()
	return g.D.OpenQueue(g, ring)
}

// Submit sends a job.
func (g *Guest) Submit(queue, seq uint32, res ...uint32) {
	g.T.Helper()
	q := g.D.Job(queue, seq, res...)
	g.Must(q.Cmd, 0, q.Words...)
}

// WaitFor gives the guest's next submission a pending fence, of any context, to
// wait for.
func (g *Guest) WaitFor(fence uint64) {
	g.T.Helper()
	fd, err := g.R.ExportFence(fence)
	g.OK(err)
	g.OK(g.R.AttachFence(g.Ctx, fd.Num()))
	fd.Take()
}

// JobMessage is what Submit sends, not sent.
func (g *Guest) JobMessage(queue, seq uint32, res ...uint32) []byte {
	g.Seqno++
	q := g.D.Job(queue, seq, res...)
	return g.Message(q.Cmd, 0, q.Words...)
}

// Golden runs a message given byte for byte.
func (g *Guest) Golden(seqno uint32, message string) {
	g.T.Helper()
	g.Seqno = seqno
	g.OK(g.R.Submit(g.Ctx, Unhex(g.T, message)))
	if g.Word(0) != seqno {
		g.T.Fatalf("seqno %d, want %d", g.Word(0), seqno)
	}
}

// Reserve writes the length of a response slot, as a guest does.
func (g *Guest) Reserve(off, bytes uint32) {
	binary.LittleEndian.PutUint32(g.Mem[g.D.ShmemHeader+off:], bytes)
}

// Answer compares what is in a slot, byte for byte.
func (g *Guest) Answer(off uint32, want string) {
	g.T.Helper()
	w := Unhex(g.T, want)
	if got := g.Mem[g.D.ShmemHeader+off:][:len(w)]; !bytes.Equal(got, w) {
		g.T.Fatalf("answer %x, want %x", got, w)
	}
}

// Unhex reads bytes as the documentation prints them.
func Unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
