package config

import (
	"fmt"
	"strconv"
	"strings"
)

// locator finds the line of every key, which the TOML package keeps to itself.
// The text has been parsed before, so it need not notice what is wrong; it only
// must end on every text.
type locator struct {
	text  string
	pos   int
	line  int
	lines map[string]int // path to line
	count map[string]int // path of an array of tables to how many began so far
}

// locate maps paths such as listen[0].address to line numbers.
func locate(text string) map[string]int {
	l := &locator{
		text: strings.TrimPrefix(text, "\ufeff"), line: 1,
		lines: map[string]int{}, count: map[string]int{},
	}
	table := ""
	for l.blank(); l.pos < len(l.text); l.blank() {
		before := l.pos
		switch {
		case l.take("[["):
			table = l.header(true)
		case l.take("["):
			table = l.header(false)
		default:
			l.pair(table)
		}
		if l.pos == before {
			l.pos++
		}
	}
	return l.lines
}

// lineIn returns the line of a key, or that of the table it is missing from.
func lineIn(lines map[string]int, key string) int {
	for key != "" {
		if line, ok := lines[key]; ok {
			return line
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return 0
}

// outside returns the lines of what lies in no array of tables: a config is kept
// for as long as it serves, and of certificates there may be thousands.
func outside(lines map[string]int) map[string]int {
	kept := map[string]int{}
	for key, line := range lines {
		if !strings.HasPrefix(key, "listen") && !strings.HasPrefix(key, "certificate") {
			kept[key] = line
		}
	}
	return kept
}

// join appends a key to a path. A key that would not be one without quotes
// gets them: single ones if possible, as messages put the path in double ones.
func join(path, key string) string {
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r > 127 || !bare(byte(r)) }) {
		if quoted := strconv.Quote(key); strings.Trim(quoted, `"`) == key && !strings.Contains(key, "'") {
			key = "'" + key + "'"
		} else {
			key = quoted
		}
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// index appends a position in an array to a path.
func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

func bare(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// note remembers the first line a path is seen on.
func (l *locator) note(path string) {
	if _, ok := l.lines[path]; !ok {
		l.lines[path] = l.line
	}
}

// header reads what follows the brackets of a table header and returns the
// table's path. A name that began as an array of tables means its last one.
func (l *locator) header(array bool) string {
	path, keys := "", l.keys()
	for i, key := range keys {
		path = join(path, key)
		l.note(path)
		if array && i == len(keys)-1 {
			l.count[path]++
		}
		if n := l.count[path]; n > 0 {
			path = index(path, n-1)
			l.note(path)
		}
	}
	l.take("]")
	l.take("]")
	return path
}

// pair reads key = value in the table of that path.
func (l *locator) pair(path string) {
	for _, key := range l.keys() {
		path = join(path, key)
		l.note(path)
	}
	if l.take("=") {
		l.space()
		l.value(path)
	}
}

// keys reads a dotted key.
func (l *locator) keys() []string {
	var keys []string
	for {
		l.space()
		keys = append(keys, l.key())
		l.space()
		if !l.take(".") {
			return keys
		}
	}
}

func (l *locator) key() string {
	start := l.pos
	if q := l.peek(); q == '"' || q == '\'' {
		l.quoted()
		text := l.text[start:l.pos]
		text = strings.ReplaceAll(text, `\e`, `\x1b`) // new in TOML 1.1, unknown to Go
		if key, err := strconv.Unquote(text); err == nil && q == '"' {
			return key
		}
		return strings.Trim(text, string(q))
	}
	for bare(l.peek()) {
		l.pos++
	}
	return l.text[start:l.pos]
}

// value skips a value and notes what lies inside it.
func (l *locator) value(path string) {
	switch l.peek() {
	case '"', '\'':
		l.quoted()
	case '[':
		l.pos++
		i := -1
		l.items(']', func() {
			i++
			l.note(index(path, i))
			l.value(index(path, i))
		})
	case '{':
		l.pos++
		l.items('}', func() { l.pair(path) })
	default:
		for l.pos < len(l.text) && !strings.ContainsRune(",]}#\r\n", rune(l.text[l.pos])) {
			l.pos++
		}
	}
}

// items calls item at each element of an array or inline table.
func (l *locator) items(end byte, item func()) {
	for l.blank(); l.pos < len(l.text) && l.peek() != end; l.blank() {
		before := l.pos
		item()
		l.blank()
		l.take(",")
		if l.pos == before {
			l.pos++
		}
	}
	l.take(string(end))
}

// quoted skips a string of any of the four kinds.
func (l *locator) quoted() {
	quote := l.text[l.pos : l.pos+1]
	escapes := quote == `"`
	if long := strings.Repeat(quote, 3); strings.HasPrefix(l.text[l.pos:], long) {
		quote = long
	}
	l.pos += len(quote)
	for l.pos < len(l.text) && !strings.HasPrefix(l.text[l.pos:], quote) {
		if escapes && l.peek() == '\\' {
			l.pos++
		}
		l.step()
	}
	l.pos = min(l.pos+len(quote), len(l.text))
	// A long string may end in up to two quotes of its own.
	for len(quote) == 3 && l.peek() == quote[0] {
		l.pos++
	}
}

// blank skips white space, line ends and comments.
func (l *locator) blank() {
	for l.pos < len(l.text) {
		switch l.peek() {
		case ' ', '\t', '\r', '\n':
			l.step()
		case '#':
			for l.pos < len(l.text) && l.peek() != '\n' {
				l.pos++
			}
		default:
			return
		}
	}
}

// space skips white space within a line.
func (l *locator) space() {
	for l.peek() == ' ' || l.peek() == '\t' {
		l.pos++
	}
}

// step goes one byte on and counts lines.
func (l *locator) step() {
	if l.peek() == '\n' {
		l.line++
	}
	l.pos = min(l.pos+1, len(l.text))
}

// peek returns the next byte, 0 at the end.
func (l *locator) peek() byte {
	if l.pos < len(l.text) {
		return l.text[l.pos]
	}
	return 0
}

// take skips word if it comes next.
func (l *locator) take(word string) bool {
	if !strings.HasPrefix(l.text[l.pos:], word) {
		return false
	}
	l.pos += len(word)
	return true
}
