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
	memory := func() drm.FD {
		t.Helper()
		fd, err := drm.NewMemfd("test", 4096)
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
	add := func(res uint32) {
		t.Helper()
		fd := memory()
		if err := r.ImportBlob(res, wire.BlobMemHost3D, wire.FdShm, fd.Num(), 4096); err != nil {
			t.Fatal(err)
		}
		fd.Take()
	}
	fd := memory()
	defer fd.Close()
	window, err := drm.Map(&fd, 0, 4096)
	if err != nil {
		t.Fatal(err)
	}
	defer window.Unmap()
	for res := range uint32(3) {
		add(1 + res)
	}
	try := func(res uint32, want error) {
		t.Helper()
		if _, _, err := r.Map(res); !errors.Is(err, want) {
			t.Errorf("resource %d: %v, want %v", res, err, want)
		}
	}
	r.mappings.limit = 2
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
	r.Unref(3)

	fixed := func(res uint32, want error) {
		t.Helper()
		if err := r.MapFixed(res, window.Addr()); !errors.Is(err, want) {
			t.Errorf("resource %d at an address: %v, want %v", res, err, want)
		}
	}
	r.mappings.limit = 3
	fixed(1, nil) // it has another mapping
	fixed(1, nil) // counts once
	add(4)
	add(5)
	try(4, syscall.ENOMEM)
	fixed(4, syscall.ENOMEM)
	r.Unmap(1)
	try(4, nil)
	r.Unref(1)
	fixed(5, nil)
	r.Unref(4)
	r.Unref(5)
	if r.mappings.used != 0 {
		t.Errorf("%d mappings without resources", r.mappings.used)
	}
	add(6)
	try(6, nil)
	r.Reset()
	if r.mappings.used != 0 {
		t.Errorf("%d mappings after a reset", r.mappings.used)
	}
}
