// Package simtest runs Go tests on the simulated kernel (tests/sim): it starts
// the test binary again with the simulator preloaded, controls it, records
// fences, and fails a package that leaves descriptors, goroutines or kernel
// objects behind. For tests only.
package simtest

/*
#cgo CFLAGS: -D_GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../tests/sim/drmsim.h"

static int control(const char *command)
{
    int (*f)(const char *) = dlsym(RTLD_DEFAULT, "drmsim_control");

    return f ? f(command) : -ENOSYS;
}

static int counters(struct drmsim_counters *out)
{
    void (*f)(struct drmsim_counters *) = dlsym(RTLD_DEFAULT, "drmsim_counters");

    if (!f)
        return -ENOSYS;
    f(out);
    return 0;
}

#define NAME(name) #name " "
static const char *kinds(void) { return DRMSIM_KINDS(NAME); }

// The embedder's side of the fences: callbacks write down what they are told.
#define MAX_RETIRED 100000
struct retired {
    uint32_t ctx, ring;
    uint64_t id;
};
static struct retired seen[MAX_RETIRED];
static unsigned logged;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static uint32_t held_ctx;
static void hold(uint32_t ctx)
{
    pthread_mutex_lock(&lock);
    held_ctx = ctx;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void on_retired(uint32_t ctx, uint32_t ring, uint64_t id)
{
    pthread_mutex_lock(&lock);
    while (ctx && ctx == held_ctx)
        pthread_cond_wait(&changed, &lock);
    if (logged < MAX_RETIRED)
        seen[logged++] = (struct retired){ ctx, ring, id };
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static unsigned hangs;
static void on_hung(uint32_t ctx, uint32_t ring, uint64_t id, uint32_t seconds)
{
    (void)ctx, (void)ring, (void)id, (void)seconds;
    __atomic_add_fetch(&hangs, 1, __ATOMIC_RELAXED);
}

static unsigned get_hangs(void) { return __atomic_load_n(&hangs, __ATOMIC_RELAXED); }

// Waits until n fences were reported; returns how many were.
static unsigned wait_retired(unsigned n, unsigned ms)
{
    struct timespec end;
    unsigned got;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += ms / 1000;
    end.tv_nsec += (long)(ms % 1000) * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_nsec -= 1000000000;
        end.tv_sec++;
    }
    pthread_mutex_lock(&lock);
    while (logged < n && pthread_cond_timedwait(&changed, &lock, &end) == 0)
        ;
    got = logged;
    pthread_mutex_unlock(&lock);
    return got;
}

static struct retired retired_at(unsigned i) { return seen[i]; }

static void clear_retired(void)
{
    pthread_mutex_lock(&lock);
    logged = 0;
    __atomic_store_n(&hangs, 0, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&lock);
}

static uintptr_t retired_address(void) { return (uintptr_t)on_retired; }
static uintptr_t hung_address(void) { return (uintptr_t)on_hung; }
*/
import "C"

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"virgldrm/fence"
)

const marker = "VIRGLDRM_SIMTEST"

// Main replaces m.Run in TestMain. env holds settings of the simulator.
func Main(m *testing.M, env ...string) {
	if os.Getenv(marker) == "" {
		os.Exit(again(env))
	}
	before := descriptors()
	code := m.Run()
	if leaks := Leaks(before); leaks != "" {
		fmt.Fprintln(os.Stderr, "left behind: "+leaks)
		code = max(code, 1)
	}
	os.Exit(code)
}

// again runs this test binary with the simulator under it.
func again(env []string) int {
	_, here, _, _ := runtime.Caller(0)
	sim := filepath.Join(filepath.Dir(here), "..", "..", "build", "libdrmsim.so")
	if _, err := os.Stat(sim); err != nil {
		fmt.Fprintln(os.Stderr, "the simulated kernel is not built: run `make sim` first")
		return 1
	}
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(append(os.Environ(), marker+"=1", "LD_PRELOAD="+sim), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() > 0 {
			return cmd.ProcessState.ExitCode()
		}
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return 0
}

func descriptors() map[string]string {
	open := map[string]string{}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && !strings.HasPrefix(to, "/proc/") {
			open[e.Name()] = to
		}
	}
	return open
}

