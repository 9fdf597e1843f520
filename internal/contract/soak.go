package contract

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"virgldrm/internal/simtest"
)

// soakTest: random jobs, fences, in-fences, GPU errors, hangs and destroyed contexts:
// every fence retires exactly once and in the order of its ring, and nothing is
// left. SOAK=5m makes it longer.
func soakTest(t *testing.T, d *Driver) {
	length := 2 * time.Second
	if s := os.Getenv("SOAK"); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	r, l := d.NewRenderer(t)
	fences, rounds := 0, 0
	for start := time.Now(); time.Since(start) < length; rounds++ {
		simtest.Callbacks()
		s := &soak{t: t, d: d, rnd: rnd, next: 1}
		for i := range s.slots {
			s.slots[i].Guest = d.AddGuest(t, r, l, s.id())
			s.slots[i].queue = s.slots[i].Queue(s.ring(i))
		}
		for range 2000 {
			s.step()
		}
		simtest.Control(t, "unhang")
		simtest.Control(t, "gpu_us 0")
		r.Reset()
		s.check()
		// Jobs of destroyed contexts run on, and the contexts are freed in the
		// background. The library keeps one signalled sync_file, of any number of
		// fences.
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			left := simtest.Counters()
			if left.Fences = 0; left == (simtest.Live{}) {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("left after a round: %+v", left)
			}
		}
		fences += len(s.made)
		l.Lines = nil
	}
	t.Logf("%d rounds, %d fences", rounds, fences)
}

// soak is one round. Context ids are never used twice in it.
type soak struct {
	t     testing.TB
	d     *Driver
	rnd   *rand.Rand
	next  uint32 // context id
	fence uint64
	made  []simtest.Fence // accepted, in order of creation
	slots [6]struct {
		*Guest
		queue, seq uint32
	}
}

func (s *soak) id() uint32 {
	s.next++
	return s.next
}

// ring is where the jobs of a slot are.
func (s *soak) ring(slot int) uint32 { return uint32(slot)%s.d.Rings + 1 }

func (s *soak) step() {
	i := s.rnd.IntN(len(s.slots))
	g := &s.slots[i]
	ring := s.ring(i)
	switch n := s.rnd.IntN(100); {
	case n < 40:
		g.seq++
		m := g.JobMessage(g.queue, g.seq)
		var in []uint64
		for range s.rnd.IntN(3) {
			in = append(in, s.rnd.Uint64N(s.fence+2))
		}
		g.OK(g.R.SubmitAfter(g.Ctx, m, in))
	case n < 80:
		s.fence++
		ring := []uint32{0, ring, ring, ring}[s.rnd.IntN(4)]
		g.OK(g.R.CreateFence(g.Ctx, ring, s.fence))
		s.made = append(s.made, simtest.Fence{Ctx: g.Ctx, Ring: ring, ID: s.fence})
	case n < 84:
		g.R.DestroyContext(g.Ctx)
		g.Guest = s.d.AddGuest(s.t, g.R, g.Log, s.id())
		g.queue, g.seq = g.Queue(ring), 0
	case n < 86:
		simtest.Control(s.t, fmt.Sprintf("hang ring=%d", s.rnd.Uint32N(s.d.Rings)))
	case n < 90:
		simtest.Control(s.t, "unhang")
	case n < 92:
		simtest.Control(s.t, "gpu_error errno=5")
	case n < 94:
		simtest.Control(s.t, fmt.Sprintf("gpu_us %d", s.rnd.IntN(3)*50))
	case n < 96:
		simtest.Control(s.t, "fail SUBMIT nth=1 errno=12")
	default:
		if fd, err := g.R.ExportFence(s.rnd.Uint64N(s.fence + 1)); err == nil {
			fd.Close()
		}
	}
}

// check compares what retired with what was made, ring by ring.
func (s *soak) check() {
	type ring struct{ ctx, ring uint32 }
	want, got := map[ring][]uint64{}, map[ring][]uint64{}
	for _, f := range s.made {
		want[ring{f.Ctx, f.Ring}] = append(want[ring{f.Ctx, f.Ring}], f.ID)
	}
	list := simtest.Retired(s.t, len(s.made))
	for _, f := range list {
		got[ring{f.Ctx, f.Ring}] = append(got[ring{f.Ctx, f.Ring}], f.ID)
	}
	if len(list) != len(s.made) {
		s.t.Errorf("%d retired of %d", len(list), len(s.made))
	}
	for k, w := range want {
		if fmt.Sprint(got[k]) != fmt.Sprint(w) {
			s.t.Fatalf("ctx %d ring %d: retired %v, want %v", k.ctx, k.ring, got[k], w)
		}
	}
}
