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
func WriteCerts(w io.Writer, r CertsResult, now time.Time, colour bool) {
	p := painter(colour)
	writeDegraded(w, r.Degraded, p)
	if len(r.Certificates) == 0 {
		fmt.Fprintln(w, "no certificates")
		return
	}
	t := newTable(w, p)
	t.header("CERTIFICATE", "FOR", "UNTIL", "", "SHA256", "DISK")
	held, changed := false, false
	for _, c := range urgentFirst(r.Certificates, now) {
		held, changed = held || c.Held, changed || !c.Held && c.Disk == diskChanged
		t.row(cut(c.Name), several(c.Names, 3), date(c.ChainNotAfter), expiry(c, now, p), short(c.Fingerprint), p.disk(c, onDisk(c)))
	}
	_ = t.Flush()
	if r.Deferred != nil {
		fmt.Fprintf(w, "\n%s %s\n", p.paint(yellow, "deferred:"), deferred(*r.Deferred, now))
	}
	if changed && r.Deferred == nil {
		fmt.Fprintf(w, "\n%s \"handover rotate\" takes what lies on disk\n", p.paint(bold, "hint:"))
	}
	if held {
		fmt.Fprintf(w, "\n%s \"handover certs rollback --undo\" serves what lies on disk again\n", p.paint(bold, "hint:"))
	}
}

// writeBrief shows the certificates that matter most.
func writeBrief(w io.Writer, all []Certificate, now time.Time, p painter) {
	t := newTable(w, p)
	t.header("CERTIFICATE", "FOR", "UNTIL", "", "DISK", "SHA256")
	shown := urgentFirst(all, now)
	shown = shown[:min(len(shown), mostShown)]
	for _, c := range shown {
		state := c.Disk
		if c.Held {
			state += ", held"
		}
		t.row(cut(c.Name), several(c.Names, 3), date(c.ChainNotAfter), expiry(c, now, p), p.disk(c, state), short(c.Fingerprint))
	}
	_ = t.Flush()
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
func expiry(c Certificate, now time.Time, p painter) painted {
	text := relative(now, c.ChainNotAfter)
	switch {
	case !now.Before(c.ChainNotAfter):
		return p.paint(red, "expired "+text)
	case nearEnd(c, now):
		return p.paint(yellow, text)
	default:
		return p.paint(plain, text)
	}
}

// disk paints what is said of the disk by the state that it is in.
func (p painter) disk(c Certificate, text string) painted {
	switch {
	case c.Disk == diskSame && !c.Held:
		return p.paint(green, text)
	case c.Disk == diskSame || c.Disk == diskChanged:
		return p.paint(yellow, text)
	default:
		return p.paint(red, text)
	}
}

// onDisk says what lies on disk in the place of a certificate.
func onDisk(c Certificate) string {
	if c.SelfSigned {
		return "made on the spot"
	}
	text := c.Disk
	if c.Held {
		text = "held, " + text
	}
	if c.DiskSince != nil {
		text += " since " + date(*c.DiskSince)
	}
	if d := c.OnDisk; d != nil {
		text += fmt.Sprintf(": sha256 %s, until %s", short(d.Fingerprint), date(d.NotAfter))
	}
	return text
}

// writeDegraded says loudly that something else is served than should be.
func writeDegraded(w io.Writer, why string, p painter) {
	if why != "" {
		fmt.Fprintf(w, "%s what lies on disk is not served: %s\n", p.paint(red, "DEGRADED:"), clean(why))
		fmt.Fprintf(w, "%s mend the files, then \"handover rotate\"\n\n", p.paint(bold, "hint:"))
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

// short is the beginning of a fingerprint.
func short(fingerprint string) string { return fmt.Sprintf("%.16s…", fingerprint) }

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
