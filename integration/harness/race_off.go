//go:build !race

package harness

// Race says that the test binary, and so everything it builds, has the race
// detector.
const Race = false
