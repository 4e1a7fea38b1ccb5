// Package wire is everything that crosses the border between a supervisor and
// its workers: the environment variable that names a process's role, the
// inherited descriptors and their names, the messages on the control
// socketpair, the sealed certificate bundle and the shared counters.
//
// It owns the formats and promises that each carries a version, so that a
// worker program built against a neighbouring release is understood or refused
// before a client notices. It refuses to decide anything: what a message leads
// to is the business of the two sides.
//
// The whole conversation on the ctl socketpair, a datagram a message:
//
//	master                     worker
//	settings ────────────────▶ builds handler, TLS and listeners; the sealed
//	                           bundle, if there is one, comes along as a descriptor
//	         ◀──────────────── ready (or failed, with the reason)
//	(proof over the probe socketpair)
//	go       ────────────────▶ accepts clients
//	quit     ────────────────▶ ends at once
//	reopen   ────────────────▶ reopens its log files
//
// Its end before "go" ends the worker; after it the worker serves on until the
// serve pipe ends.
package wire
