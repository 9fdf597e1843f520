package headers

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"modernc.org/cc/v4"
)

// source is what to parse.
type source struct {
	what    string // for messages
	arch    string
	defines string
	name    string // path of the text, for #include "..."
	text    string
	of      string // the directory whose declarations are asked for
	after   string // searched for #include <...> last; may be empty
}

// api is what a set of headers declares. cc/v4 ignores `packed` and, in members,
// `const`: gcc_test.go sees to those.
type api struct {
	facts
	decls map[string]string // "function f", "struct s", ...: a text equal for equal declarations
}

func parseC(t *testing.T, s source) api {
	t.Helper()
	cfg, err := cc.NewConfig("linux", s.arch)
	if err != nil {
		t.Fatalf("cc/v4 needs a C compiler on this machine: %v", err)
	}
	cfg.EvalAllMacros = true
	cfg.Header = true
	cfg.IgnoreStaticAssert = true // of packed structs among others; gcc checks them
	if s.after != "" {
		cfg.SysIncludePaths = append(cfg.SysIncludePaths, s.after)
	}
	ast, err := cc.Translate(cfg, []cc.Source{
		{Name: "<predefined>", Value: cfg.Predefined},
		{Name: "<builtin>", Value: cc.Builtin},
		{Name: "<defines>", Value: s.defines},
		{Name: s.name, Value: s.text},
	})
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	a := api{facts{s.what, map[string]layout{}, map[string]int64{}, map[string]string{}}, map[string]string{}}
	of := func(file string) bool { return strings.HasPrefix(file, s.of+"/") }
	for name, nodes := range ast.Scope.Nodes {
		for _, n := range nodes {
			a.declare(name, n, of(n.Position().Filename))
		}
	}
	for name, m := range ast.Macros {
		a.macro(name, m, of(m.Position().Filename))
	}
	return a
}

// declare notes one name of the file scope. The facts take all names, decls
// those of the directory asked for.
func (a *api) declare(name string, n cc.Node, asked bool) {
	say := func(what, text string) {
		if asked {
			a.decls[what+" "+name] = text
		}
	}
	switch n := n.(type) {
	case *cc.Declarator:
		switch {
		case n.IsTypename():
			say("typedef", typeText(n.Type()))
		case n.Type().Kind() == cc.Function:
			say("function", typeText(n.Type()))
		default:
			say("variable", typeText(n.Type()))
		}
	case *cc.StructOrUnionSpecifier:
		if n.StructDeclarationList == nil || n.Type().IsIncomplete() {
			return // "struct x;"
		}
		l := layoutOfC(n.Type())
		a.structs[name] = l
		say("struct", fmt.Sprintf("%d bytes aligned to %d", l.Size, l.Align))
		for _, f := range l.Fields {
			if asked {
				a.decls["member "+name+"."+f.Name] = fmt.Sprintf("%d bytes at %d: %s", f.Size, f.Offset, f.Type)
			}
		}
	case *cc.EnumSpecifier:
		say("enum", "")
	case *cc.Enumerator:
		if v, ok := number(n.Value()); ok {
			a.values[name] = v
			say("enumerator", fmt.Sprint(v))
		}
	}
}

func (a *api) macro(name string, m *cc.Macro, asked bool) {
	var words []string
	for _, tok := range m.ReplacementList() {
		if w := strings.TrimSpace(tok.SrcStr()); w != "" {
			words = append(words, w)
		}
	}
	if i := slices.Index(words, "struct"); i >= 0 && i+1 < len(words) {
		a.args[name] = words[i+1]
	}
	text := strings.Join(words, " ")
	if v, ok := number(m.Value()); ok {
		a.values[name] = v
		text = fmt.Sprint(v)
	}
	if m.IsFnLike {
		text = fmt.Sprintf("%d arguments", len(m.Params)) // contract_test.go tries them
	}
	if asked {
		a.decls["macro "+name] = text
	}
}

func number(v cc.Value) (int64, bool) {
	switch v := v.(type) {
	case cc.Int64Value:
		return int64(v), true
	case cc.UInt64Value:
		return int64(v), true
	}
	return 0, false
}

type fields interface {
	NumFields() int
	FieldByIndex(int) *cc.Field
}

func layoutOfC(t cc.Type) layout {
	l := layout{Size: t.Size(), Align: int64(t.Align())}
	l.addC(t, "", 0)
	return l
}

func (l *layout) addC(t cc.Type, prefix string, base int64) {
	s := t.(fields)
	for i := range s.NumFields() {
		f := s.FieldByIndex(i)
		ft := f.Type()
		_, group := ft.(fields)
		at, name := base+f.Offset(), prefix+f.Name()
		size := ft.Size()
		if f.IsFlexibleArrayMember() {
			size = 0
		}
		if f.Name() != "" {
			l.Fields = append(l.Fields, field{Name: name, Offset: at, Size: size, Type: typeText(ft), Group: group})
			name += "."
		}
		if group {
			l.addC(ft, name, at)
		}
	}
}

// typeText spells a type so that two headers with the same type agree: typedefs
// resolved, names of parameters left out, tags kept.
func typeText(t cc.Type) string {
	text := ""
	if a := t.Attributes(); a != nil && a.IsConst() {
		text = "const "
	}
	switch t := t.(type) {
	case *cc.PointerType:
		return text + "pointer to (" + typeText(t.Elem()) + ")"
	case *cc.ArrayType:
		return fmt.Sprintf("%s[%d] of %s", text, t.Len(), typeText(t.Elem()))
	case *cc.FunctionType:
		var params []string
		for _, p := range t.Parameters() {
			params = append(params, typeText(p.Type()))
		}
		if t.IsVariadic() {
			params = append(params, "...")
		}
		return fmt.Sprintf("function(%s) returning %s", strings.Join(params, ", "), typeText(t.Result()))
	case *cc.StructType:
		tag := t.Tag()
		return text + "struct " + tag.SrcStr()
	case *cc.UnionType:
		tag := t.Tag()
		return text + "union " + tag.SrcStr()
	case *cc.EnumType:
		tag := t.Tag()
		return text + "enum " + tag.SrcStr()
	default:
		return text + t.Kind().String()
	}
}
