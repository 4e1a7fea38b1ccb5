package bench

import (
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// startHandover starts the program under test and its worker as they are
// shipped. What is not said in its config is as it always is: every check and
// every proof. The grace of 1 s in place of 5 has the rounds follow sooner; it can
// cost requests and save none.
func startHandover(t testing.TB, setup Setup) *Server {
	t.Helper()
	i := harness.Prepare(t, harness.Config{Binary: harness.Static(t, "handover"), Command: []string{}})
	i.Certs = setup.Certs
	var config strings.Builder
	fmt.Fprintf(&config, "workers = %d\npidfile = %q\nkeepalive_grace = \"1s\"\nboot_timeout = \"2m\"\n", setup.Workers, i.PidFile())
	fmt.Fprintf(&config, "[[listen]]\naddress = %q\n[control]\nsocket = %q\n", i.Addr, i.ControlSocket())
	fmt.Fprintf(&config, "[[certificate]]\ndir = %q\n[app]\ncommand = [%q]\n", setup.Dir, harness.Static(t, "answer"))
	i.WriteConfig(config.String())
	i.Launch()
	var asked atomic.Pointer[time.Time]
	return &Server{
		Addr:      i.Addr,
		Main:      func() int { return i.Pid },
		Workers:   func() []harness.Process { return workers(i) },
		Processes: i.Processes,
		Reload: func() error {
			now := time.Now()
			asked.Store(&now)
			return syscall.Kill(i.Pid, syscall.SIGHUP)
		},
		Settled:  func() error { return settled(i, asked.Load()) },
		Instance: i,
		until: func(t testing.TB, what string, limit time.Duration, cond func() error) {
			t.Helper()
			until(t, i, what, limit, cond)
		},
	}
}

// until waits as long as the instance lives.
func until(t testing.TB, i *harness.Instance, what string, limit time.Duration, cond func() error) {
	t.Helper()
	err := harness.Await(limit, func() error {
		select {
		case <-i.Exited():
			t.Fatalf("%s: it has ended\n%s", what, i.Output())
		default:
		}
		return cond()
	})
	if err != nil {
		t.Fatalf("%s: not within %v: %v\n%s", what, limit, err, i.Output())
	}
}

// settled is nil when a reload has ended well since one was asked for last, and
// nothing is left of the generation before. When it began says nothing: of those
// that are asked for while one runs, one more is made, as old as the first.
func settled(i *harness.Instance, asked *time.Time) error {
	s, err := i.Status()
	if err != nil {
		return err
	}
	if r := s.LastReload; asked != nil {
		switch {
		case s.CurrentReload != nil || r == nil || r.Finished.Before(*asked):
			return fmt.Errorf("no reload has ended since %v", asked.Format(time.StampMicro))
		case r.Outcome != "done":
			return fmt.Errorf("reload %s: %s", r.Outcome, r.Error)
		}
	}
	return harness.Settled(s)
}

func workers(i *harness.Instance) []harness.Process {
	s, err := i.Status()
	if err != nil {
		return nil
	}
	var found []harness.Process
	for _, w := range s.Workers {
		found = append(found, lone(w.Pid)...)
	}
	return found
}
