package metrics

import (
	"example.com/handover/supervisor/status"
)

var (
	workerStates = []string{"starting", "proving", "serving", "draining"}
	exitReasons  = []string{status.EndAsked, status.EndRecycled, status.EndExited, status.EndCrashed, status.EndOOM, status.EndSilent, status.EndBoot}
	// unasked are the ends after which a worker is started in the place of another.
	unasked = []string{status.EndExited, status.EndCrashed, status.EndOOM, status.EndSilent, status.EndBoot}
)

func service(e *emitter, s *status.Status) {
	e.family(gauge, "handover_build_info", "The master that answers: 1.", "goversion", "version")(1, s.Master.Go, s.Master.Version)
	e.gauge("handover_start_time_seconds", "When the service was started.", seconds(s.Started))
	e.gauge("handover_generation", "Number of the serving generation.", float64(s.Generation))
	e.each(gauge, "handover_generations", "Generations by state.", "state", generations(s))
	e.gauge("handover_draining_generations", "Older generations that still end their connections.", float64(len(s.Draining)))
	e.gauge("handover_degraded", "1 while not what lay on disk at the start is served, but the last good certificates.", flag(s.Degraded != ""))
	ticketKeys(e, s.TicketKeys)
	e.counter("handover_master_restarts_total", "Masters that were killed or crashed, and were replaced.", s.Counts.MasterRestarts)
	e.each(counter, "handover_log_lines_lost_total", "Lines that the log, or the access log, did not take.", "log", map[string]float64{
		"log": float64(s.Counts.LogLost), "access": float64(s.Traffic.AccessLost),
	})
	e.each(gauge, "handover_resident_memory_bytes", "Resident memory by role, all processes of a role together.", "role", memory(s))
}

// ticketKeys has one series for each key of the file, so that instances which share
// one can be compared. It is the status' hash of a key, and says nothing of it.
func ticketKeys(e *emitter, prints []string) {
	send := e.family(gauge, "handover_ticket_key_info", "A session ticket key of the file that ticket_keys names: 1. One encrypts.", "role", "sha256")
	for i, hash := range prints {
		send(1, []string{"encrypts", "decrypts"}[min(i, 1)], hash)
	}
}

func generations(s *status.Status) map[string]float64 {
	serving := false
	for _, w := range s.Workers {
		serving = serving || w.State == "serving"
	}
	return map[string]float64{"starting": flag(s.Booting > 0), "serving": flag(serving), "draining": float64(len(s.Draining))}
}

// memory adds up. What several processes share, the program's code above all, is
// counted in each of them.
func memory(s *status.Status) map[string]float64 {
	sum := map[string]float64{"master": float64(s.Master.RSS), "worker": 0, "draining": 0}
	for _, w := range s.Workers {
		sum["worker"] += float64(w.RSS)
	}
	for _, d := range s.Draining {
		for _, w := range d.Workers {
			sum["draining"] += float64(w.RSS)
		}
	}
	return sum
}

func workers(e *emitter, s *status.Status) {
	restarts := uint64(0)
	for _, reason := range unasked {
		restarts += s.Exits[reason]
	}
	e.each(gauge, "handover_workers", "Workers by state.", "state", countWorkers(s))
	e.gauge("handover_workers_wanted", "Workers that should serve; 0 while they were told to stop.", float64(s.Wanted))
	e.gauge("handover_failing_slots", "Slots without a worker: those that were started there failed, and one is tried again.", float64(len(s.Failing)))
	e.each(counter, "handover_worker_exits_total", "Ends of workers since the service was started, by reason.", "reason", counted(exitReasons, s.Exits))
	e.counter("handover_worker_restarts_total", "Ends of workers that nobody had asked for: another one was started each time.", restarts)
	e.histogram("handover_worker_boot_duration_seconds", "How long workers took from their start until they were ready.")(s.Counts.Boots)
}

// countWorkers counts by state. Those of draining generations drain.
func countWorkers(s *status.Status) map[string]float64 {
	n := counted(workerStates, nil)
	for _, w := range s.Workers {
		n[w.State]++
	}
	for _, d := range s.Draining {
		n["draining"] += float64(len(d.Workers))
	}
	return n
}
