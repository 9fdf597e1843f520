package headers

import (
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// goCode is our packages as the type checker sees them for one architecture:
// that reaches what is not exported, and works for machines we do not run on.
type goCode struct {
	t     *testing.T
	sizes types.Sizes
	edit  edit // of the sources, in memory, to see a rule bite
	pkgs  map[string]*types.Package
	files map[string][]*ast.File
	info  types.Info
}

// edit replaces text in one file.
type edit struct{ file, old, new string }

func (e edit) apply(t *testing.T, file, text string) string {
	t.Helper()
	if e.file != file {
		return text
	}
	if strings.Count(text, e.old) != 1 {
		t.Fatalf("%s has %q %d times, want once", file, e.old, strings.Count(text, e.old))
	}
	return strings.Replace(text, e.old, e.new, 1)
}

// The standard library is loaded once; it depends on nothing of ours.
var (
	positions = token.NewFileSet()
	stdlib    = importer.ForCompiler(positions, "gc", nil)
)

func loadGo(t *testing.T, arch string, e edit) *goCode {
	t.Helper()
	g := &goCode{t: t, sizes: types.SizesFor("gc", arch), edit: e,
		pkgs: map[string]*types.Package{}, files: map[string][]*ast.File{},
		info: types.Info{Types: map[ast.Expr]types.TypeAndValue{}}}
	for _, name := range append(perDriver("%s"), "wire", "drm") {
		if _, err := g.Import(module + name); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

const module = "virgldrm/"

// Import makes goCode a types.Importer for its own packages.
func (g *goCode) Import(path string) (*types.Package, error) {
	name, ours := strings.CutPrefix(path, module)
	if !ours {
		return stdlib.Import(path)
	}
	if p := g.pkgs[name]; p != nil {
		return p, nil
	}
	paths, err := filepath.Glob(filepath.Join(root(g.t), name, "*.go"))
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		rel := name + "/" + filepath.Base(path)
		f, err := parser.ParseFile(positions, rel, g.edit.apply(g.t, rel, string(text)), parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	conf := types.Config{Importer: g, Sizes: g.sizes, FakeImportC: true, IgnoreFuncBodies: true}
	p, err := conf.Check(path, positions, files, &g.info)
	g.pkgs[name], g.files[name] = p, files
	return p, err
}

// lookup finds "msm.param" and the like.
func (g *goCode) lookup(name string) types.Object {
	pkg, id, _ := strings.Cut(name, ".")
	if p := g.pkgs[pkg]; p != nil {
		return p.Scope().Lookup(id)
	}
	return nil
}

// structs lists the structs that say their layout matters outside Go.
func (g *goCode) structs() (names []string) {
	return g.all(func(o types.Object) bool {
		s, ok := o.Type().Underlying().(*types.Struct)
		if _, is := o.(*types.TypeName); !is || !ok {
			return false
		}
		for f := range s.Fields() {
			if f.Type().String() == "structs.HostLayout" {
				return true
			}
		}
		return false
	})
}

// constants lists the constants of some files.
func (g *goCode) constants(files map[string]bool) (names []string) {
	return g.all(func(o types.Object) bool {
		_, is := o.(*types.Const)
		return is && files[positions.Position(o.Pos()).Filename]
	})
}

func (g *goCode) all(want func(types.Object) bool) (names []string) {
	for pkg, p := range g.pkgs {
		for _, id := range p.Scope().Names() {
			if want(p.Scope().Lookup(id)) {
				names = append(names, pkg+"."+id)
			}
		}
	}
	return names
}

func (g *goCode) constant(name string) (v int64, ok bool) {
	c, ok := g.lookup(name).(*types.Const)
	if !ok {
		return 0, false
	}
	return constant.Int64Val(constant.ToInt(c.Val()))
}

func (g *goCode) layout(name string) (l layout, ok bool) {
	o, ok := g.lookup(name).(*types.TypeName)
	if !ok {
		return l, false
	}
	if _, ok = o.Type().Underlying().(*types.Struct); !ok {
		return l, false
	}
	l = layout{Size: g.sizes.Sizeof(o.Type()), Align: g.sizes.Alignof(o.Type())}
	g.add(&l, o.Type(), "", 0)
	return l, true
}

func (g *goCode) add(l *layout, t types.Type, prefix string, base int64) {
	s := t.Underlying().(*types.Struct)
	var vars []*types.Var
	for f := range s.Fields() {
		vars = append(vars, f)
	}
	for i, off := range g.sizes.Offsetsof(vars) {
		ft := vars[i].Type()
		size := g.sizes.Sizeof(ft)
		if size == 0 {
			continue // structs.HostLayout
		}
		_, group := ft.Underlying().(*types.Struct)
		group = group && ft.String() != halves
		name := prefix + vars[i].Name()
		l.Fields = append(l.Fields, field{Name: name, Offset: base + off, Size: size, Group: group})
		if group {
			g.add(l, ft, name+".", base+off)
		}
	}
}

// halves is a 64-bit field in two halves, for messages aligned to 4 bytes.
const halves = module + "msm.u64"

// op is one ioctl: var opX = IOWR[arg]("NAME", nr).
type op struct {
	goName, name string
	arg          string // "msm.param", or a basic type
	number       int64
}

// ops finds every ioctl of our packages.
func (g *goCode) ops() (out []op) {
	for pkg, files := range g.files {
		for _, f := range files {
			for _, d := range f.Decls {
				decl, ok := d.(*ast.GenDecl)
				if !ok || decl.Tok != token.VAR {
					continue
				}
				for _, s := range decl.Specs {
					for i, v := range s.(*ast.ValueSpec).Values {
						n, ok := g.info.Types[v].Type.(*types.Named)
						if !ok || n.Obj().Name() != "Op" || n.Obj().Pkg().Path() != module+"drm" {
							continue
						}
						o := g.op(v.(*ast.CallExpr), n.TypeArgs().At(0))
						o.goName = pkg + "." + s.(*ast.ValueSpec).Names[i].Name
						out = append(out, o)
					}
				}
			}
		}
	}
	return out
}

func (g *goCode) op(call *ast.CallExpr, arg types.Type) op {
	args := call.Args
	o := op{name: constant.StringVal(g.info.Types[args[0]].Value)}
	o.arg = types.TypeString(arg, func(p *types.Package) string { return p.Name() })
	size := g.sizes.Sizeof(arg)
	fun := call.Fun.(*ast.IndexExpr).X
	if sel, ok := fun.(*ast.SelectorExpr); ok {
		fun = sel.Sel
	}
	n := func(i int) int64 {
		v, ok := constant.Int64Val(g.info.Types[args[i]].Value)
		if !ok {
			g.t.Fatalf("ioctl %s: argument %d is not a constant", o.name, i)
		}
		return v
	}
	// As drm/ioctl.go makes them; TestConstructors compares with the real ones.
	dirs := map[string]int64{"IOW": 1, "IOR": 2, "IOWR": 3}
	switch name := fun.(*ast.Ident).Name; {
	case name == "newOp":
		o.number = n(1)<<30 | size<<16 | n(2)<<8 | n(3)
	case dirs[name] != 0:
		o.number = dirs[name]<<30 | size<<16 | 'd'<<8 | n(1)
	default:
		g.t.Fatalf("ioctl %s: unknown constructor %s", o.name, name)
	}
	return o
}
