// Package harness runs the real binary for the end-to-end tests: it builds it
// once, starts instances with certificates and a config of their own, loads
// them with raw clients that never retry, and looks at their processes.
//
// It knows the contract alone: commands, exit codes, config keys, signals, the
// status JSON. It imports nothing of the supervisor, so that a test here fails
// when a user would notice and not before.
//
// It promises that nothing outlives a test: every instance runs in a session
// of its own, a test fails if a process, socket file or port of it is left,
// and a second process, which hears the end of the test binary as the end of a
// pipe, buries what a panic or a timeout left behind. Processes are only ever
// killed by their number.
//
// It refuses to retry. A client that tries again hides the very loss that it
// is here to find, so HTTP/1.1 and HTTP/2 are spoken by hand.
package harness
