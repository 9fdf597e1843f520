package main

/*
#include <stdlib.h>
#include <unistd.h>

void vd_go_write_coverage(void);

static pid_t started;

// A forked child has no Go any more.
static void at_exit(void)
{
	if (getpid() == started)
		vd_go_write_coverage();
}

static inline void write_coverage_at_exit(void)
{
	started = getpid();
	atexit(at_exit);
}
*/
import "C"

import (
	"os"
	"runtime/coverage"
)

// The counters are written when a Go program ends; a host that is no Go program
// needs this file in its library (tests/coverage.sh).
func init() { C.write_coverage_at_exit() }

//export vd_go_write_coverage
func vd_go_write_coverage() {
	if err := coverage.WriteCountersDir(os.Getenv("GOCOVERDIR")); err != nil {
		println("no coverage: " + err.Error())
	}
}
