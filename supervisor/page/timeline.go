package page

import (
	"fmt"
	"slices"
	"time"

	"example.com/handover/supervisor/status"
)

// entry is a generation, the newest first.
type entry struct {
	ID, Level, Title, Label string
	Since                   *moment
	SinceWord               string
	Text                    string
	Steps                   []step
	Pending                 string // what has yet to happen
	Clock                   *bar   // of a drain, towards its deadline
	Workers                 []string
	More                    int
}

type step struct{ Name, Text, After string }

// timeline shows how generations follow each other.
func timeline(s *status.Status, now time.Time) []entry {
	var list []entry
	if s.CurrentReload != nil && noun(*s.CurrentReload) == status.KindReload && s.Since != nil && !cutOver(s) {
		list = append(list, coming(s, now))
	}
	if s.Generation > 0 {
		list = append(list, current(s, now))
	}
	for i := len(s.Draining) - 1; i >= 0; i-- {
		list = append(list, drainingEntry(s.Draining[i], now))
	}
	return append(list, gone(s, now)...)
}

// gone lists the generations that were relieved last, as far as reloads are
// remembered, but for those that still drain.
func gone(s *status.Status, now time.Time) []entry {
	const most = 3
	var list []entry
	for _, r := range s.Recent {
		relieved := r.Generation - 1
		drains := slices.ContainsFunc(s.Draining, func(d status.Draining) bool { return d.Generation == relieved })
		if r.Outcome != status.OutcomeDone || noun(r) != status.KindReload || drains || relieved < 1 || relieved >= s.Generation || len(list) == most {
			continue
		}
		list = append(list, entry{
			ID: fmt.Sprint("generation-", relieved), Level: idle, Title: fmt.Sprintf("Generation %d", relieved), Label: "is gone",
			Since: at(r.Finished, now), SinceWord: "relieved",
		})
	}
	return list
}

// cutOver says whether the running reload has led to the generation that serves:
// only the end of its predecessor is waited for.
func cutOver(s *status.Status) bool { return s.State == "serving" }

// coming is the generation that a running reload brings.
func coming(s *status.Status, now time.Time) entry {
	r := *s.CurrentReload
	e := entry{
		ID: "generation-next", Level: busy, Title: fmt.Sprintf("Generation %d", s.Generation+1), Label: "prepares",
		Since: at(r.Started, now), SinceWord: "asked for by " + asker(r.AskedBy) + ",", Text: "No client has met it yet.",
		Steps: steps(r),
	}
	e.Pending = pending(r)
	return e
}

// pending says what a reload does now, by the last step that is done.
func pending(r status.Reload) string {
	if len(r.Steps) == 0 {
		return "Reading config and certificates"
	}
	switch r.Steps[len(r.Steps)-1].Name {
	case "config":
		return "Checking certificates"
	case "certificates":
		if noun(r) != status.KindReload {
			return "Workers prove the new certificates"
		}
		return "Starting the next master"
	case "generation":
		return "Workers start, and prove themselves by a handshake each"
	case "proofs":
		return "Handing over"
	default:
		return "Finishing"
	}
}

// current is the generation that serves.
func current(s *status.Status, now time.Time) entry {
	e := entry{ID: fmt.Sprint("generation-", s.Generation), Title: fmt.Sprintf("Generation %d", s.Generation), Level: well, Label: "serves"}
	switch {
	case s.State == booting:
		e.Level, e.Label = busy, "starts"
	case s.State == "stopping" && serving(s) > 0:
		e.Level, e.Label = warn, "serves until it drains for a stop"
	case s.State == "stopping":
		e.Level, e.Label = warn, "drains for a stop"
	case serving(s) == 0:
		e.Level, e.Label = bad, "no worker serves"
	}
	if s.Since != nil {
		e.Since, e.SinceWord = at(*s.Since, now), "since"
	}
	var open int64
	for _, w := range s.Workers {
		open += w.Connections
	}
	if len(s.Workers) > 0 {
		e.Text = fmt.Sprintf("%s, %s open.", count(len(s.Workers), "worker", "workers"), count(open, "connection", "connections"))
	}
	if r := s.CurrentReload; r != nil && (noun(*r) != status.KindReload || cutOver(s) || s.State == booting) {
		e.Steps, e.Pending = steps(*r), pending(*r)
	}
	return e
}

// drainingEntry is a generation that ends its last connections.
func drainingEntry(d status.Draining, now time.Time) entry {
	const most = 8
	e := entry{
		ID: fmt.Sprint("generation-", d.Generation), Level: warn, Title: fmt.Sprintf("Generation %d", d.Generation), Label: "drains",
		Text: fmt.Sprintf("Still holds %s on %s.", count(held(d), "connection", "connections"), count(len(d.Workers), "worker", "workers")),
	}
	if d.Since.IsZero() {
		e.Level, e.Label, e.Text = well, "serves until it is relieved", count(len(d.Workers), "worker", "workers")+"."
		return e
	}
	e.Since, e.SinceWord = at(d.Since, now), "since"
	whole, left := d.Deadline.Sub(d.Since), max(d.Deadline.Sub(now), 0)
	if whole > 0 {
		e.Clock = &bar{busy, fmt.Sprintf("cut in %s, of %s", long(left), long(whole)), max(0, min(100, int(100*left/whole)))}
	}
	for _, w := range d.Workers[:min(len(d.Workers), most)] {
		e.Workers = append(e.Workers, fmt.Sprintf("pid %d: %s", w.Pid, count(w.Connections, "connection", "connections")))
	}
	e.More = max(len(d.Workers)-most, 0)
	return e
}

// held is how many connections a generation still has.
func held(d status.Draining) (n int64) {
	for _, w := range d.Workers {
		n += w.Connections
	}
	return n
}

func steps(r status.Reload) []step {
	list := make([]step, 0, len(r.Steps))
	for _, s := range r.Steps {
		list = append(list, step{s.Name, s.Message, "+" + short(s.At.Sub(r.Started))})
	}
	return list
}
