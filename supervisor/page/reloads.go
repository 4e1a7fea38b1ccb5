package page

import (
	"cmp"
	"fmt"
	"time"

	"example.com/handover/supervisor/status"
)

// reload is one of the last ones.
type reload struct {
	ID, Level, Title, Outcome string
	Asked, Took               string
	When                      *moment
	Open                      bool
	Error, Hint, Confirmed    string
	Checks                    []check
	More                      int
	Steps                     []step
}

type check struct{ Level, Severity, Name, Subject, File, Message, Hint string }

func reloads(s *status.Status, now time.Time) []reload {
	list := make([]reload, 0, len(s.Recent))
	for i, r := range s.Recent {
		list = append(list, describeReload(r, i == 0, now))
	}
	return list
}

func describeReload(r status.Reload, newest bool, now time.Time) reload {
	out := reload{
		ID: "reload-" + r.ID, Level: well, Title: sentenceTitle(noun(r)), Outcome: r.Outcome, Asked: asker(r.AskedBy),
		Took: short(r.Finished.Sub(r.Started)), When: at(r.Finished, now), More: r.Omitted, Steps: steps(r),
	}
	switch {
	case r.Outcome != status.OutcomeDone:
		out.Level, out.Open, out.Error, out.Hint = bad, newest, r.Error, r.Hint
	case r.Unchanged:
		out.Outcome = "unchanged"
	case noun(r) == status.KindReload:
		out.Outcome = fmt.Sprintf("done: generation %d", r.Generation)
	}
	switch r.Confirmed {
	case "":
	case "yes":
		out.Confirmed = "Clients of the public addresses get what was taken."
	default:
		out.Confirmed, out.Level = "Not confirmed: "+r.Confirmed, warn
	}
	for _, c := range r.Checks {
		out.Checks = append(out.Checks, describeCheck(c))
	}
	if c := refusal(r); c != nil { // the check says it, with its hint
		out.Error, out.Hint = "", ""
	}
	return out
}

func describeCheck(c status.Check) check {
	level, severity := idle, c.Severity
	if c.Severity == "info" {
		c.Hint, c.File = "", "" // there is nothing to mend
	}
	switch c.Severity {
	case "refuse":
		level, severity = bad, "refused"
	case "warn":
		level, severity = warn, "warning"
	}
	return check{level, severity, c.Name, c.Certificate, c.File, c.Message, c.Hint}
}

// refusal is the finding that refused, if one did.
func refusal(r status.Reload) *status.Check {
	for i := range r.Checks {
		if r.Checks[i].Severity == "refuse" && r.Outcome == status.OutcomeRefused {
			return &r.Checks[i]
		}
	}
	return nil
}

// reason says in a line why a reload was not done.
func reason(r status.Reload) string {
	if c := refusal(r); c != nil {
		if c.Certificate != "" {
			return fmt.Sprintf("certificate %q: %s (%s)", c.Certificate, c.Message, c.Name)
		}
		return fmt.Sprintf("%s (%s)", c.Message, c.Name)
	}
	return cmp.Or(r.Error, "it does not say why")
}

// noun is what a person calls it; a neighbouring release may know no kinds.
func noun(r status.Reload) string {
	switch r.Kind {
	case status.KindRotate:
		return "rotation"
	case status.KindRollback:
		return status.KindRollback
	default:
		return status.KindReload
	}
}

// verb goes with "was".
func verb(outcome string) string {
	if outcome == status.OutcomeFailed {
		return "given up"
	}
	return outcome
}

func asker(by string) string {
	switch by {
	case "signal":
		return "a signal"
	case "control":
		return "a command"
	case "watch":
		return "a change of the files"
	case "deferral":
		return "a certificate that has become valid"
	default:
		return cmp.Or(by, "somebody")
	}
}

func sentenceTitle(text string) string {
	s := sentence(text)
	return s[:len(s)-1]
}
