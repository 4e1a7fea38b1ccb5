package unit

import (
	"fmt"
	"strings"
	"unicode"
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
	if !strings.ContainsFunc(path, func(c rune) bool { return c == ' ' || unicode.IsControl(c) || strings.ContainsRune("\"'\\;#", c) }) {
		return path
	}
	return `"` + escaped(path, '"') + `"`
}

// escaped escapes what cannot stand between quotes, as both systemd and bash read
// it. A return ends a line of a unit as well.
func escaped(path string, quote byte) string {
	var b strings.Builder
	for _, c := range []byte(path) {
		switch {
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		case c == quote || c == '\\':
			b.Write([]byte{'\\', c})
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// argument returns a path as an argument of a command line, where $ begins a
// variable too.
func argument(path string) string { return strings.ReplaceAll(word(path), "$", "$$") }

// shell returns a path as a word that can be typed.
func shell(path string) string {
	plain := func(c rune) bool {
		return c > unicode.MaxASCII || unicode.IsLetter(c) || unicode.IsDigit(c) || strings.ContainsRune("/._-+:@%,=", c)
	}
	if !strings.ContainsFunc(path, func(c rune) bool { return !plain(c) }) {
		return path
	}
	if strings.ContainsFunc(path, unicode.IsControl) {
		return "$'" + escaped(path, '\'') + "'"
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
