package status

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// noun is what a person calls it.
func (r *Reload) noun() string {
	switch r.Kind {
	case KindRotate:
		return "rotation"
	case KindRollback:
		return KindRollback
	default:
		return KindReload // also of a neighbouring release, which knows no kinds
	}
}

// WriteStep shows a step of a reload and when, after asked, it was done.
func WriteStep(w io.Writer, asked time.Time, s Step) {
	fmt.Fprintf(w, "%9s  %-12s  %s\n", elapsed(s.At.Sub(asked)), s.Name, clean(s.Message))
}

// UnderWay says what happens after the step of that name, "" for the first.
func UnderWay(last string) string {
	switch last {
	case "":
		return "configuration and certificates are checked"
	case "config":
		return "certificates are checked"
	case "certificates":
		return "what passed is handed to the workers"
	case "generation":
		return "new workers start and prove themselves"
	case "proofs":
		return "clients are handed over"
	case "cutover", "draining", "swapped":
		return "the public addresses are asked whether they serve it"
	default:
		return "waiting for the outcome"
	}
}

// WriteReload shows how a reload, a rotation or a rollback ended, apart from its
// Failure.
func WriteReload(w io.Writer, r *Reload, colour bool) {
	look := Look{Colour: colour}
	writeFindings(w, r.Checks, look)
	took := elapsed(r.Finished.Sub(r.Started))
	switch {
	case r.Outcome != OutcomeDone:
		fmt.Fprintf(w, "%s after %s, nothing has changed: generation %d serves on\n", look.paint(red, r.Outcome), took, r.Generation)
		return
	case r.Unchanged && slices.ContainsFunc(r.Checks, func(c Check) bool { return c.Name == "change.held" }):
		fmt.Fprintf(w, "%s generation %d serves on what was rolled back to, seen after %s\n", look.paint(green, "unchanged:"), r.Generation, took)
	case r.Unchanged:
		fmt.Fprintf(w, "%s generation %d serves what lies on disk, seen after %s\n", look.paint(green, "unchanged:"), r.Generation, took)
	case r.noun() == KindReload:
		fmt.Fprintf(w, "%s generation %d serves, after %s\n", look.paint(green, "done:"), r.Generation, took)
	default:
		fmt.Fprintf(w, "%s generation %d serves with other certificates, after %s\n", look.paint(green, "done:"), r.Generation, took)
	}
	// That clients got it is in the status a moment later: whoever asked may be
	// told of the end before or after it, and is told here of what is wrong alone.
	if r.Confirmed != "" && r.Confirmed != confirmed {
		fmt.Fprintf(w, "%s not confirmed: %s\n", look.state(severityWarn+":"), clean(r.Confirmed))
	}
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
	return Failed(cmp.Or(r.ExitCode, ExitFailed), r.Hint, "%s", cmp.Or(r.Error, fmt.Sprintf("the %s was not done: %s", r.noun(), cmp.Or(r.Outcome, "it has not ended"))))
}

// lastReload says in one line how a reload ended, or that it runs.
func lastReload(r *Reload, now time.Time) string {
	asked := "asked for by " + r.AskedBy
	if r.Outcome == "" {
		return fmt.Sprintf("runs for %s, %s", elapsed(now.Sub(r.Started)), asked)
	}
	outcome := r.Outcome
	if r.Unchanged {
		outcome = "unchanged"
	}
	parts := []string{fmt.Sprintf("%s %s", outcome, relative(now, r.Finished)), "after " + elapsed(r.Finished.Sub(r.Started)), asked}
	switch r.Confirmed {
	case "":
	case confirmed:
		parts = append(parts, "confirmed")
	default:
		parts = append(parts, "not confirmed: "+cut(r.Confirmed))
	}
	return strings.Join(parts, ", ")
}
