package status

import (
	"cmp"
	"slices"
	"unicode/utf8"
)

// What is kept of a reload for good. Of thousands of certificates each may have
// findings, and the text of an error may hold a worker's last words.
const (
	mostFindings = 20
	mostSteps    = 32
	mostText     = 1 << 10 // bytes of each text
)

// gravity orders findings by what a reader must see first.
var gravity = map[string]int{severityRefuse: -2, severityWarn: -1}

// Brief returns what is remembered of r once others have ended: its gravest
// findings, and how many there were besides. What it shares with r it does not
// change.
func (r Reload) Brief() Reload {
	checks := slices.Clone(r.Checks)
	slices.SortStableFunc(checks, func(a, b Check) int { return cmp.Compare(gravity[a.Severity], gravity[b.Severity]) })
	if more := len(checks) - mostFindings; more > 0 {
		checks = checks[:mostFindings]
		r.Omitted += more
	}
	for i := range checks {
		c := &checks[i]
		c.Certificate, c.File, c.Message, c.Hint = shorten(c.Certificate), shorten(c.File), shorten(c.Message), shorten(c.Hint)
	}
	r.Checks = checks
	r.Error, r.Hint, r.Confirmed = shorten(r.Error), shorten(r.Hint), shorten(r.Confirmed)
	r.Steps = slices.Clone(r.Steps[:min(len(r.Steps), mostSteps)])
	for i := range r.Steps {
		r.Steps[i].Message = shorten(r.Steps[i].Message)
	}
	return r
}

// shorten cuts a text between two characters.
func shorten(text string) string {
	if len(text) <= mostText {
		return text
	}
	end := mostText
	for end > mostText-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
