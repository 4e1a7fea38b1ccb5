package wire

import "fmt"

// Version is that of everything which crosses the border of a process: messages,
// app, probe, bundle and counters here, state, accepted config, control requests
// and the anchor's environment in the supervisor. One number for all of them,
// because one release writes them all. It is counted up when something of it
// changes its meaning; what is only added does not count.
const Version = 2

// What a person can do about another version than a neighbour's.
const (
	HintBuild   = "build the program against the release that runs it, or a neighbouring one"
	HintRestart = "restart the service to change between distant releases"
)

// VersionError is a version from which this program is too far away.
type VersionError struct {
	Of     string // what carried it
	Theirs int
	Hint   string
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("decode %s: version %d, this program speaks %d and understands %d to %d: %s", e.Of, e.Theirs, Version, Version-1, Version+1, e.Hint)
}

// Judge refuses the version of a release that is no neighbour: the hint says what
// to do about it.
func Judge(of string, theirs int, hint string) error {
	if theirs < Version-1 || theirs > Version+1 {
		return &VersionError{Of: of, Theirs: theirs, Hint: hint}
	}
	return nil
}
