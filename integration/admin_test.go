package integration

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"example.com/handover/integration/harness"
)

// watched is the table that has an instance answer at an admin address.
func watched(address string) string { return fmt.Sprintf("[admin]\naddress = %q", address) }

// probe asks the admin address once: the status and the first line of the body.
func probe(network, address, path string) (int, string, error) {
	c, err := harness.Dial(network, address, nil)
	if err != nil {
		return 0, "", err
	}
	defer c.Close()
	a, err := c.Do("GET", path, nil)
	line, _, _ := strings.Cut(string(a.Body), "\n")
	return a.Status, line, err
}

// says waits until the admin address answers so.
func says(t *testing.T, address, path string, status int, line string) {
	t.Helper()
	harness.Until(t, fmt.Sprintf("%s says %d %q", path, status, line), within, func() error {
		got, text, err := probe("tcp", address, path)
		if err != nil {
			return err
		}
		return harness.Unless(got == status && strings.Contains(text, line), "%d %q", got, text)
	})
}

func TestReadyzFollowsTheServiceFromItsBootToItsEnd(t *testing.T) {
	t.Parallel()
	admin := harness.FreeAddress(t)
	i := harness.Prepare(t, harness.Config{Workers: 1, HealthPath: "/health", Tables: watched(admin)})
	i.Behave("health", "block")
	i.Launch()
	says(t, admin, "/readyz", 503, "the service is starting")
	says(t, admin, "/healthz", 200, "ok")
	i.Behave("health", "200")
	says(t, admin, "/readyz", 200, "ok")
	i.WaitServing()

	i.Signal(syscall.SIGWINCH)
	says(t, admin, "/readyz", 503, "they were told to stop")
	hup(t, i, "done")
	says(t, admin, "/readyz", 200, "ok")

	slow := asking(t, i, "/slow?d=60s")
	defer slow.Close()
	i.Signal(syscall.SIGTERM)
	says(t, admin, "/readyz", 503, "the service is stopping")
	says(t, admin, "/healthz", 200, "ok")
	slow.Close()
	if got := i.WaitExit(within); got != 0 {
		t.Errorf("exit %d, want 0", got)
	}
	free(t, admin, within)
}

func TestReadyzSaysNoWhenEveryWorkerIsLost(t *testing.T) {
	t.Parallel()
	admin := harness.FreeAddress(t)
	i := harness.Start(t, harness.Config{Workers: 1, HealthPath: "/health", Tables: watched(admin)})
	i.Behave("health", "block") // or another one would be there before anybody can ask
	kill(t, i.Until(t, "worker", within, harness.Serving).Workers[0].Pid)
	says(t, admin, "/readyz", 503, "no worker serves")
	i.Behave("health", "200")
	says(t, admin, "/readyz", 200, "ok")
}

func TestAMasterThatHangsIsReplacedAndHealthzIsAnsweredByTheNext(t *testing.T) {
	t.Parallel()
	admin := harness.FreeAddress(t)
	i := harness.Start(t, harness.Config{Workers: 1, Tables: watched(admin)})
	pid := master(t, i)
	freeze(t, pid)
	c, err := harness.Dial("tcp", admin, nil) // the socket does not refuse
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Send("GET", "/healthz", nil); err != nil {
		t.Fatal(err)
	}
	// The anchor kills a master that hangs, and the next one answers what waits.
	if a, err := c.Receive("GET"); err != nil || a.Status != 200 {
		t.Errorf("healthz: %d, %v; want 200 from the next master", a.Status, err)
	}
	if got := master(t, i); got == pid {
		t.Errorf("master %d answers, want another one", got)
	}
}

