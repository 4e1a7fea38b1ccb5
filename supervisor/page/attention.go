package page

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/handover/supervisor/status"
)

// attention lists what somebody should look at, the worst first.
func attention(s *status.Status, now time.Time) []notice {
	var list []notice
	if s.Degraded != "" {
		list = append(list, notice{bad, "Degraded", "What lies on disk is not served: " + s.Degraded, "Mend the files, then “handover rotate”.", "#certificates"})
	}
	if n := len(s.Failing); n > 0 {
		list = append(list, notice{bad, "Workers fail", sentence(count(n, "slot has", "slots have") + " no worker, since those that were started there failed"), "", "#workers"})
	}
	if s.State == "serving" && serving(s) == 0 && len(s.Failing) == 0 {
		list = append(list, notice{bad, "No worker serves", "Workers were told to stop, or none lives.", "A reload starts them again.", "#workers"})
	}
	if r := s.LastReload; r != nil && s.CurrentReload == nil && r.Outcome != status.OutcomeDone {
		hint := r.Hint
		if c := refusal(*r); c != nil {
			hint = c.Hint
		}
		list = append(list, notice{bad, sentenceTitle(noun(*r) + " " + r.Outcome), reason(*r), hint, "#reload-" + r.ID})
	}
	list = append(list, aboutCertificates(s, now)...)
	if s.Deferred != nil {
		list = append(list, notice{warn, "Not yet valid", "What waits on disk is taken by itself when it becomes valid: " + s.Deferred.UTC().Format("2006-01-02 15:04 MST") + ".", "", "#certificates"})
	}
	for _, w := range s.Workers {
		if w.Health != "" {
			list = append(list, notice{warn, fmt.Sprintf("Worker %d is unwell", w.Slot), w.Health, "", "#workers"})
		}
	}
	const most = 12
	if more := len(list) - most; more > 0 {
		list = append(list[:most], notice{warn, "And more", fmt.Sprintf("%d further notices.", more), "", "#workers"})
	}
	slices.SortStableFunc(list, func(a, b notice) int { return strings.Compare(a.Level, b.Level) }) // bad, then warn
	return list
}

// aboutCertificates says once of each trouble how many certificates are in it.
func aboutCertificates(s *status.Status, now time.Time) []notice {
	refused := s.LastReload != nil && s.LastReload.Outcome == status.OutcomeRefused
	kinds := []struct {
		trouble            trouble
		level, title, hint string
	}{
		{expired, bad, "Expired", "It is served on, since nothing better is known: renew it."},
		{ending, warn, "Ends soon", "Look at what should have renewed it."},
		{unreadable, warn, "Not readable on disk", "“handover check” says what is wrong."},
		{waiting, warn, "Waits on disk", "“handover check” says whether it would be taken, “handover reload” takes it."},
		{rolledBack, warn, "Rolled back", "“handover certs rollback --undo” serves what lies on disk again."},
	}
	var list []notice
	for _, k := range kinds {
		if k.trouble == waiting && (refused || s.CurrentReload != nil) {
			continue // that says it, or takes it
		}
		n, first := 0, ""
		for _, c := range s.Certificates {
			if troubleOf(c, now) == k.trouble {
				if n == 0 {
					first = c.Name
				}
				n++
			}
		}
		switch {
		case n == 1:
			list = append(list, notice{k.level, k.title, "Certificate " + first + ".", k.hint, "#certificates"})
		case n > 1:
			list = append(list, notice{k.level, k.title, fmt.Sprintf("%s certificates, %s among them.", number(n), first), k.hint, "#certificates"})
		}
	}
	return list
}
