// Package asahi is the native context of Apple GPUs: Mesa's Honeykrisp and asahi
// in the guest, the kernel's asahi driver on the host.
//
//	proto.go   what the guest sends and reads     (messages)
//	uapi.go    what the kernel takes              (ioctls)
//	ccmd.go    one row and one method per command
//	submit.go  the one command worth its own file
//	driver.go  probe, capset, rings, blobs        (driver record)
package asahi
