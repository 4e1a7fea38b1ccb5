// Plain is a server of net/http as most are written, to compare with: one
// process, which reads its certificates at the start and shuts down on SIGTERM.
// To renew them is to start it again. With -http it speaks HTTP/1.1 in the clear,
// as what stands behind a TLS terminator.
package main
