// Minimal is the yardstick of the benchmarks: the least TLS server in Go, made
// from the standard library alone.
package main
