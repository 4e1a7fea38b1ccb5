package cert

import (
	"sync"
	"sync/atomic"

	"example.com/handover/supervisor/process"
)

// few are done on the processor that there is: to have more stops the program twice.
const few = 8

// each calls f for 0 to n-1, of more than a few in as many goroutines as there are
// processors, and returns when all calls have.
func each(n int, f func(i int)) {
	if n > few {
		defer process.Spread()()
	}
	var next atomic.Int64
	work := func() {
		for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
			f(int(i))
		}
	}
	var running sync.WaitGroup
	for range min(n, process.Processors()) - 1 {
		running.Go(work)
	}
	work()
	running.Wait()
}