// asker asks for everything again and again, each time over a new connection.
func asker(t *testing.T, admin string) (stop func() []error) {
	t.Helper()
	var mu sync.Mutex
	var failed []error
	answered := 0
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() { // ends with stop
		defer close(ended)
		paths := []string{"/readyz", "/metrics", "/healthz"}
		for n := 0; ; n++ {
			select {
			case <-quit:
				return
			default:
			}
			status, line, err := probe("tcp", admin, paths[n%len(paths)])
			mu.Lock()
			switch {
			case err != nil:
				failed = append(failed, err)
			case status != 200:
				failed = append(failed, fmt.Errorf("%d %q", status, line))
			default:
				answered++
			}
			mu.Unlock()
		}
	}()
	return sync.OnceValue(func() []error {
		close(quit)
		<-ended
		t.Logf("%d answers", answered)
		if answered == 0 {
			t.Error("no answer at all")
		}
		return failed
	})
}

func TestTheAdminAddressLosesNothingAcrossReloads(t *testing.T) {
	t.Parallel()
	admin := harness.FreeAddress(t)
	i := harness.Start(t, harness.Config{Workers: 1, Tables: watched(admin)})
	stop := asker(t, admin)
	defer stop()
	for range 10 {
		hup(t, i, "done")
	}
	for _, err := range stop() {
		t.Errorf("lost: %v", err)
	}
}

func TestTheAdminAddressNeverRefusesWhenTheMasterIsKilled(t *testing.T) {
	t.Parallel()
	admin := harness.FreeAddress(t)
	i := harness.Start(t, harness.Config{Workers: 1, Tables: watched(admin)})
	stop := asker(t, admin)
	defer stop()
	const kills = 3
	for range kills {
		old := master(t, i)
		kill(t, old)
		i.Until(t, "next master", within, func(s harness.Status) error {
			return harness.Unless(s.Master.Pid != old, "still %d", old)
		})
		i.Until(t, "settled", within, harness.Settled)
	}
	// Each took with it what it was answering, and nothing else.
	failed := stop()
	for _, err := range failed {
		if strings.Contains(err.Error(), "refused") || !strings.Contains(err.Error(), "read") {
			t.Errorf("lost: %v", err)
		}
	}
	if len(failed) > kills {
		t.Errorf("%d lost, want at most one for each of %d kills", len(failed), kills)
	}
}

func TestAChangedAdminAddressTakesEffectAtAReload(t *testing.T) {
	t.Parallel()
	first, second := harness.FreeAddress(t), harness.FreeAddress(t)
	i := harness.Start(t, harness.Config{Workers: 1, Tables: watched(first)})
	says(t, first, "/readyz", 200, "ok")

	taken, err := net.Listen("tcp", second)
	if err != nil {
		t.Fatal(err)
	}
	config := i.Config
	config.Tables = watched(second)
	i.Configure(config)
	if got := i.Do("reload"); got.Exit != 78 || !strings.Contains(got.Stderr, second) || !strings.Contains(got.Stderr, "[admin]") {
		t.Errorf("reload with a taken address: %v, want exit 78, the address and a hint", got)
	}
	says(t, first, "/readyz", 200, "ok")
	_ = taken.Close()

	ok(t, i.Do("reload"))
	says(t, second, "/readyz", 200, "ok")
	free(t, first, within)

	config.Tables = ""
	i.Configure(config)
	ok(t, i.Do("reload"))
	free(t, second, within)

	socket := i.Dir + "/admin.sock"
	config.Tables = watched("unix:" + socket)
	i.Configure(config)
	ok(t, i.Do("reload"))
	if status, _, err := probe("unix", socket, "/readyz"); err != nil || status != 200 {
		t.Errorf("readyz over a unix socket: %d, %v; want 200", status, err)
	}
	ok(t, i.Do("reload"))
	if status, _, err := probe("unix", socket, "/readyz"); err != nil || status != 200 {
		t.Errorf("readyz over a unix socket after a reload: %d, %v; want 200", status, err)
	}
	i.Signal(syscall.SIGTERM)
	i.WaitExit(within)
	if _, _, err := probe("unix", socket, "/readyz"); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("socket after the end: %v, want it gone", err)
	}
}

