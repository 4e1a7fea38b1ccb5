package process

import (
	"runtime"
	"sync"
)

// A master works for some milliseconds an hour, and mostly one thing after the other.
// On one processor its start costs a tenth less CPU, which clients have at that moment.
// So it has one, but for what is worth more. It begins with that itself, not this
// package when it is loaded: before, a program of somebody else's may ask how many
// there are for a Config of its own, or set it.
var processors struct {
	mu     sync.Mutex
	all    int // that Go found for this process, or was told to use; 0: it has all of them
	spread int // how many ask for all of them
}

// Narrow leaves this process one processor from here on.
func Narrow() {
	p := &processors
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == 0 {
		p.all = runtime.GOMAXPROCS(1)
	}
}

// Processors returns how many processors there are for this process and what it
// starts: of its control group, or what GOMAXPROCS says (runtime).
func Processors() int {
	p := &processors
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == 0 {
		return runtime.GOMAXPROCS(0)
	}
	return p.all
}

// Spread lets this process use all of them until narrow is called, once.
func Spread() (narrow func()) {
	p := &processors
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == 0 {
		return func() {}
	}
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
