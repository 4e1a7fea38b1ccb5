package status

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// mostShown is how many certificates are shown where they are not what was
// asked for.
const mostShown = 20

// The states of the disk.
const (
	diskSame    = "same"
	diskChanged = "changed"
)

// CertsResult is what "handover certs --json" prints: the part of a Status that
// is about certificates.
type CertsResult struct {
	Certificates []Certificate `json:"certificates"`
	Deferred     *time.Time    `json:"deferred_until"`
	Degraded     string        `json:"degraded"`
}

// Certs returns the part of s that is about certificates.
func (s *Status) Certs() CertsResult {
	return CertsResult{Certificates: append([]Certificate{}, s.Certificates...), Deferred: s.Deferred, Degraded: s.Degraded}
}

// WriteCerts shows every certificate, what lies on disk in its place, and what
// to do about a difference.
func WriteCerts(w io.Writer, r CertsResult, now time.Time, look Look) {
	writeDegraded(w, r.Degraded, look)
	if len(r.Certificates) == 0 {
		fmt.Fprintln(w, "no certificates")
		return
	}
	t := newTable(w, look, 0, 1)
	t.header("CERTIFICATE", "FOR", "UNTIL", "", "SHA256", "DISK")
	held, changed := false, false
	for _, c := range urgentFirst(r.Certificates, now) {
		held, changed = held || c.Held, changed || !c.Held && c.Disk == diskChanged
		t.row(cut(c.Name), several(c.Names, 3), t.date(c.ChainNotAfter), expiry(c, now, look), t.fingerprint(c), look.disk(c, onDisk(c, false)).or(onDisk(c, true)))
	}
	t.flush()
	if r.Deferred != nil {
		fmt.Fprintf(w, "\n%s %s\n", look.paint(yellow, "deferred:"), deferred(*r.Deferred, now))
	}
	if changed && r.Deferred == nil {
		fmt.Fprintf(w, "\n%s \"handover check\" says whether what lies on disk would be taken, \"handover rotate\" takes it\n", look.paint(bold, "hint:"))
	}
	if held {
		fmt.Fprintf(w, "\n%s \"handover certs rollback --undo\" serves what lies on disk again\n", look.paint(bold, "hint:"))
	}
}

// writeBrief shows the certificates that matter most.
func writeBrief(w io.Writer, all []Certificate, now time.Time, look Look) {
	t := newTable(w, look, 0, 1)
	t.header("CERTIFICATE", "FOR", "UNTIL", "", "DISK", "SHA256")
	shown := urgentFirst(all, now)
	shown = shown[:min(len(shown), mostShown)]
	for _, c := range shown {
		state := c.Disk
		if c.Held {
			state += ", held"
		}
		t.row(cut(c.Name), several(c.Names, 3), t.date(c.ChainNotAfter), expiry(c, now, look), look.disk(c, state), t.fingerprint(c))
	}
	t.flush()
	if more := len(all) - len(shown); more > 0 {
		fmt.Fprintf(w, "and %d more: \"handover certs\" shows all\n", more)
	}
}

// urgentFirst puts the certificates that somebody should look at before those
// that are as they should be.
func urgentFirst(all []Certificate, now time.Time) []Certificate {
	var urgent, rest []Certificate
	for _, c := range all {
		if c.Disk != diskSame || c.Held || nearEnd(c, now) {
			urgent = append(urgent, c)
		} else {
			rest = append(rest, c)
		}
	}
	return append(urgent, rest...)
}

// nearEnd says whether less than a tenth of the time is left. A number of days
// would never be right: of six days, or of a year.
func nearEnd(c Certificate, now time.Time) bool {
	return c.ChainNotAfter.Sub(now) < c.NotAfter.Sub(c.NotBefore)/10
}

// expiry paints the end of a certificate by how near it is.
func expiry(c Certificate, now time.Time, look Look) painted {
	text := relative(now, c.ChainNotAfter)
	switch {
	case !now.Before(c.ChainNotAfter):
		return look.paint(red, "expired "+text)
	case nearEnd(c, now):
		return look.paint(yellow, text)
	default:
		return look.paint(plain, text)
	}
}

// disk paints what is said of the disk by the state that it is in.
func (l Look) disk(c Certificate, text string) painted {
	switch {
	case c.Disk == diskSame && !c.Held:
		return l.paint(green, text)
	case c.Disk == diskSame || c.Disk == diskChanged:
		return l.paint(yellow, text)
	default:
		return l.paint(red, text)
	}
}

// onDisk says what lies on disk in the place of a certificate, for a narrow
// terminal in fewer letters.
func onDisk(c Certificate, narrow bool) string {
	if c.SelfSigned {
		return "made on the spot"
	}
	when, hash := date, short
	if narrow {
		when, hash = day, shorter
	}
	text := c.Disk
	if c.Held {
		text = "held, " + text
	}
	if c.DiskSince != nil {
		text += " since " + when(*c.DiskSince)
	}
	switch d := c.OnDisk; {
	case d == nil:
	case c.SameLeaf() && !c.Held:
		text += ": another key or chain"
	default:
		text += fmt.Sprintf(": sha256 %s, until %s", hash(d.Fingerprint), when(d.NotAfter))
	}
	return text
}

// SameLeaf says whether the certificate that lies on disk is the served one: what
// has changed there is its key or its chain.
func (c Certificate) SameLeaf() bool { return c.OnDisk != nil && c.OnDisk.Fingerprint == c.Fingerprint }

// writeDegraded says loudly that something else is served than should be.
func writeDegraded(w io.Writer, why string, look Look) {
	if why != "" {
		fmt.Fprintf(w, "%s what lies on disk is not served: %s\n", look.paint(red, "DEGRADED:"), clean(why))
		fmt.Fprintf(w, "%s mend the files, then \"handover rotate\"\n\n", look.paint(bold, "hint:"))
	}
}

func deferred(until, now time.Time) string {
	return fmt.Sprintf("what waits on disk is taken by itself when it becomes valid: %s, %s", date(until), relative(now, until))
}

// several shows the first names of many.
func several(names []string, most int) string {
	shown := make([]string, 0, most+1)
	for _, name := range names[:min(len(names), most)] {
		shown = append(shown, cut(name))
	}
	if more := len(names) - most; more > 0 {
		shown = append(shown, fmt.Sprintf("%d more", more))
	}
	return strings.Join(shown, ", ")
}

// short is the beginning of a fingerprint, shorter one for a narrow terminal.
func short(fingerprint string) string { return fmt.Sprintf("%.16s…", fingerprint) }

func shorter(fingerprint string) string { return fmt.Sprintf("%.8s…", fingerprint) }

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func (t *table) date(at time.Time) painted { return t.paint(plain, date(at)).or(day(at)) }

func (t *table) fingerprint(c Certificate) painted {
	return t.paint(plain, short(c.Fingerprint)).or(shorter(c.Fingerprint))
}
