// Package drivers lists the native contexts that are compiled in.
package drivers

import (
	"virgldrm/asahi"
	"virgldrm/core"
	"virgldrm/msm"
)

// All is in order of preference: of the GPUs present, the first driver's is
// taken.
var All = []core.Driver{
	msm.Driver,
	asahi.Driver,
}
