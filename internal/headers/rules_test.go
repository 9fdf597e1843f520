package headers

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

type constRow struct{ goName, c string }

type structRow struct {
	goName, c string
	extent    extent
}

type extent int

const (
	whole extent = iota
	head         // the Go struct is how the C struct begins
)

// problems collects what is wrong, one line each.
type problems []string

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

func checkStructs(g *goCode, f facts, rows []structRow) (p problems) {
	for _, r := range rows {
		ours, ok := g.layout(r.goName)
		if !ok {
			p.add("%s: no such struct; mend its row", r.goName)
			continue
		}
		theirs, ok := f.find(r.c)
		if !ok {
			p.add("%s: %s has no struct %s", r.goName, f.from, r.c)
			continue
		}
		for _, line := range sameLayout(ours, theirs, r.extent) {
			p.add("%s and struct %s of %s: %s", r.goName, r.c, f.from, line)
		}
	}
	return p
}

// sameLayout compares member by member: place, size and name. A Go struct may
// spell out padding that C leaves to the compiler.
func sameLayout(ours, theirs layout, e extent) (p problems) {
	if ours.Size != theirs.Size && e == whole {
		p.add("%d bytes in Go, %d in C", ours.Size, theirs.Size)
	}
	if theirs.Align != 0 && ours.Align != theirs.Align && e == whole {
		p.add("aligned to %d in Go, to %d in C", ours.Align, theirs.Align)
	}
	used := map[int]bool{}
	for _, o := range ours.Fields {
		if o.Group {
			continue
		}
		var match, overlap string
		for i, c := range theirs.Fields {
			if c.Group || c.Size == 0 {
				continue
			}
			if c.Offset == o.Offset && c.Size == o.Size {
				used[i] = true
				if match == "" || !alike(o.Name, match) {
					match = c.Name
				}
			} else if c.Offset < o.Offset+o.Size && o.Offset < c.Offset+c.Size {
				overlap = c.Name
			}
		}
		switch {
		case match != "" && alike(o.Name, match):
		case match != "":
			p.add("%s is where C has %s", o.Name, match)
		case overlap != "":
			p.add("%s (%d bytes at %d) cuts into %s", o.Name, o.Size, o.Offset, overlap)
		case !strings.HasSuffix(o.Name, "Pad"):
			p.add("%s (%d bytes at %d) is padding in C: if it is in Go, call it Pad", o.Name, o.Size, o.Offset)
		}
	}
	for i, c := range theirs.Fields {
		if c.Group || c.Size == 0 || used[i] || (e == head && c.Offset >= ours.Size) {
			continue
		}
		p.add("C has %s (%d bytes at %d), Go has not", c.Name, c.Size, c.Offset)
	}
	return p
}

// alike tells whether a Go name may stand for a C name: QueueID for queueid,
// Offset for submit_offset. It is what tells two members that swapped places.
func alike(goName, c string) bool {
	norm := func(s string) []string {
		s = strings.ToLower(strings.ReplaceAll(s, "_", ""))
		return strings.Split(s, ".")
	}
	o, t := norm(goName), norm(c)
	if len(o) != len(t) {
		return false
	}
	for i := range o {
		if !strings.HasPrefix(t[i], o[i]) && !strings.HasSuffix(t[i], o[i]) {
			return false
		}
	}
	return true
}

func checkConsts(g *goCode, f facts, rows []constRow) (p problems) {
	for _, r := range rows {
		ours, ok := g.constant(r.goName)
		if !ok {
			p.add("%s: no such constant; mend its row", r.goName)
			continue
		}
		theirs, ok := f.value(r.c)
		switch {
		case !ok:
			p.add("%s: %s has no %s", r.goName, f.from, r.c)
		case ours != theirs:
			p.add("%s is %#x, %s of %s is %#x", r.goName, ours, r.c, f.from, theirs)
		}
	}
	return p
}

// checkOps compares every ioctl number. Its name says which ioctl it is; the
// header's text, where there is one, which struct belongs to it.
func checkOps(g *goCode, f facts, rows []structRow) (p problems) {
	same := map[[2]string]bool{}
	for _, r := range rows {
		same[[2]string{r.goName, r.c}] = true
	}
	ops := g.ops()
	if len(ops) == 0 {
		p.add("no ioctl found in our sources")
	}
	for _, o := range ops {
		c := o.name
		if !strings.HasPrefix(c, "SYNC_IOC_") && !strings.HasPrefix(c, "DMA_BUF_") {
			c = "DRM_IOCTL_" + c
		}
		want, ok := f.values[c]
		if !ok {
			p.add("%s: %s has no %s", o.goName, f.from, c)
			continue
		}
		got := o.number
		if oldSize[o.goName] {
			const size = 0x3fff << 16
			got, want = got&^size, want&^size
		}
		if got != want {
			p.add("%s is %#x, %s of %s is %#x", o.goName, got, c, f.from, want)
		}
		if tag := f.args[c]; tag != "" && !same[[2]string{o.arg, tag}] {
			p.add("%s takes %s, %s of %s takes struct %s", o.goName, o.arg, c, f.from, tag)
		}
	}
	return p
}

// checkComplete finds structs and constants that nobody compares, ours and C's.
func checkComplete(g *goCode, f facts) (p problems) {
	rows := map[string]bool{}
	covered := map[string]bool{}
	for _, r := range append(append([]structRow{}, kernelStructs...), wireStructs...) {
		rows[r.goName] = true
		tag, _, _ := strings.Cut(r.c, "/")
		covered[tag] = true
	}
	for _, table := range [][]constRow{kernelConsts, kernelOnlyConsts, wireConsts} {
		for _, r := range table {
			rows[r.goName], covered[r.c] = true, true
		}
	}
	for _, name := range g.structs() {
		if !rows[name] && notC[name] == "" {
			p.add("%s has a host layout but no row in rows_test.go", name)
		}
	}
	for _, name := range g.constants(constFiles) {
		if !rows[name] && noHeaderHas[name] == "" {
			p.add("%s has no row in rows_test.go, nor a reason in its noHeaderHas", name)
		}
	}
	for _, o := range g.ops() {
		if strings.Contains(o.arg, ".") && !rows[o.arg] {
			p.add("%s takes %s, which has no row in rows_test.go", o.goName, o.arg)
		}
	}
	message := func(name string) bool {
		return slices.ContainsFunc(messagePrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	}
	for name := range f.structs {
		if message(name) && !covered[name] && !byOffset[name] {
			p.add("no Go struct for the message %s: no row in rows_test.go has it, nor byOffset", name)
		}
	}
	for name := range f.values {
		if message(name) && !covered[name] && !strings.HasSuffix(name, "_LAST") {
			p.add("no Go constant for %s: no row in rows_test.go has it", name)
		}
	}
	sort.Strings(p)
	return p
}
