package bench

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"syscall"

	"example.com/handover/integration/harness"
)

// forked is a server whose main process keeps its pid, has so many children and
// takes its files anew at a signal.
func forked(b *harness.Background, addr string, children int, asks syscall.Signal) *Server {
	var g generation
	workers := func() []harness.Process { return alive(harness.Children(b.Pid)) }
	return &Server{
		Addr:      addr,
		Main:      func() int { return b.Pid },
		Workers:   workers,
		Processes: b.Processes,
		Reload: func() error {
			g.leave()
			return syscall.Kill(b.Pid, asks)
		},
		Settled: func() error { return g.settled(workers(), children) },
		until:   b.Until,
	}
}

// generation tells the processes that serve now from those that were there when
// the last reload was asked for. It looks at none when that is asked: the clock
// runs then. Any goroutine may use it.
type generation struct {
	mu      sync.Mutex
	serving map[int]bool // when it had settled last
	leaving map[int]bool // since a reload was asked for
}

// leave notes that those who serve are to go.
func (g *generation) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.leaving == nil {
		g.leaving = map[int]bool{}
	}
	maps.Copy(g.leaving, g.serving)
}

// settled is nil when there are as many as there should be and all are new.
func (g *generation) settled(now []harness.Process, want int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := slices.IndexFunc(now, func(p harness.Process) bool { return g.leaving[p.Pid] }); n >= 0 {
		return fmt.Errorf("still there: %v", now[n])
	}
	if len(now) != want {
		return fmt.Errorf("%d processes serve, want %d: %v", len(now), want, now)
	}
	g.serving, g.leaving = map[int]bool{}, nil
	for _, p := range now {
		g.serving[p.Pid] = true
	}
	return nil
}

// alive leaves out those who wait to be reaped.
func alive(processes []harness.Process) []harness.Process {
	return slices.DeleteFunc(processes, func(p harness.Process) bool { return p.State == "Z" })
}

// lone is the list of one process, if it lives.
func lone(pid int) []harness.Process {
	if p, found := harness.Find(pid); found {
		return alive([]harness.Process{p})
	}
	return nil
}
