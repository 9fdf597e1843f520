// Package headers proves that what this library says about C is what C says:
//
//   - contract_test.go: our public header against the distribution's virglrenderer.h
//   - kernel_test.go: what we pass to the kernel against the kernel's headers
//   - golden_test.go: everything against testdata/layouts.json, which needs no network
//
// rows_test.go ties Go names to C names: a new struct, constant or ioctl comes
// with a row there. bite_test.go breaks each rule on purpose.
package headers

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"virgldrm/drivers"
)

// facts is what one source (the golden file, or a set of headers) knows.
type facts struct {
	from    string
	structs map[string]layout
	values  map[string]int64  // object-like macros and enumerators
	args    map[string]string // ioctl macro: tag of the struct in its text
}

type layout struct {
	Size, Align int64
	Fields      []field
}

type field struct {
	Name   string `json:"name"` // dotted for members of members
	Offset int64  `json:"offset"`
	Size   int64  `json:"size"`
	Type   string `json:"ctype"`
	Bits   int    `json:"bits"` // width of a bit-field; its place is that of its word
	Group  bool   `json:"-"`    // a struct or union whose members follow
}

// find returns the layout of "tag" or of a member, "tag/u.msm".
func (f facts) find(name string) (layout, bool) {
	tag, path, part := strings.Cut(name, "/")
	l, ok := f.structs[tag]
	if !ok || !part {
		return l, ok
	}
	var in layout
	var base int64
	ok = false
	for _, m := range l.Fields {
		if m.Name == path {
			in.Size, base, ok = m.Size, m.Offset, true
		}
	}
	for _, m := range l.Fields {
		if rest, inside := strings.CutPrefix(m.Name, path+"."); inside {
			m.Name, m.Offset = rest, m.Offset-base
			in.Fields = append(in.Fields, m)
		}
	}
	return in, ok
}

// value evaluates what rows say: NAME, NAME | NAME, sizeof TAG, offsetof TAG.MEMBER.
func (f facts) value(expr string) (v int64, ok bool) {
	if tag, is := strings.CutPrefix(expr, "sizeof "); is {
		l, ok := f.structs[tag]
		return l.Size, ok
	}
	if path, is := strings.CutPrefix(expr, "offsetof "); is {
		tag, member, _ := strings.Cut(path, ".")
		for _, m := range f.structs[tag].Fields {
			if m.Name == member {
				return m.Offset, true
			}
		}
		return 0, false
	}
	for _, name := range strings.Split(expr, " | ") {
		one, known := f.values[name]
		if !known {
			return 0, false
		}
		v |= one
	}
	return v, true
}

// golden is testdata/layouts.json: names, numbers and layouts, by group.
type golden struct {
	Groups []struct {
		Group string
		Types []struct {
			Name, Kind  string
			Size, Align int64
			Fields      []field
		}
		Constants []struct {
			Name  string
			Value int64
		}
	}
}

func loadGolden(t *testing.T) (g golden) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root(t), "testdata", "layouts.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Groups) == 0 {
		t.Fatal("testdata/layouts.json holds nothing")
	}
	return g
}

func (g golden) facts() facts {
	f := facts{"testdata/layouts.json", map[string]layout{}, map[string]int64{}, nil}
	for _, group := range g.Groups {
		for _, s := range group.Types {
			f.structs[s.Name] = layout{s.Size, s.Align, s.Fields}
		}
		for _, c := range group.Constants {
			f.values[c.Name] = c.Value
		}
	}
	flat := maps.Clone(f.structs)
	for name, l := range f.structs {
		l.Fields = f.expand(l.Fields, "", 0)
		flat[name] = l
	}
	f.structs = flat
	return f
}

// expand adds the members of members that are structs with a layout of their own.
func (f facts) expand(in []field, prefix string, base int64) (out []field) {
	for _, m := range in {
		m.Name, m.Offset = prefix+m.Name, m.Offset+base
		inner, known := f.structs[strings.TrimPrefix(m.Type, "struct ")]
		m.Group = known || strings.HasSuffix(m.Type, "{...}")
		out = append(out, m)
		if known {
			out = append(out, f.expand(inner.Fields, m.Name+".", m.Offset)...)
		}
	}
	return out
}

// perDriver fills in the name of each driver there is, in upper case for %S.
func perDriver(format string) (list []string) {
	for _, d := range drivers.All {
		name := strings.ReplaceAll(format, "%S", strings.ToUpper(d.Name))
		list = append(list, strings.ReplaceAll(name, "%s", d.Name))
	}
	return list
}

// messagePrefixes are how the names of messages and commands begin.
var messagePrefixes = append(append(perDriver("%s_"), perDriver("%S_CCMD_")...), "vdrm_")

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
