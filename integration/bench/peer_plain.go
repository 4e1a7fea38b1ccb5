package bench

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// startPlain starts a net/http server, which knows no reload: it is restarted.
func startPlain(t testing.TB, setup Setup) *Server {
	t.Helper()
	address := harness.FreeAddress(t)
	r := &restarted{folder: harness.Folder(t), argv: []string{harness.Static(t, "plain"), "-listen", address, "-dir", setup.Dir}}
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.restarts.Wait()
		if err := errors.Join(r.settled(), r.current().End()); err != nil {
			t.Error(err)
		}
	})
	return &Server{
		Addr:      address,
		Main:      func() int { return r.current().Pid },
		Workers:   func() []harness.Process { return lone(r.current().Pid) },
		Processes: func() []harness.Process { return r.current().Processes() },
		Reload: func() error {
			r.restart()
			return nil
		},
		Settled: func() error {
			if err := r.settled(); err != nil {
				return err
			}
			c, err := net.Dial("tcp", address) // the program runs before it listens
			if err == nil {
				_ = c.Close()
			}
			return err
		},
		until: func(t testing.TB, what string, limit time.Duration, cond func() error) {
			t.Helper()
			r.current().Until(t, what, limit, cond)
		},
	}
}

// restarted is a program that is ended and started again, one restart at a time.
// Any goroutine may use it.
type restarted struct {
	folder   string
	argv     []string
	restarts sync.WaitGroup
	turn     sync.Mutex // held during a restart

	mu      sync.Mutex // guards the rest
	running *harness.Background
	pending int
	err     error
}

func (r *restarted) current() *harness.Background {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running
}

func (r *restarted) start() error {
	b, err := harness.Launch(r.folder, nil, r.argv...)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running = b
	return nil
}

// restart returns at once; settled says when it is over.
func (r *restarted) restart() {
	r.mu.Lock()
	r.pending++
	r.mu.Unlock()
	r.restarts.Go(func() {
		err := r.again()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.pending--
		r.err = errors.Join(r.err, err)
	})
}

func (r *restarted) again() error {
	r.turn.Lock()
	defer r.turn.Unlock()
	if err := r.current().End(); err != nil {
		return fmt.Errorf("restart: %v", err)
	}
	return r.start()
}

func (r *restarted) settled() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	return harness.Unless(r.pending == 0, "%d restarts are not over", r.pending)
}
