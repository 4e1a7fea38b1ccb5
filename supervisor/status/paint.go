package status

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// The colours. Their codes are of one length, so that a table stays aligned
// when each of its cells has one.
const (
	plain  = "\x1b[00m"
	bold   = "\x1b[01m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
)

// Coloured says whether what is written to f may have colours: only on a
// terminal, and not for those who set NO_COLOR (https://no-color.org).
func Coloured(f *os.File) bool {
	raw, err := f.SyscallConn()
	if err != nil || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	terminal := false
	_ = raw.Control(func(fd uintptr) {
		_, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
		terminal = err == nil
	})
	return terminal
}

// painter adds colours, or does not.
type painter bool

// painted is a text that is clean and has its colour.
type painted string

func (p painter) paint(colour, text string) painted {
	if !p {
		return painted(clean(text))
	}
	return painted(colour + clean(text) + "\x1b[m")
}

// state paints a state or a severity by who must act.
func (p painter) state(text string) painted {
	switch strings.TrimSuffix(text, ":") {
	case "serving", OutcomeDone:
		return p.paint(green, text)
	case "booting", "starting", "proving", "reloading", "draining", "stopping", severityWarn:
		return p.paint(yellow, text)
	case OutcomeRefused, OutcomeFailed, severityRefuse:
		return p.paint(red, text)
	default:
		return p.paint(plain, text)
	}
}

// table writes aligned rows.
type table struct {
	painter
	*tabwriter.Writer
}

func newTable(w io.Writer, p painter) table {
	return table{p, tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
}

func (t table) header(cells ...string) {
	row := make([]any, 0, len(cells))
	for _, c := range cells {
		row = append(row, t.paint(bold, c))
	}
	t.row(row...)
}

// row takes painted cells as they are and makes all others plain.
func (t table) row(cells ...any) {
	texts := make([]string, 0, len(cells))
	for _, c := range cells {
		text, ok := c.(painted)
		if !ok {
			text = t.paint(plain, fmt.Sprint(c))
		}
		texts = append(texts, string(text))
	}
	fmt.Fprintln(t, strings.Join(texts, "\t"))
}

// clean takes out what could steer a terminal, turn its writing around or break
// a table: names in certificates and messages of programs are other people's.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// cut is a clean text that is no longer than a name usually is.
func cut(text string) string {
	const most = 64
	if letters := []rune(clean(text)); len(letters) > most {
		return string(letters[:most-1]) + "…"
	}
	return clean(text)
}

// elapsed shows a short time to the digit that matters.
func elapsed(d time.Duration) string {
	d = max(d, 0)
	switch ms := float64(d) / float64(time.Millisecond); {
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}

// span shows a long time in the unit that matters.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	d = max(d, -d)
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("%d h", d/time.Hour)
	default:
		return fmt.Sprintf("%d days", d/day)
	}
}

// relative shows a moment as seen from now.
func relative(now, at time.Time) string {
	if at.After(now) {
		return "in " + span(at.Sub(now))
	}
	return span(now.Sub(at)) + " ago"
}

func bytes(n int64) string {
	if n <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
