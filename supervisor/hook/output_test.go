package hook

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestOutputIsMadeVisible(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                "",
		"plain\ntwo\n\n":                  "plain\ntwo",
		"tab\there":                       "tab here",
		"\x1b]0;title\x07":                `\x1b]0;title\a`,
		"a\x00b\r\n":                      `a\x00b\r`,
		"\xff\xc3":                        `\xff\xc3`,
		"gr\u00fc\u00dfe \u2603":          "gr\u00fc\u00dfe \u2603",
		"right\u202eleft":                 `right\u202eleft`,
		strings.Repeat("x", 1001):         strings.Repeat("x", 1000) + cutMark,
		strings.Repeat("x", 1001) + "\ny": strings.Repeat("x", 1000) + cutMark + "\ny",
	} {
		if got := safe([]byte(in)); got != want {
			t.Errorf("%.40q: got %.80q; want %.80q", in, got, want)
		}
	}
}

func TestBeginningAndEndAreKept(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, keptHalf, keptHalf + 1, 2 * keptHalf, 2*keptHalf + 1, 5 * keptHalf} {
		for _, step := range []int{1, 4096, 1 << 20} {
			var w window
			all := []byte(strings.Repeat("0123456\n", size/8+1)[:size])
			for rest := all; len(rest) > 0; {
				n := min(step, len(rest))
				_, _ = w.Write(rest[:n])
				rest = rest[n:]
			}
			want := strings.TrimRight(string(all), "\n")
			if size > 2*keptHalf {
				want = safe(all[:keptHalf]) + "\n… " + strconv.Itoa(size-2*keptHalf) + " bytes left out …\n" + safe(all[size-keptHalf:])
			}
			if got := w.text(); got != want {
				t.Errorf("%d bytes, %d a write: got %d bytes; want %d", size, step, len(got), len(want))
			}
			if len(w.head)+cap(w.tail) > 3<<20 {
				t.Errorf("%d bytes are kept of %d", len(w.head)+cap(w.tail), size)
			}
		}
	}
}

func FuzzOutput(f *testing.F) {
	f.Add([]byte("plain\n\x1b[31mred\xff"), 1)
	f.Add([]byte(strings.Repeat("\x00\u2028é", 100)), 500)
	f.Add([]byte(strings.Repeat("long ", 300)), 20)
	f.Fuzz(func(t *testing.T, b []byte, times int) {
		var w window
		total := 0
		for range max(1, min(times, 4*keptHalf/max(1, len(b)))) {
			_, _ = w.Write(b)
			total += len(b)
		}
		text := w.text()
		if !utf8.ValidString(text) || len(text) > 2*keptHalf+100 {
			t.Fatalf("%d bytes, valid: %v; want at most %d, valid", len(text), utf8.ValidString(text), 2*keptHalf+100)
		}
		for _, line := range strings.Split(text, "\n") {
			if len(line) > maxLine+2*len(cutMark) {
				t.Fatalf("a line of %d bytes; want at most %d", len(line), maxLine)
			}
			for _, r := range line {
				if !strconv.IsPrint(r) {
					t.Fatalf("%q in the text; want only what can be seen", r)
				}
			}
		}
		if missing := strings.Contains(text, " bytes left out "); total > 2*keptHalf && !missing {
			t.Fatalf("%d bytes were written and nothing says that some are missing", total)
		}
	})
}
