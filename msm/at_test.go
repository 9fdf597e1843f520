package msm_test

import "unsafe"

// at views a word of mapped memory.
func at(addr uintptr) *uint32 { return *(**uint32)(unsafe.Pointer(&addr)) }
