package cert

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// each calls f for 0 to n-1, in as many goroutines as there are processors, and
// returns when all calls have.
func each(n int, f func(i int)) {
	var next atomic.Int64
	work := func() {
		for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
			f(int(i))
		}
	}
	var running sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) - 1 {
		running.Go(work)
	}
	work()
	running.Wait()
}
