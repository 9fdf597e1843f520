// Package main is another Go library in the VMM's process: leaving.c loads it next to ours, each with its own runtime.
package main

import "C"

import "runtime"

// other_work runs goroutines, collects garbage and recovers from a nil dereference; it returns n.
//
//export other_work
func other_work(n C.int) (done C.int) {
	results := make(chan C.int, n)
	for range n {
		go func() {
			defer func() { recover(); results <- 1 }()
			var nothing *int
			*nothing = len(make([]byte, 1<<16))
		}()
	}
	for range n {
		done += <-results
	}
	runtime.GC()
	return done
}

func main() {}
