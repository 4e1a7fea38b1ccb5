package status

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// mostFound is how many findings of the last reload are shown.
const mostFound = 5

// Write shows s as it is at the time now.
func Write(w io.Writer, s *Status, now time.Time, look Look) {
	writeDegraded(w, s.Degraded, look)
	facts := newTable(w, look)
	facts.row("state", look.state(s.State))
	facts.row("generation", s.Generation)
	facts.row("pid", fmt.Sprintf("%d, up %s", s.Pid, span(now.Sub(s.Started))))
	facts.row("master", fmt.Sprintf("pid %d, version %s", s.Master.Pid, cmp.Or(s.Master.Version, "unknown")))
	facts.row("config", cmp.Or(s.Config, "built-in defaults"))
	for i, l := range s.Listeners {
		scheme := map[bool]string{true: "https", false: "http"}[l.TLS]
		facts.row([]string{"listeners", ""}[min(i, 1)], scheme+" "+l.Address)
	}
	if r := s.CurrentReload; r != nil {
		facts.row(r.noun(), lastReload(r, now))
	}
	if r := s.LastReload; r != nil {
		facts.row("last "+r.noun(), lastReload(r, now))
	}
	if len(s.TicketKeys) > 0 {
		facts.row("ticket keys", strings.Join(s.TicketKeys, ", "))
	}
	if s.Deferred != nil {
		facts.row("deferred", deferred(*s.Deferred, now))
	}
	facts.flush()
	writeWorkers(w, s.Workers, look)
	writeFailing(w, s.Failing, now, look)
	writeEnds(w, s.Workers, now)
	writeDraining(w, s.Draining, now, look)
	if len(s.Certificates) > 0 {
		fmt.Fprintln(w)
		writeBrief(w, s.Certificates, now, look)
	}
	if r := s.CurrentReload; r != nil {
		writeSteps(w, r)
	} else if s.LastReload != nil {
		writeLast(w, s.LastReload, look)
	}
}

func writeSteps(w io.Writer, r *Reload) {
	for n, s := range r.Steps {
		if n == 0 {
			fmt.Fprintln(w)
		}
		WriteStep(w, r.Started, s)
	}
}

// writeLast says what there is to know of a reload that was not done, or found
// something to warn of.
func writeLast(w io.Writer, r *Reload, look Look) {
	warns := func(c Check) bool { return c.Severity == severityWarn }
	if slices.ContainsFunc(r.Checks, warns) {
		fmt.Fprintf(w, "\nthe last %s found:\n", r.noun())
		shown := slices.DeleteFunc(slices.Clone(r.Checks), func(c Check) bool { return !warns(c) })
		writeFindings(w, shown[:min(len(shown), mostFound)], look)
		if more := len(shown) - mostFound; more > 0 {
			fmt.Fprintf(w, "and %d more: \"handover check\" shows all\n", more)
		}
	}
	if r.Outcome != "" && r.Outcome != OutcomeDone {
		fmt.Fprintf(w, "\nthe last %s was not done:\n", r.noun())
		r.Failure().Write(w, look.Colour)
	}
}

func writeWorkers(w io.Writer, workers []Worker, look Look) {
	if len(workers) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := newTable(w, look)
	t.header("WORKER", "PID", t.paint(bold, "GENERATION").or("GEN"), "STATE", "REQUESTS", t.paint(bold, "CONNECTIONS").or("CONNS"), "MEMORY", "RESTARTS")
	for _, k := range workers {
		t.row(k.Slot, k.Pid, k.Generation, look.state(k.State), k.Requests, k.Connections, bytes(k.RSS), k.Restarts)
	}
	t.flush()
}

func writeFailing(w io.Writer, failing []Failing, now time.Time, look Look) {
	if len(failing) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := newTable(w, look)
	t.header("FAILING", "FAILURES", "AGAIN", "REASON")
	for _, f := range failing {
		t.row(fmt.Sprintf("worker %d", f.Slot), f.Failures, relative(now, f.Again), f.Reason)
	}
	t.flush()
}

// writeEnds says of each slot how the worker before ended, unless that was as
// asked for.
func writeEnds(w io.Writer, workers []Worker, now time.Time) {
	gap := "\n"
	for _, k := range workers {
		if e := k.LastEnd; e != nil && e.Reason != EndAsked && e.Reason != EndRecycled {
			fmt.Fprintf(w, "%sworker %d before (pid %d) ended %s, %s: %s\n", gap, k.Slot, e.Pid, relative(now, e.At), e.Reason, clean(e.Text))
			gap = ""
		}
		if k.Health != "" {
			fmt.Fprintf(w, "%sworker %d, health path: %s\n", gap, k.Slot, clean(k.Health))
			gap = ""
		}
	}
}

func writeDraining(w io.Writer, draining []Draining, now time.Time, look Look) {
	if len(draining) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := newTable(w, look)
	t.header("DRAINING", "PID", "CONNECTIONS", "SINCE", "CUT")
	for _, d := range draining {
		for _, k := range d.Workers {
			t.row(fmt.Sprintf("generation %d", d.Generation), k.Pid, k.Connections, relative(now, d.Since), relative(now, d.Deadline))
		}
	}
	t.flush()
}

// WriteAway says that an instance does not answer, and that it is waited for.
func WriteAway(w io.Writer, why error, since, now time.Time, look Look) {
	fmt.Fprintf(w, "%s\nwaiting for it, for %s\n", look.paint(red, why.Error()), span(now.Sub(since)))
}
