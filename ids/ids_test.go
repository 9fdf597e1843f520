package ids

import (
	"math/rand/v2"
	"testing"
)

// A table behaves as a map, for ids of every size.
func TestAgainstMap(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	var table Table[uint64]
	model := map[uint32]uint64{}
	pick := func() uint32 {
		switch rnd.IntN(4) {
		case 0:
			return maxPages*pageSize - 2 + rnd.Uint32N(4) // where the map begins
		case 1:
			return ^uint32(0) - rnd.Uint32N(3)
		}
		return rnd.Uint32N(1000)
	}
	for range 20_000 {
		id := pick()
		if table.Get(id) != model[id] {
			t.Fatalf("id %d: %d, want %d", id, table.Get(id), model[id])
		}
		if v := rnd.Uint64N(3); v == 0 {
			table.Set(id, 0)
			delete(model, id)
		} else {
			table.Set(id, v)
			model[id] = v
		}
		if table.Len() != len(model) {
			t.Fatalf("%d values, want %d", table.Len(), len(model))
		}
	}
	for id, v := range table.All {
		if model[id] != v {
			t.Fatalf("id %d yields %d, want %d", id, v, model[id])
		}
		table.Set(id, 0)
		delete(model, id)
	}
	if len(model) != 0 || table.Len() != 0 {
		t.Fatalf("not yielded: %v", model)
	}
}
