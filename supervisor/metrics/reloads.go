package metrics

import (
	"time"

	"example.com/handover/supervisor/status"
)

var (
	reloadKinds    = []string{status.KindReload, status.KindRotate, status.KindRollback}
	reloadOutcomes = []string{status.OutcomeDone, status.OutcomeRefused, status.OutcomeFailed}
)

func reloads(e *emitter, s *status.Status) {
	total := e.family(counter, "handover_reloads_total", "Reloads, rotations and rollbacks that have ended, by outcome.", "kind", "outcome")
	took := e.histogram("handover_reload_duration_seconds", "How long reloads, rotations and rollbacks took, from when they were asked for.", "kind")
	for _, kind := range reloadKinds {
		for _, outcome := range reloadOutcomes {
			total(float64(s.Reloads[kind][outcome]), kind, outcome)
		}
		took(s.Counts.ReloadSeconds[kind], kind)
	}
	e.gauge("handover_reload_in_progress", "1 while a reload, a rotation or a rollback runs.", flag(s.State == "reloading"))
	e.gauge("handover_last_reload_successful", "1 if the last reload, rotation or rollback was done, or none was asked for yet.", flag(s.Counts.Failed == ""))
	e.gauge("handover_last_reload_timestamp_seconds", "When the last reload, rotation or rollback ended; at first, when the service was started.", seconds(later(s.Started, s.Counts.Attempt)))
	e.gauge("handover_last_reload_success_timestamp_seconds", "When the last one ended that was done; at first, when the service was started.", seconds(later(s.Started, s.Counts.Success)))
	e.gauge("handover_last_reload_unconfirmed", "1 if a public address was asked, and does not serve what the last reload or rotation took.", flag(s.Unconfirmed()))
	findings := e.family(counter, "handover_certificate_findings_total", "Findings of the certificate checks, at the start and in what was asked for since; only those that were made.", "check", "severity")
	for check, of := range s.Counts.Findings {
		for severity, n := range of {
			findings(float64(n), check, severity)
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
