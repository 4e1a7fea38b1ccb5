package status

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// The severities of a Check.
const (
	severityRefuse = "refuse"
	severityWarn   = "warn"
)

// String names the certificate, what is wrong with it, and the check.
func (c Check) String() string {
	text := fmt.Sprintf("certificate %q: %s (%s)", c.Certificate, c.Message, c.Name)
	if c.File != "" && !strings.Contains(c.Message+c.Hint, c.File) {
		text += ": " + c.File
	}
	return text
}

// WriteStep shows a step of a reload and when, after asked, it was done.
func WriteStep(w io.Writer, asked time.Time, s Step) {
	fmt.Fprintf(w, "%9s  %-12s  %s\n", elapsed(s.At.Sub(asked)), s.Name, clean(s.Message))
}

// WriteReload shows how a reload ended, apart from its Failure.
func WriteReload(w io.Writer, r *Reload, colour bool) {
	p := painter(colour)
	writeFindings(w, r.Checks, p)
	took := elapsed(r.Finished.Sub(r.Started))
	if r.Outcome == OutcomeDone {
		fmt.Fprintf(w, "%s generation %d serves, after %s\n", p.paint(green, "done:"), r.Generation, took)
		return
	}
	fmt.Fprintf(w, "%s after %s, nothing has changed: generation %d serves on\n", p.paint(red, r.Outcome), took, r.Generation)
}

// Failure is what a reload that was not done ended with, or nil.
func (r *Reload) Failure() *Failure {
	if r.Outcome == OutcomeDone {
		return nil
	}
	if f := Refused(r.Checks); r.Outcome == OutcomeRefused && len(f.Complaints) > 0 {
		f.Code = cmp.Or(r.ExitCode, ExitRefused)
		return f
	}
	return Failed(cmp.Or(r.ExitCode, ExitFailed), r.Hint, "%s", cmp.Or(r.Error, "the reload "+r.Outcome))
}

// WriteCheckResult shows the findings that do not refuse and, if everything was
// accepted, what would be served.
func WriteCheckResult(w io.Writer, r CheckResult, now time.Time, colour bool) {
	p := painter(colour)
	writeFindings(w, r.Checks, p)
	if !r.Accepted {
		return
	}
	if len(r.Certificates) == 0 {
		fmt.Fprintf(w, "%s no certificates\n", p.paint(green, "accepted:"))
	}
	for _, c := range r.Certificates {
		fmt.Fprintf(w, "%s certificate %q for %s\n", p.paint(green, "accepted:"), c.Name, clean(strings.Join(c.Names, ", ")))
		if c.SelfSigned {
			fmt.Fprintln(w, "          self-signed, each generation makes its own")
			continue
		}
		fmt.Fprintf(w, "          until %s, %s; sha256 %s\n", date(c.ChainNotAfter), relative(now, c.ChainNotAfter), c.Fingerprint)
	}
}

// writeFindings shows what does not refuse; what does is a Failure.
func writeFindings(w io.Writer, checks []Check, p painter) {
	for _, c := range checks {
		if c.Severity == severityRefuse {
			continue
		}
		fmt.Fprintf(w, "%s %s\n", p.state(c.Severity+":"), clean(c.String()))
		if c.Hint != "" {
			fmt.Fprintf(w, "%s %s\n", p.paint(bold, "hint:"), clean(c.Hint))
		}
	}
}

// Write shows s as it is at the time now.
func Write(w io.Writer, s *Status, now time.Time, colour bool) {
	p := painter(colour)
	facts := newTable(w, p)
	facts.row("state", p.state(s.State))
	facts.row("generation", s.Generation)
	facts.row("pid", fmt.Sprintf("%d, up %s", s.Pid, span(now.Sub(s.Started))))
	facts.row("master", fmt.Sprintf("pid %d, version %s", s.Master.Pid, cmp.Or(s.Master.Version, "unknown")))
	facts.row("config", cmp.Or(s.Config, "built-in defaults"))
	for i, l := range s.Listeners {
		scheme := map[bool]string{true: "https", false: "http"}[l.TLS]
		facts.row([]string{"listeners", ""}[min(i, 1)], scheme+" "+l.Address)
	}
	if r := s.LastReload; r != nil {
		facts.row("last reload", lastReload(r, now))
	}
	_ = facts.Flush()
	writeWorkers(w, s.Workers, p)
	writeDraining(w, s.Draining, now, p)
	writeCertificates(w, s.Certificates, now, p)
	if s.LastReload == nil {
		return
	}
	if f := s.LastReload.Failure(); f != nil && s.LastReload.Outcome != "" {
		fmt.Fprintf(w, "\nthe last reload was not done:\n")
		f.Write(w, colour)
	}
}

func lastReload(r *Reload, now time.Time) string {
	if r.Outcome == "" {
		return fmt.Sprintf("runs for %s, asked for by %s", elapsed(now.Sub(r.Started)), r.AskedBy)
	}
	return fmt.Sprintf("%s %s, after %s, asked for by %s", r.Outcome, relative(now, r.Finished), elapsed(r.Finished.Sub(r.Started)), r.AskedBy)
}

func writeWorkers(w io.Writer, workers []Worker, p painter) {
	if len(workers) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := newTable(w, p)
	t.header("WORKER", "PID", "GENERATION", "STATE", "REQUESTS", "CONNECTIONS", "MEMORY", "RESTARTS")
	for _, k := range workers {
		t.row(k.Slot, k.Pid, k.Generation, p.state(k.State), k.Requests, k.Connections, bytes(k.RSS), k.Restarts)
	}
	_ = t.Flush()
}

func writeDraining(w io.Writer, draining []Draining, now time.Time, p painter) {
	if len(draining) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := newTable(w, p)
	t.header("DRAINING", "PID", "CONNECTIONS", "SINCE", "CUT")
	for _, d := range draining {
		for _, k := range d.Workers {
			t.row(fmt.Sprintf("generation %d", d.Generation), k.Pid, k.Connections, relative(now, d.Since), relative(now, d.Deadline))
		}
	}
	_ = t.Flush()
}

func writeCertificates(w io.Writer, certificates []Certificate, now time.Time, p painter) {
	if len(certificates) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := newTable(w, p)
	t.header("CERTIFICATE", "FOR", "UNTIL", "", "DISK", "SHA256")
	for _, c := range certificates {
		t.row(c.Name, several(c.Names), date(c.ChainNotAfter), expiry(c.ChainNotAfter, now, p), p.state(c.Disk), fmt.Sprintf("%.16s…", c.Fingerprint))
	}
	_ = t.Flush()
}

// several shows the first names of many.
func several(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(slices.Concat(names[:most], []string{fmt.Sprintf("%d more", len(names)-most)}), ", ")
}

// expiry paints the end of a certificate by how near it is.
func expiry(end, now time.Time, p painter) painted {
	text := relative(now, end)
	switch left := end.Sub(now); {
	case left <= 0:
		return p.paint(red, "expired "+text)
	case left < 7*24*time.Hour:
		return p.paint(yellow, text)
	default:
		return p.paint(plain, text)
	}
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
