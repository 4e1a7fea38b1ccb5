package worker

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// A worker that does little has a heap of two megabytes, and Go collects that
// again after every four that are allocated, which are forty handshakes. So a heap
// may grow to roomy before it is collected, and a larger one by as much; what
// GOMEMLIMIT allows stays the bound. From roomy that lives on the usual rule leads
// further than that.
const (
	roomy      = 16 << 20
	usual      = 100 // percent of what lives
	ampleLimit = 100 * roomy / (4 << 20)
)

// makeRoom lets the heap grow, if neither the environment nor the program has said
// how it is to be collected (runtime, GOGC).
func makeRoom() {
	if os.Getenv("GOGC") != "" {
		return
	}
	own := ample(0)
	if before := debug.SetGCPercent(own); before != usual {
		debug.SetGCPercent(before)
		return
	}
	readings := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/gogc:percent"}}
	var adjust func(*[1]*byte)
	adjust = func(seen *[1]*byte) {
		metrics.Read(readings)
		if readings[1].Value.Uint64() != uint64(own) {
			return // the program has taken over
		}
		if next := ample(readings[0].Value.Uint64()); next != own {
			own = next
			debug.SetGCPercent(own)
		}
		runtime.SetFinalizer(seen, adjust) // again after the next collection
	}
	runtime.SetFinalizer(new([1]*byte), adjust)
}

// ample returns by how much of what lives a heap may grow.
func ample(live uint64) int {
	if live == 0 {
		return ampleLimit
	}
	return max(usual, min(ampleLimit, int(100*roomy/live)))
}
