package status

import (
	"cmp"
	"fmt"
	"io"
	"time"
)

// Write shows s as it is at the time now.
func Write(w io.Writer, s *Status, now time.Time, colour bool) {
	p := painter(colour)
	writeDegraded(w, s.Degraded, p)
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
		facts.row("last "+r.noun(), lastReload(r, now))
	}
	if s.Deferred != nil {
		facts.row("deferred", deferred(*s.Deferred, now))
	}
	_ = facts.Flush()
	writeWorkers(w, s.Workers, p)
	writeFailing(w, s.Failing, now, p)
	writeEnds(w, s.Workers, now)
	writeDraining(w, s.Draining, now, p)
	if len(s.Certificates) > 0 {
		fmt.Fprintln(w)
		writeBrief(w, s.Certificates, now, p)
	}
	if r := s.LastReload; r != nil && r.Outcome != "" && r.Outcome != OutcomeDone {
		fmt.Fprintf(w, "\nthe last %s was not done:\n", r.noun())
		r.Failure().Write(w, colour)
	}
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

func writeFailing(w io.Writer, failing []Failing, now time.Time, p painter) {
	if len(failing) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := newTable(w, p)
	t.header("FAILING", "FAILURES", "AGAIN", "REASON")
	for _, f := range failing {
		t.row(fmt.Sprintf("worker %d", f.Slot), f.Failures, relative(now, f.Again), f.Reason)
	}
	_ = t.Flush()
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