func TestAUnixAdminSocketIsRemovedThoughTheMasterWasKilledInAStop(t *testing.T) {
	t.Parallel()
	i := harness.Prepare(t, harness.Config{Workers: 1})
	socket := i.Dir + "/admin.sock"
	config := i.Config
	config.Tables = watched("unix:" + socket)
	i.Configure(config)
	i.Launch()
	i.WaitServing()
	slow := asking(t, i, "/slow?d=10m")
	defer slow.Close()
	pid := master(t, i)
	i.Signal(syscall.SIGTERM)
	stopping(t, i)
	kill(t, pid)
	slow.Close()
	if got := i.WaitExit(within); got != 0 {
		t.Errorf("exit %d, want 0", got)
	}
	if _, err := os.Lstat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the end: %q is left (%v)", socket, err)
	}
}

// scrape reads the metrics into a map of series to value.
func scrape(t *testing.T, admin string) map[string]float64 {
	t.Helper()
	series, err := scraped(admin)
	if err != nil {
		t.Fatal(err)
	}
	return series
}

func scraped(admin string) (map[string]float64, error) {
	c, err := harness.Dial("tcp", admin, nil)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	a, err := c.Do("GET", "/metrics", nil)
	if err != nil || a.Status != 200 || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		return nil, fmt.Errorf("metrics: %d %q, %v", a.Status, a.Header.Get("Content-Type"), err)
	}
	series := map[string]float64{}
	lines := bufio.NewScanner(strings.NewReader(string(a.Body)))
	for lines.Scan() {
		at := strings.LastIndexByte(lines.Text(), ' ')
		if value, err := strconv.ParseFloat(lines.Text()[at+1:], 64); err == nil && lines.Text()[0] != '#' {
			series[lines.Text()[:at]] = value
		}
	}
	return series, nil
}

func TestMetricsCountOnAcrossReloadsAndKilledProcesses(t *testing.T) {
	t.Parallel()
	admin := harness.FreeAddress(t)
	i := harness.Start(t, harness.Config{Workers: 1, Tables: watched(admin)})
	asked := 0
	ask := func() {
		for range 10 {
			if a, err := i.Get("/pid"); err != nil || a.Status != 200 {
				t.Fatalf("get: %d, %v", a.Status, err)
			}
			asked++
		}
	}
	expect := func(series string, want float64) {
		t.Helper()
		harness.Until(t, fmt.Sprintf("%s %v", series, want), within, func() error {
			got, ok := scrape(t, admin)[series]
			return harness.Unless(ok && got == want, "%v, there: %v", got, ok)
		})
	}
	ask()
	expect("handover_requests_total", float64(asked))
	expect("handover_generation", 1)
	expect(`handover_workers{state="serving"}`, 1)
	expect(fmt.Sprintf("handover_certificate_not_after_timestamp_seconds{name=%q}", harness.Name), float64(i.First.NotAfter.Unix()))

	hup(t, i, "done")
	i.Until(t, "settled", within, harness.Settled)
	ask()
	expect("handover_requests_total", float64(asked))
	expect("handover_draining_generations", 0)
	expect(`handover_reloads_total{kind="reload",outcome="done"}`, 1)

	kill(t, i.Until(t, "worker", within, harness.Serving).Workers[0].Pid)
	i.Until(t, "worker again", within, func(s harness.Status) error {
		if err := harness.Serving(s); err != nil {
			return err
		}
		return harness.Unless(s.Workers[0].Restarts > 0, "not yet")
	})
	ask()
	expect("handover_requests_total", float64(asked))

	i.WriteConfig("nonsense = 1\n")
	hup(t, i, "refused")
	old := master(t, i)
	kill(t, old)
	i.Until(t, "next master", within, func(s harness.Status) error { return harness.Unless(s.Master.Pid != old, "still %d", old) })
	i.Until(t, "settled", within, harness.Settled)
	ask()
	expect("handover_requests_total", float64(asked))
	expect(`handover_reloads_total{kind="reload",outcome="refused"}`, 1)
	expect(`handover_reloads_total{kind="reload",outcome="done"}`, 1)
	i.Configure(i.Config)
}
