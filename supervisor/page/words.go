package page

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const day = 24 * time.Hour

// moment is a time as a <time> shows it: from where the reader stands, and exact.
type moment struct{ Exact, Title, Text string }

func at(t, now time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	text := ago(t, now)
	return &moment{t.UTC().Format(time.RFC3339), t.UTC().Format("2006-01-02 15:04:05 MST"), text}
}

func ago(t, now time.Time) string {
	switch d := now.Sub(t); {
	case d >= time.Second:
		return long(d) + " ago"
	case d > -time.Second:
		return "just now"
	default:
		return "in " + long(-d)
	}
}

// long shows a time in its two largest units.
func long(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return two(d, time.Minute, time.Second, "min", "s")
	case d < day:
		return two(d, time.Hour, time.Minute, "h", "min")
	case d < 10*day:
		return two(d, day, time.Hour, "d", "h")
	default:
		return fmt.Sprintf("%d days", d/day)
	}
}

func two(d, large, small time.Duration, of, rest string) string {
	if n := d % large / small; n > 0 {
		return fmt.Sprintf("%d %s %d %s", d/large, of, n, rest)
	}
	return fmt.Sprintf("%d %s", d/large, of)
}

// short shows how long something took.
func short(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	default:
		return long(d)
	}
}

// days shows what is left of a certificate.
func days(d time.Duration) string {
	if d >= 2*day {
		return fmt.Sprintf("%d days", d/day)
	}
	return long(d)
}

// number groups digits by threes.
func number[T int | int64 | uint64](n T) string {
	s := fmt.Sprint(n)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u2009" + s[i:]
	}
	return sign + s
}

// count is a number of things.
func count[T int | int64 | uint64](n T, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

func memory(n int64) string {
	if n <= 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// sentence begins with a capital letter and ends with a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}
