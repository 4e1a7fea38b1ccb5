package process

import (
	"runtime"
	"sync"

	"example.com/handover/worker/wire"
)

// A master works for some milliseconds an hour, and mostly one thing after the other.
// On one processor its start costs a tenth less CPU, which clients have at that moment.
// So it has one, but for what is worth more. The others are given back before it has
// done anything: later that would cost memory of the runtime's own.
var processors = struct {
	all int // that Go found for this process at its start, or was told to use
	one bool

	mu     sync.Mutex
	spread int // how many ask for all of them
}{all: runtime.GOMAXPROCS(0), one: wire.Role() == wire.RoleMaster}

func init() {
	if processors.one {
		runtime.GOMAXPROCS(1)
	}
}

// Processors returns how many processors there are for this process and what it
// starts: of its control group, or what GOMAXPROCS says (runtime).
func Processors() int { return processors.all }

// Spread lets this process use all of them until narrow is called, once.
func Spread() (narrow func()) {
	p := &processors
	if !p.one {
		return func() {}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spread++; p.spread == 1 {
		runtime.GOMAXPROCS(p.all)
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.spread--; p.spread == 0 {
			runtime.GOMAXPROCS(1)
		}
	}
}
