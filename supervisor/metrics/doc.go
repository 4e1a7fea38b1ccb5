// Package metrics says in Prometheus' words what a status says in ours.
//
// It is a pure mapping: one published value in, text out. It promises that every
// series is there from the first scrape on, at zero if need be, and that a
// counter never goes back while the service lives, reloads and killed masters
// included: what counts is counted by who publishes the status. It refuses the
// global registry, which describes the process and not the service.
//
// # Why
//
// Why not promhttp: it brings a compressor whose tables every worker would carry,
// for an answer of a few kilobytes.
package metrics
