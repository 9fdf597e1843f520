// Package wire holds what travels between guest and host: the headers and
// limits of the native-context protocol, the capset, the response memory and
// the command table that every driver fills.
//
// Everything is little endian and laid out alike for 32 and 64-bit guests. A
// ccmd is one command; a batch of them arrives in one submit_cmd.
//
// Trust: the guest can rewrite the command buffer (some VMMs pass guest memory)
// and the response memory at any time. So headers and fixed parts are copied
// once before they are looked at, payload can only be copied out of a Tail, and
// nothing the host relies on is read back from the response memory.
package wire
