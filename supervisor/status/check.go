package status

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// The severities of a Check.
const (
	severityRefuse = "refuse"
	severityWarn   = "warn"
	severityInfo   = "info"
)

// String names the certificate, what is wrong with it, and the check.
func (c Check) String() string {
	text := fmt.Sprintf("certificate %q: %s (%s)", c.Certificate, c.Message, c.Name)
	if c.File != "" && !strings.Contains(c.Message+c.Hint, c.File) {
		text += ": " + c.File
	}
	return text
}

// WriteCheckResult shows the findings that do not refuse and, if everything was
// accepted, what would be served.
func WriteCheckResult(w io.Writer, r CheckResult, now time.Time, colour bool) {
	look := Look{Colour: colour}
	writeFindings(w, r.Checks, look)
	if !r.Accepted {
		return
	}
	for _, c := range r.Checks {
		if c.Severity == severityInfo {
			fmt.Fprintf(w, "%s %s\n", look.state(c.Severity+":"), clean(c.String()))
		}
	}
	if len(r.Certificates) == 0 {
		fmt.Fprintf(w, "%s no certificates\n", look.paint(green, "accepted:"))
	}
	for i, c := range r.Certificates {
		if i == mostShown {
			fmt.Fprintf(w, "%s %d more certificates: --json lists all\n", look.paint(green, "accepted:"), len(r.Certificates)-i)
			return
		}
		fmt.Fprintf(w, "%s certificate %q for %s\n", look.paint(green, "accepted:"), cut(c.Name), several(c.Names, mostShown))
		if c.SelfSigned {
			fmt.Fprintln(w, "          self-signed, each generation makes its own")
			continue
		}
		fmt.Fprintf(w, "          until %s, %s; sha256 %s\n", date(c.ChainNotAfter), relative(now, c.ChainNotAfter), c.Fingerprint)
	}
}

// writeFindings shows what warns. What refuses is a Failure, and what is only
// said nobody has to act on.
func writeFindings(w io.Writer, checks []Check, look Look) {
	for _, c := range checks {
		if c.Severity != severityWarn {
			continue
		}
		fmt.Fprintf(w, "%s %s\n", look.state(c.Severity+":"), clean(c.String()))
		if c.Hint != "" {
			fmt.Fprintf(w, "%s %s\n", look.paint(bold, "hint:"), clean(c.Hint))
		}
	}
}

// CheckEntry is one row of the catalogue of checks.
type CheckEntry struct {
	Name     string `json:"name"`
	Severity string `json:"severity"` // refuse, warn, info or off
	Fixed    bool   `json:"fixed"`    // cannot be moved
	Reason   string `json:"reason"`
}

// WriteCatalogue shows a line for each check there is.
func WriteCatalogue(w io.Writer, entries []CheckEntry, look Look) {
	t := newTable(w, look)
	t.header("CHECK", "SEVERITY", "", "WHY")
	for _, e := range entries {
		t.row(e.Name, look.state(e.Severity), map[bool]string{true: "fixed"}[e.Fixed], e.Reason)
	}
	t.flush()
}
