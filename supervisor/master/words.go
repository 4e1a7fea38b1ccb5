package master

import "strings"

// wordsKept is how many bytes of a line are remembered: a reason is read in a
// table.
const wordsKept = 1 << 10

// words remembers of what a worker writes as much as explains its end.
type words struct {
	fatal string // the last line that begins an end
	last  string
}

func (w *words) note(line string) {
	line = strings.Clone(line[:min(len(line), wordsKept)]) // without the rest in memory
	if isFatal(line) {
		w.fatal = line
	}
	w.last = line
}

// telling picks what tells most: the panic, fatal error or goroutine dump if
// there is one, and the last line otherwise.
func (w *words) telling() string {
	if w.fatal != "" {
		return w.fatal
	}
	return w.last
}

// isFatal says whether the Go runtime begins to end a process so. What follows is
// a goroutine dump, the last line of which tells nothing.
func isFatal(line string) bool {
	for _, prefix := range []string{"panic: ", "fatal error: ", "SIGQUIT: ", "SIGABRT: "} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}
