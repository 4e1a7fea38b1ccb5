package integration

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// delayed is the top-level key of a stop with a delay.
func delayed(d string) string { return fmt.Sprintf("shutdown_delay = %q", d) }

// endsAfter requires new clients to be served within the delay, and the end not
// to come before it is over.
func endsAfter(t *testing.T, i *harness.Instance, asked time.Time, delay time.Duration) {
	t.Helper()
	for n := 0; time.Since(asked) < delay; n++ {
		a, err := i.Get("/pid")
		if time.Since(asked) < delay && (err != nil || a.Status != 200) {
			t.Errorf("client %d within the delay: %d, %v; want an answer", n, a.Status, err)
		}
	}
	if got := i.WaitExit(within); got != 0 {
		t.Errorf("exit %d, want 0", got)
	}
	if took := time.Since(asked); took < delay {
		t.Errorf("ended %v after the stop, want at least %v", took, delay)
	}
}

func TestClientsAreServedDuringTheShutdownDelayAndReadyzSaysNo(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(i *harness.Instance){
		"TERM":   func(i *harness.Instance) { i.Signal(syscall.SIGTERM) },
		"stop":   func(i *harness.Instance) { ok(t, i.Do("stop")); ok(t, i.Do("stop")) }, // asked for again it is the same stop
		"master": func(i *harness.Instance) { _ = syscall.Kill(master(t, i), syscall.SIGTERM) },
		"group":  func(i *harness.Instance) { _ = syscall.Kill(-i.Pid, syscall.SIGTERM) }, // workers that leave for it are replaced
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			admin := harness.FreeAddress(t)
			i := harness.Start(t, harness.Config{Workers: 1, Keys: delayed("10m"), Tables: watched(admin)})
			load := i.Load(t, harness.Load{New: 1, Kept: 1, H2: 1, Rest: 10 * time.Millisecond, Think: 10 * time.Millisecond})
			before := i.Until(t, "settled", within, harness.Settled)
			stop(i)
			says(t, admin, "/readyz", 503, "the service is stopping")
			stopping(t, i)
			i.Signal(syscall.SIGHUP) // is ignored
			if got := i.Do("reload", "--timeout", "30s"); got.Exit != 1 || !strings.Contains(got.Stderr, "stopping") {
				t.Errorf("reload: %v, want exit 1 and why", got)
			}
			load.More(t, 50)
			load.Stop().NothingLost(t)
			i.Until(t, "the generation as before", within, func(s harness.Status) error {
				return harness.Unless(s.Generation == before.Generation && len(s.Workers) == 1 && s.Workers[0].State == "serving", "%+v", s)
			})
			i.Signal(syscall.SIGQUIT)
			if got := i.WaitExit(within); got != 0 {
				t.Errorf("exit %d, want 0", got)
			}
		})
	}
}

func TestAStopDrainsWhenItsDelayIsOverAndNotBefore(t *testing.T) {
	t.Parallel()
	const delay = time.Second
	i := harness.Start(t, harness.Config{Workers: 1, Keys: delayed(delay.String())})
	slow := begin(t, i, 2*delay)
	asked := time.Now()
	i.Signal(syscall.SIGTERM)
	endsAfter(t, i, asked, delay)
	slow.completes(t)
}

func TestAWorkerThatDiesDuringTheShutdownDelayIsReplaced(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1, Keys: delayed("60s")})
	old := i.Until(t, "worker", within, harness.Serving).Workers[0].Pid
	i.Signal(syscall.SIGTERM)
	stopping(t, i)
	kill(t, old)
	i.Until(t, "another worker", within, func(s harness.Status) error {
		return harness.Unless(len(s.Workers) == 1 && s.Workers[0].Pid != old && s.Workers[0].State == "serving", "%+v", s.Workers)
	})
	if a, err := i.Get("/pid"); err != nil || a.Status != 200 {
		t.Errorf("get: %d, %v; want an answer", a.Status, err)
	}
	i.Signal(syscall.SIGQUIT)
	if got := i.WaitExit(within); got != 0 {
		t.Errorf("exit %d, want 0", got)
	}
}

