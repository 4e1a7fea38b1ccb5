package hook

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	keptHalf = 8 << 10 // bytes kept of the beginning, and as many of the end
	maxLine  = 1000    // bytes of a line
	cutMark  = "…"
)

// window keeps the beginning and the end of what is written to it. One
// goroutine owns it.
type window struct {
	head, tail []byte
	total      int64
}

// Write takes everything; most of it is forgotten again.
func (w *window) Write(b []byte) (int, error) {
	n := len(b)
	w.total += int64(n)
	first := min(keptHalf-len(w.head), n)
	w.head = append(w.head, b[:first]...)
	w.tail = append(w.tail, b[first:]...)
	if len(w.tail) > 2*keptHalf {
		w.tail = append(w.tail[:0], w.tail[len(w.tail)-keptHalf:]...)
	}
	return n, nil
}

// text is what was kept, safe to print: at most two halves of it and a line
// between them that says how much is missing.
func (w *window) text() string {
	tail := w.tail[max(0, len(w.tail)-keptHalf):]
	if w.total == int64(len(w.head)+len(tail)) {
		whole := safe(append(w.head[:len(w.head):len(w.head)], tail...))
		if len(whole) <= 2*keptHalf {
			return whole
		}
		return beginning(whole) + cutMark + "\n" + cutMark + ending(whole)
	}
	missing := w.total - int64(len(w.head)) - int64(len(tail))
	return beginning(safe(w.head)) + fmt.Sprintf("\n%s %d bytes left out %s\n", cutMark, missing, cutMark) + ending(safe(tail))
}

// beginning is at most half of what is kept of s, in whole characters.
func beginning(s string) string {
	n := min(len(s), keptHalf)
	for n < len(s) && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// ending is as beginning, of the end.
func ending(s string) string {
	n := max(0, len(s)-keptHalf)
	for n < len(s) && !utf8.RuneStart(s[n]) {
		n++
	}
	return s[n:]
}

// safe makes text of bytes: valid UTF-8 in which everything but a newline can
// be seen, in lines of bounded length. A terminal obeys what it is shown, and
// what is not seen can turn the meaning of the rest around.
func safe(b []byte) string {
	var text strings.Builder
	length, cut := 0, false
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		shown := visible(r, b[:size])
		b = b[size:]
		switch {
		case r == '\n':
			length, cut = 0, false
		case cut:
			continue
		case length+len(shown) > maxLine:
			shown, cut = cutMark, true
		}
		text.WriteString(shown)
		if r != '\n' {
			length += len(shown)
		}
	}
	return strings.TrimRight(text.String(), "\n")
}

// visible shows one character, or one byte that is none.
func visible(r rune, raw []byte) string {
	switch {
	case r == utf8.RuneError && len(raw) == 1:
		return fmt.Sprintf(`\x%02x`, raw[0])
	case r == '\n' || strconv.IsPrint(r):
		return string(raw)
	case r == '\t':
		return " "
	}
	quoted := strconv.QuoteRune(r)
	return quoted[1 : len(quoted)-1]
}
