package worker

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
)

func TestAHeapMayGrowToSixteenMegabytesAndThenByItsHalf(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	for live, want := range map[uint64]int{0: 400, 1 * mb: 400, 4 * mb: 400, 8 * mb: 200, 16 * mb: 100, 1000 * mb: 100} {
		if got := ample(live); got != want {
			t.Errorf("with %d MB that live: got %d percent, want %d", live/mb, got, want)
		}
	}
}

// Not parallel: it is the process that has a percentage.
func TestTheHeapIsLeftToAProgramThatHasItsOwnSay(t *testing.T) {
	before := debug.SetGCPercent(usual)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	percent := func() int {
		reading := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(reading)
		return int(reading[0].Value.Uint64())
	}
	t.Setenv("GOGC", "100")
	makeRoom()
	if got := percent(); got != usual {
		t.Errorf("with GOGC set: got %d percent, want %d", got, usual)
	}
	t.Setenv("GOGC", "")
	debug.SetGCPercent(50)
	makeRoom()
	if got := percent(); got != 50 {
		t.Errorf("set by the program before: got %d percent, want 50", got)
	}
	debug.SetGCPercent(usual)
	makeRoom()
	if got := percent(); got != ampleLimit {
		t.Errorf("by nobody: got %d percent, want %d", got, ampleLimit)
	}
	ballast := make([]byte, 64<<20)
	await(t, "a big heap on the usual rule", func() bool { runtime.GC(); return percent() == usual })
	runtime.KeepAlive(ballast)
	await(t, "a small one with room again", func() bool { runtime.GC(); return percent() == ampleLimit })
	debug.SetGCPercent(50)
	for range 3 {
		runtime.GC()
	}
	if got := percent(); got != 50 {
		t.Errorf("set by the program later: got %d percent, want 50", got)
	}
}
