package harness

import "time"

// PSS is what processes cost together, in bytes. One that has just ended costs
// nothing.
func PSS(processes []Process) int64 {
	var sum int64
	for _, p := range processes {
		if m, err := MemoryOf(p.Pid); err == nil {
			sum += m.PSS
		}
	}
	return sum
}

// Peak looks at the memory of processes every ten milliseconds. The returned
// function ends that and says what was the most.
func Peak(processes func() []Process) func() int64 {
	stop, most := make(chan struct{}), make(chan int64, 1)
	peak := PSS(processes())
	go func() { // ends when stop is closed
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				most <- peak
				return
			case <-tick.C:
				peak = max(peak, PSS(processes()))
			}
		}
	}()
	return func() int64 {
		close(stop)
		return <-most
	}
}
