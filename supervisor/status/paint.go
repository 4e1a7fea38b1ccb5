package status

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// The colours.
const (
	plain  = ""
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	ending = "\x1b[m" // of any colour
)

// painted is a text that is clean and has its colour.
type painted struct{ colour, text, short string }

func (p painted) String() string {
	if p.colour == "" {
		return p.text
	}
	return p.colour + p.text + ending
}

func (l Look) paint(colour, text string) painted {
	if !l.Colour {
		colour = plain
	}
	return painted{colour: colour, text: clean(text)}
}

// state paints a state or a severity by who must act.
func (l Look) state(text string) painted {
	switch strings.TrimSuffix(text, ":") {
	case "serving", OutcomeDone:
		return l.paint(green, text)
	case "booting", "starting", "proving", "reloading", "draining", "stopping", severityWarn:
		return l.paint(yellow, text)
	case OutcomeRefused, OutcomeFailed, severityRefuse:
		return l.paint(red, text)
	default:
		return l.paint(plain, text)
	}
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
	return cutTo(clean(text), most)
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
