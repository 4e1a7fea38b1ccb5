package unit

import (
	"fmt"
	"strings"
)

// writer writes the lines of a unit.
type writer struct{ strings.Builder }

func (w *writer) section(name string) { fmt.Fprintf(w, "\n[%s]\n", name) }

// note writes a comment, an empty line of it without a space at its end.
func (w *writer) note(format string, args ...any) {
	for line := range strings.Lines(fmt.Sprintf(format, args...)) {
		w.WriteString(strings.TrimRight("# "+line, " \n") + "\n")
	}
}

func (w *writer) set(key string, values ...string) {
	fmt.Fprintf(w, "%s=%s\n", key, strings.Join(values, " "))
}

// on sets keys to yes.
func (w *writer) on(keys ...string) {
	for _, key := range keys {
		w.set(key, "yes")
	}
}

// word returns a path as a unit wants it: percent signs are specifiers, and
// words end at spaces unless they are quoted.
func word(path string) string {
	path = strings.ReplaceAll(path, "%", "%%")
	if !strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || strings.ContainsRune("\"'\\;#", c) }) {
		return path
	}
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(path)
	return `"` + quoted + `"`
}

// argument returns a path as an argument of a command line, where $ begins a
// variable too.
func argument(path string) string { return strings.ReplaceAll(word(path), "$", "$$") }
