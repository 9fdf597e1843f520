package headers

import "testing"

// What guest and host exchange, and what we pass to the kernel, is as recorded.
func TestGolden(t *testing.T) {
	f := loadGolden(t).facts()
	for _, arch := range arches {
		t.Run(arch, func(t *testing.T) {
			g := loadGo(t, arch, edit{})
			report(t, checkStructs(g, f, wireStructs))
			report(t, checkConsts(g, f, wireConsts))
			report(t, checkKernel(g, f))
		})
	}
}

// Nothing is left out of the comparison.
func TestComplete(t *testing.T) {
	g := loadGolden(t)
	report(t, checkComplete(loadGo(t, "amd64", edit{}), g.facts()))
	groups := map[string]bool{}
	for _, group := range g.Groups {
		groups[group.Group] = true
	}
	for _, name := range append(perDriver("proto_%s"), perDriver("uapi_%s")...) {
		if !groups[name] {
			t.Errorf("testdata/layouts.json has no group %s", name)
		}
	}
}
