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
	report(t, checkComplete(loadGo(t, "amd64", edit{}), loadGolden(t).facts()))
}
