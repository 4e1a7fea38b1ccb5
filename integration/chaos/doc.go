// Package chaos knows what can go wrong, and deals it out: a schedule is an
// endless row of steps, and a step is one fault with what goes on meanwhile.
//
// It is pure. The same seed deals the same steps on every machine, whatever
// becomes of them there, so that a failing hour can be had again; and a step is
// written as it is read, so that the last few of that hour can be tried alone.
// Who carries steps out is the test above it.
//
// Faults are dealt as from a deck of cards, and not thrown like dice: each has
// had its turn before any comes again, so that a short run has met them all.
package chaos