func TestAQuickStopKnowsNoShutdownDelay(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		i := harness.Start(t, harness.Config{Workers: 1, Keys: delayed("10m")})
		i.Signal(s)
		if got := i.WaitExit(within); got != 0 {
			t.Errorf("exit %d after %v, want 0", got, s)
		}
	}
}

func TestTheDeathOfTheAnchorKnowsNoShutdownDelay(t *testing.T) {
	t.Parallel()
	for _, stopped := range []bool{false, true} {
		admin := harness.FreeAddress(t)
		i := harness.Start(t, harness.Config{Workers: 1, Keys: delayed("10m"), Tables: watched(admin)})
		if stopped {
			i.Signal(syscall.SIGTERM)
			says(t, admin, "/readyz", 503, "the service is stopping")
		}
		slow := asking(t, i, "/slow?d=2s")
		i.Signal(syscall.SIGKILL)
		// Whatever starts it again can do so while the old workers still answer.
		free(t, i.Addr, within)
		free(t, admin, within)
		i.Launch()
		i.WaitServing()
		if a, err := slow.Receive("GET"); err != nil || !strings.Contains(string(a.Body), "ended") {
			t.Errorf("slow request: %q, %v; want it answered", a.Body, err)
		}
		slow.Close()
		i.Signal(syscall.SIGQUIT)
		i.WaitExit(within)
	}
}

func TestAStopWithADelayEndsAHandoverAndServesOn(t *testing.T) {
	t.Parallel()
	const delay = 2 * time.Second
	i := harness.Start(t, harness.Config{Workers: 1, HealthPath: "/health", Keys: delayed(delay.String())})
	before := i.Until(t, "settled", within, harness.Settled)
	i.Behave("health", "block")
	i.Signal(syscall.SIGHUP)
	next := born(t, i, before)
	asked := time.Now()
	i.Signal(syscall.SIGTERM)
	harness.Until(t, "the new generation is gone", within, func() error {
		return harness.Unless(!harness.Alive(next.master), "%d lives", next.master)
	})
	endsAfter(t, i, asked, delay)
}

func TestAStopWithADelayAtSeveralMomentsOfAHandoverServesUntilItIsOver(t *testing.T) {
	t.Parallel()
	const delay = time.Second
	for n := range 8 {
		i := harness.Start(t, harness.Config{Workers: 1, Keys: delayed(delay.String())})
		i.Signal(syscall.SIGHUP)
		harness.After(time.Duration(n) * 8 * time.Millisecond)
		asked := time.Now()
		i.Signal(syscall.SIGTERM)
		endsAfter(t, i, asked, delay)
	}
}

// toldBy runs an instance as systemd does, and returns what it is told.
func toldBy(t *testing.T) (socket string, heard <-chan string) {
	t.Helper()
	socket = harness.Folder(t) + "/notify"
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	words := make(chan string, 256)
	ended := make(chan struct{})
	go func() { // ends when the test closes the socket
		defer close(ended)
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			words <- string(buf[:n])
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-ended
	})
	return socket, words
}

func TestSystemdHearsOfAStopAtTheBeginningOfItsDelay(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(i *harness.Instance){
		"TERM": func(i *harness.Instance) { i.Signal(syscall.SIGTERM) },
		"stop": func(i *harness.Instance) { ok(t, i.Do("stop")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			socket, heard := toldBy(t)
			i := harness.Start(t, harness.Config{Workers: 1, Keys: delayed("10m"), Env: []string{"NOTIFY_SOCKET=" + socket}})
			stop(i)
			limit := time.After(within)
			for told := false; !told; {
				select {
				case words := <-heard:
					told = strings.Contains(words, "STOPPING=1")
				case <-limit:
					t.Fatal("STOPPING=1: not within the delay")
				}
			}
			if a, err := i.Get("/pid"); err != nil || a.Status != 200 {
				t.Errorf("get: %d, %v; want an answer: the delay has begun", a.Status, err)
			}
			i.Signal(syscall.SIGQUIT)
			i.WaitExit(within)
		})
	}
}
