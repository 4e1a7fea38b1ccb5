// Package integration holds the tests that run the real binary end to end: one
// for each guarantee of the README, named after it, then every fault that the
// supervisor must survive, the import map, and the benchmarks.
//
// They are written against the contract alone, through package harness. Tests
// that load the machine run one after the other; only those that a neighbour's
// load does not disturb are parallel. HANDOVER_SOAK=1 adds the long ones.
package integration
