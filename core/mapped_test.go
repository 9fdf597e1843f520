package core

import (
	"errors"
	"syscall"
	"testing"

	"virgldrm/drm"
	"virgldrm/wire"
)

func TestMappingsAreBounded(t *testing.T) {
	r, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for res := range uint32(3) {
		fd, err := drm.NewMemfd("test", 4096)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.ImportBlob(1+res, wire.BlobMemHost3D, wire.FdShm, fd.Num(), 4096); err != nil {
			t.Fatal(err)
		}
		fd.Take()
	}
	try := func(res uint32, want error) {
		t.Helper()
		if _, _, err := r.Map(res); !errors.Is(err, want) {
			t.Errorf("resource %d: %v, want %v", res, err, want)
		}
	}
	r.mapped = maxMapped - 2
	try(1, nil)
	try(2, nil)
	try(3, syscall.ENOMEM)
	if err := r.Unmap(1); err != nil {
		t.Error(err)
	}
	try(3, nil)
	try(1, syscall.ENOMEM)
	r.Unref(2)
	try(1, nil)
	r.Reset()
	if r.mapped != 0 {
		t.Errorf("%d mapped after a reset", r.mapped)
	}
}
