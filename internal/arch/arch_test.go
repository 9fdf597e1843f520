// Package arch keeps the building's floors: who may import whom, and where cgo
// and unsafe may live. docs/architecture.md has the picture.
package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "virgldrm"

// A package imports only packages of lower floors, the same floor excluded.
var floors = map[string]int{
	"wire": 0, "trace": 0, "ids": 0,
	"drm":   1,
	"fence": 2, "resources": 2,
	"core": 3,
	"msm":  4, "asahi": 4,
	"drivers": 5,
	"capi":    6,
}

// Beside the building: tests and their support, which nothing ships.
var beside = []string{"internal/", "tests/", "build/"}

var (
	mayUseCgo    = set("drm", "fence", "capi")
	mayUseUnsafe = set("wire", "drm", "capi")
	// The library's own packages need no more of the standard library.
	std = set("encoding/binary", "errors", "fmt", "runtime/debug", "structs", "sync", "sync/atomic", "syscall", "time", "unsafe", "C")
)

func set(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

// violations lists what is wrong with one file's imports.
func violations(pkg string, imports []string) (bad []string) {
	floor, known := floors[pkg]
	if !known {
		return []string{"package " + pkg + " has no floor: give it one in internal/arch"}
	}
	for _, imp := range imports {
		below, ours := strings.CutPrefix(imp, module+"/")
		switch {
		case ours:
			if f, ok := floors[below]; !ok || f >= floor {
				bad = append(bad, pkg+" must not import "+below+": it is not on a lower floor")
			}
		case imp == "C" && !mayUseCgo[pkg]:
			bad = append(bad, pkg+" must not use cgo")
		case imp == "unsafe" && !mayUseUnsafe[pkg]:
			bad = append(bad, pkg+" must not use unsafe")
		case !std[imp]:
			bad = append(bad, pkg+" must not import "+imp+": the library stays small")
		}
	}
	return bad
}

func TestFloors(t *testing.T) {
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		for _, b := range beside {
			if strings.HasPrefix(rel+"/", b) {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && rel != "." {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		var imports []string
		for _, spec := range f.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, name)
		}
		for _, v := range violations(filepath.ToSlash(filepath.Dir(rel)), imports) {
			t.Errorf("%s: %s", rel, v)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Fatalf("only %d files seen: is the walk looking in the right place?", files)
	}
}

// The rules themselves: each must refuse what it is for.
func TestViolations(t *testing.T) {
	for _, c := range []struct {
		pkg, imp string
		bad      bool
	}{
		{"core", "virgldrm/drm", false},
		{"drm", "virgldrm/core", true},
		{"msm", "virgldrm/drivers", true},
		{"wire", "virgldrm/trace", true},
		{"core", "C", true},
		{"fence", "C", false},
		{"core", "unsafe", true},
		{"core", "log", true},
		{"core", "os", true},
		{"elsewhere", "fmt", true},
	} {
		if got := len(violations(c.pkg, []string{c.imp})) > 0; got != c.bad {
			t.Errorf("%s importing %s: refused %v, want %v", c.pkg, c.imp, got, c.bad)
		}
	}
}