// Leaks says what is open that was not before, in the process and in the
// simulated kernel.
func Leaks(before map[string]string) string {
	var list []string
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		list = nil
		for fd, to := range descriptors() {
			// The Go test runner's own poller may appear at any time.
			if before[fd] == "" && to != "anon_inode:[eventpoll]" && to != "anon_inode:[eventfd]" {
				list = append(list, "fd "+fd+" "+to)
			}
		}
		if c := Counters(); c != (Live{}) {
			list = append(list, fmt.Sprintf("simulated objects %+v", c))
		}
		if n := runtime.NumGoroutine(); n > 2 {
			list = append(list, fmt.Sprintf("%d goroutines", n))
		}
		if len(list) == 0 || time.Now().After(deadline) {
			return strings.Join(list, "; ")
		}
	}
}

// Control gives the simulator a command (tests/sim/drmsim.h).
func Control(t testing.TB, command string) {
	t.Helper()
	s := C.CString(command)
	defer C.free(unsafe.Pointer(s))
	if r := C.control(s); r != 0 {
		t.Fatalf("simulator refuses %q: %d", command, int(r))
	}
}

// Live counts what exists in the simulated kernel.
type Live struct {
	Files, BOs, Handles, Queues, Syncobjs, Fences, Jobs uint64
	VMs, Bindings, Objects                              uint64
}

// Counters reads the simulator's counts; all zero without the simulator.
func Counters() Live {
	var c C.struct_drmsim_counters
	if C.counters(&c) != 0 {
		return Live{}
	}
	return Live{
		Files: uint64(c.files), BOs: uint64(c.bos), Handles: uint64(c.handles),
		Queues: uint64(c.queues), Syncobjs: uint64(c.syncobjs), Fences: uint64(c.fences), Jobs: uint64(c.jobs_running),
		VMs: uint64(c.vms), Bindings: uint64(c.bindings), Objects: uint64(c.objects),
	}
}

// Hangs waits for the n-th report of a hung ring since Callbacks and fails if
// there are more.
func Hangs(t testing.TB, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); int(C.get_hangs()) < n && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if got := int(C.get_hangs()); got != n {
		t.Fatalf("%d reports of a hung ring, want %d", got, n)
	}
}

// Settle waits until the simulated kernel is empty: contexts with jobs in
// flight are freed in the background.
func Settle(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); Counters() != (Live{}); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("simulated objects left: %+v", Counters())
		}
	}
}

// Calls counts the calls of one kind since the process started, failed ones
// included.
func Calls(t testing.TB, kind string) uint64 {
	t.Helper()
	var c C.struct_drmsim_counters
	if C.counters(&c) != 0 {
		t.Fatal("not on the simulator")
	}
	return uint64(c.calls[number(t, kind)])
}

func number(t testing.TB, kind string) int {
	t.Helper()
	i := slices.Index(strings.Fields(C.GoString(C.kinds())), kind)
	if i < 0 {
		t.Fatalf("the simulator has no kind %s", kind)
	}
	return i
}

// JobsFailed counts the GPU's jobs that ended with an error.
func JobsFailed(t testing.TB) uint64 {
	t.Helper()
	var c C.struct_drmsim_counters
	if C.counters(&c) != 0 {
		t.Fatal("not on the simulator")
	}
	return uint64(c.jobs_failed)
}

// Fence is a retirement that the embedder was told of.
type Fence struct {
	Ctx, Ring uint32
	ID        uint64
}

// Callbacks returns an embedder that writes down what it is told, and forgets
// what it was told before.
func Callbacks() fence.Callbacks {
	C.clear_retired()
	return fence.Callbacks{Retired: uintptr(C.retired_address()), Hung: uintptr(C.hung_address())}
}

// Hold keeps the callbacks of a context from returning, until Hold(0).
func Hold(ctx uint32) { C.hold(C.uint32_t(ctx)) }

// Retired returns what was retired since Callbacks, once there are at least n;
// it gives up after ten seconds.
func Retired(t testing.TB, n int) []Fence {
	t.Helper()
	got := int(C.wait_retired(C.uint(n), 10000))
	if got < n {
		t.Fatalf("%d fences retired, expected %d", got, n)
	}
	list := make([]Fence, got)
	for i := range list {
		r := C.retired_at(C.uint(i))
		list[i] = Fence{uint32(r.ctx), uint32(r.ring), uint64(r.id)}
	}
	return list
}
