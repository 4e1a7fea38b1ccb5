package integration

import (
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// heard is a datagram to the service manager.
type heard struct {
	at   time.Time
	text string
}

// systemd hears everything that is said to it.
type systemd struct {
	variable string
	mu       sync.Mutex
	said     []heard
}

func listenToAll(t *testing.T) *systemd {
	t.Helper()
	path := filepath.Join(harness.Folder(t), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	s := &systemd{variable: "NOTIFY_SOCKET=" + path}
	var reader sync.WaitGroup
	reader.Go(func() {
		for b := make([]byte, 4096); ; {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.said = append(s.said, heard{time.Now(), string(b[:n])})
			s.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		_ = conn.Close()
		reader.Wait()
	})
	return s
}

// all returns what was said with one of the words in it.
func (s *systemd) all(words ...string) []heard {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []heard
	for _, h := range s.said {
		for _, w := range words {
			if strings.Contains(h.text, w) {
				found = append(found, h)
				break
			}
		}
	}
	return found
}

var monotonic = regexp.MustCompile(`(?m)^MONOTONIC_USEC=[1-9][0-9]*$`)

// heldStart starts an instance and holds it at the proof of its workers until it is
// sure that nothing was said too early.
func heldStart(t *testing.T, manager *systemd) *harness.Instance {
	t.Helper()
	i := harness.Prepare(t, harness.Config{HealthPath: "/health", Env: []string{manager.variable}})
	i.Behave("health", "block")
	i.Launch()
	harness.Until(t, "workers", within, func() error {
		n := 0
		for _, p := range i.Processes() {
			if p.Name == "echo" {
				n++
			}
		}
		return harness.Unless(n == 2, "%d", n)
	})
	if early := manager.all("READY=1"); len(early) > 0 {
		t.Errorf("told %+v before a worker could serve", early)
	}
	i.Behave("health", "")
	i.WaitServing()
	return i
}

func TestTheServiceManagerIsToldEachStateInOrder(t *testing.T) {
	t.Parallel()
	manager := listenToAll(t)
	i := heldStart(t, manager)
	want := []string{"READY=1"}
	states := func(when string, more ...string) {
		t.Helper()
		want = append(want, more...)
		harness.Until(t, when, within, func() error {
			var got []string
			for _, h := range manager.all("READY=1", "RELOADING=1", "STOPPING=1") {
				line, _, _ := strings.Cut(h.text, "\n")
				got = append(got, line)
			}
			return harness.Unless(strings.Join(got, " ") == strings.Join(want, " "), "told %q, want %q", got, want)
		})
	}
	states("the start")
	for range 2 {
		renew(t, i)
		states("a reload", "RELOADING=1", "READY=1")
	}
	i.Certs.Install(mismatched(i))
	hup(t, i, "refused")
	states("a refused reload", "RELOADING=1", "READY=1")
	ready := manager.all("READY=1")
	if last := ready[len(ready)-1].text; !strings.Contains(last, "STATUS=") || !strings.Contains(last, "pair.mismatch") {
		t.Errorf("after a refused reload told %q, want a status with the reason", last)
	}
	i.Behave("boot", "exit 3")
	i.Certs.Renew()
	hup(t, i, "failed")
	states("a failed reload", "RELOADING=1", "READY=1")
	for _, h := range manager.all("RELOADING=1") {
		if !monotonic.MatchString(h.text) {
			t.Errorf("told %q, want MONOTONIC_USEC in the same datagram", h.text)
		}
	}
	i.Signal(syscall.SIGTERM)
	states("the stop", "STOPPING=1")
	stopped(t, i, within)
	if moved := manager.all("MAINPID"); len(moved) > 0 {
		t.Errorf("told %+v, want no MAINPID: it never changes", moved)
	}
	calm(t, i, "pair.mismatch", "told to exit")
}

func TestTheServiceManagersWatchdogIsFedOnlyWhileTheMasterWorks(t *testing.T) {
	t.Parallel()
	const period = 4 * time.Second
	manager := listenToAll(t)
	i := one(t, harness.Config{Env: []string{manager.variable, "WATCHDOG_USEC=4000000"}})
	fed := func(count int) []heard {
		t.Helper()
		var beats []heard
		harness.Until(t, "signs of life", within, func() error {
			beats = manager.all("WATCHDOG=1")
			return harness.Unless(len(beats) >= count, "%d, want %d", len(beats), count)
		})
		return beats
	}
	beats := fed(2)
	hup(t, i, "done")
	beats = fed(len(beats) + 2) // over a reload, too
	for n := 1; n < len(beats); n++ {
		if apart := beats[n].at.Sub(beats[n-1].at); apart >= period {
			t.Errorf("signs of life %v apart, want less than %v", apart, period)
		}
	}
	stopped := master(t, i)
	halt(t, stopped)
	at := time.Now()
	i.Until(t, "another master", time.Minute, func(s harness.Status) error {
		return harness.Unless(s.Master.Pid != stopped, "still %d", stopped)
	})
	gone(t, stopped)
	// What it had said before the stop may be passed on after it.
	for _, h := range manager.all("WATCHDOG=1") {
		if after := h.at.Sub(at); after > time.Second && after < 4*time.Second {
			t.Errorf("a sign of life %v after the master was stopped, want none", after)
		}
	}
	fed(len(manager.all("WATCHDOG=1")) + 1)
	reloadWorks(t, i)
}
