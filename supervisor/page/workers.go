package page

import (
	"fmt"
	"time"

	"example.com/handover/supervisor/status"
)

type worker struct {
	Slot, Pid                            int
	Level, State                         string
	Connections, Requests, Memory        string
	Restarts                             int
	Health, HealthLevel, Ended, EndLevel string
	EndedAt                              *moment
}

type failing struct {
	Slot, Failures int
	Reason         string
	Again          *moment
}

// mostWorkers is how many are shown; there may be thousands.
const mostWorkers = 256

func workers(s *status.Status, now time.Time) []worker {
	shown := s.Workers[:min(len(s.Workers), mostWorkers)]
	list := make([]worker, 0, len(shown))
	for _, w := range shown {
		list = append(list, describeWorker(w, now))
	}
	return list
}

func describeWorker(w status.Worker, now time.Time) worker {
	out := worker{
		Slot: w.Slot, Pid: w.Pid, State: w.State, Level: busy, Connections: number(w.Connections), Requests: number(w.Requests),
		Memory: memory(w.RSS), Restarts: w.Restarts, Health: "no complaint", HealthLevel: well,
	}
	switch w.State {
	case "serving":
		out.Level = well
	case "draining":
		out.Level = warn
	}
	if w.Health != "" {
		out.Health, out.HealthLevel = w.Health, warn
	}
	if e := w.LastEnd; e != nil {
		out.Ended, out.EndedAt, out.EndLevel = fmt.Sprintf("%s: %s", e.Reason, e.Text), at(e.At, now), bad
		if e.Reason == status.EndAsked || e.Reason == status.EndRecycled {
			out.EndLevel = idle
		}
	}
	return out
}

func failings(s *status.Status, now time.Time) []failing {
	list := make([]failing, 0, len(s.Failing))
	for _, f := range s.Failing[:min(len(s.Failing), mostWorkers)] {
		list = append(list, failing{f.Slot, f.Failures, f.Reason, at(f.Again, now)})
	}
	return list
}
