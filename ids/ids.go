// Package ids maps the small numbers that kernels hand out, lowest free first,
// to values, faster than a map does: resource ids and GEM handles are looked up
// for every buffer of every submission.
package ids

// A page is allocated when one of its ids is first used and kept: guests use
// ids again. Ids beyond the pages, which only odd guests have, live in a map.
const (
	pageBits = 8
	pageSize = 1 << pageBits
	maxPages = 256
)

// Table maps ids to values; the zero value of T means "absent". The zero Table
// is empty.
type Table[T comparable] struct {
	pages []*[pageSize]T
	rest  map[uint32]T
	n     int
}

// Get returns the value of id, zero if it is absent.
func (t *Table[T]) Get(id uint32) (v T) {
	if p := id >> pageBits; p < uint32(len(t.pages)) && t.pages[p] != nil {
		return t.pages[p][id%pageSize]
	}
	if id < maxPages*pageSize {
		return v
	}
	return t.rest[id]
}

// Set gives id a value; zero removes it.
func (t *Table[T]) Set(id uint32, v T) {
	var none T
	if was := t.Get(id); was == none && v != none {
		t.n++
	} else if was != none && v == none {
		t.n--
	}
	p := id >> pageBits
	switch {
	case p >= maxPages && v == none:
		delete(t.rest, id)
	case p >= maxPages:
		if t.rest == nil {
			t.rest = map[uint32]T{}
		}
		t.rest[id] = v
	default:
		for p >= uint32(len(t.pages)) {
			t.pages = append(t.pages, nil)
		}
		if t.pages[p] == nil {
			t.pages[p] = new([pageSize]T)
		}
		t.pages[p][id%pageSize] = v
	}
}

// Len counts the ids that have a value.
func (t *Table[T]) Len() int { return t.n }

// All yields every id with its value, in no order. The table may be changed
// meanwhile; ids set then may be left out.
func (t *Table[T]) All(yield func(id uint32, v T) bool) {
	var none T
	for p, page := range t.pages {
		if page == nil {
			continue
		}
		for i := range page {
			if v := page[i]; v != none && !yield(uint32(p<<pageBits+i), v) {
				return
			}
		}
	}
	for id, v := range t.rest {
		if !yield(id, v) {
			return
		}
	}
}
