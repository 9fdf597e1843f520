// Package core is the renderer: what the C API does, without C. It owns the
// contexts and resources, runs batches of ccmds, creates blobs and keeps the
// rules all drivers share; a Driver adds its commands and its kernel's ways.
//
// Embedders promise to make one call at a time. Renderer.mu makes that promise
// true where it is broken, so that a mistake there costs time and not the
// process; it is dropped around everything that can call back into the embedder,
// but for log lines: a log sink must not call the library.
//
// Lock order: Renderer.mu, then nothing: the fence hub's lock is never held
// together with it from this side.
package core
