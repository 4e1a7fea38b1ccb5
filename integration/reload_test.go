package integration

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// crowd is the load of the storms: 16 raw clients.
var crowd = harness.Load{New: 4, Kept: 12, Think: 2 * time.Millisecond}

// Not parallel: the load is the test.
func TestFiftyHUPsAHundredMillisecondsApartLoseNothing(t *testing.T) {
	heavy(t)
	i := harness.Start(t, harness.Config{})
	storm(t, i, 50, func(pair func()) {
		pair()
		i.Signal(syscall.SIGHUP)
	})
}

func TestTwentyPairsOfHUPsFiveMillisecondsApartLoseNothing(t *testing.T) {
	heavy(t)
	i := harness.Start(t, harness.Config{})
	storm(t, i, 20, func(pair func()) {
		harness.Every(5*time.Millisecond, 2, func(int) {
			pair()
			i.Signal(syscall.SIGHUP)
		})
	})
}

// storm runs the crowd while strike hands over again and again, each time with
// a new certificate, and requires that nothing is lost and the last is served.
func storm(t *testing.T, i *harness.Instance, count int, strike func(pair func())) {
	t.Helper()
	load := i.Load(t, crowd)
	issued := map[string]bool{i.First.Fingerprint: true}
	last := i.First
	asked := time.Now()
	harness.Every(100*time.Millisecond, count, func(int) {
		strike(func() {
			last = i.Certs.Issue(harness.Leaf{})
			issued[last.Fingerprint] = true
			i.Certs.Install(last)
		})
	})
	i.WaitServed(last, within)
	s := i.Until(t, "settled", within, harness.Settled)
	if err := harness.Ended("done", asked)(s); err != nil {
		t.Errorf("last reload: %v", err)
	}
	load.More(t, 50)
	report := load.Stop()
	report.NothingLost(t)
	report.Only(t, issued)
	served(t, i, last)
	t.Logf("%d generations for %d strikes", s.Generation-1, count)
	reloadWorks(t, i)
}

func TestTheCommandShowsEachStepAndTheOutcome(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1})
	pair := i.Certs.Renew()
	got := i.Do("reload")
	if got.Exit != 0 {
		t.Fatalf("reload: %v, want exit 0", got)
	}
	said := got.Stdout + got.Stderr
	at := 0
	for _, step := range []string{"config", "certificates", "generation", "proofs", "cutover", "draining"} {
		n := strings.Index(said[at:], step)
		if n < 0 {
			t.Errorf("reload says %q, want the step %q after the ones before it", said, step)
			continue
		}
		at += n
	}
	for _, print := range []string{i.First.Fingerprint[:8], pair.Fingerprint[:8]} {
		if !strings.Contains(strings.ReplaceAll(strings.ToLower(said), ":", ""), print) {
			t.Errorf("reload says %q, want the fingerprint %s…", said, print)
		}
	}
	i.Certs.Renew()
	got = i.Do("reload", "--json")
	var outcome harness.Reload
	if err := json.Unmarshal([]byte(got.Stdout), &outcome); err != nil || outcome.Outcome != "done" || outcome.AskedBy == "" {
		t.Errorf("reload --json: %v, %v; want the outcome done as JSON", got, err)
	}
}

func TestStatusSaysTheSameOnTheSocketAndOnTheCommandLine(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{UnixToo: true})
	got := i.Do("status", "--json")
	var s harness.Status
	if err := json.Unmarshal([]byte(got.Stdout), &s); err != nil || got.Exit != 0 {
		t.Fatalf("status --json: %v, %v", got, err)
	}
	if s.Pid != i.Pid || s.State != "serving" || s.Config != i.ConfigFile() || s.Generation != 1 {
		t.Errorf("status %+v, want pid %d serving %q in generation 1", s, i.Pid, i.ConfigFile())
	}
	if len(s.Workers) != 2 || s.Workers[0].RSS == 0 {
		t.Errorf("workers %+v, want two with their size", s.Workers)
	}
	if len(s.Listeners) != 2 || s.Listeners[0].Address != i.Addr || !s.Listeners[0].TLS {
		t.Errorf("listeners %+v, want %s with TLS and a unix socket", s.Listeners, i.Addr)
	}
	if len(s.Certificates) != 1 || s.Certificates[0].Fingerprint != i.First.Fingerprint || s.Certificates[0].Disk != "same" {
		t.Errorf("certificates %+v, want %s… the same as on disk", s.Certificates, i.First.Fingerprint[:12])
	}
	i.Certs.Renew()
	i.Until(t, "disk changed", within, func(s harness.Status) error {
		return harness.Unless(s.Certificates[0].Disk == "changed", "disk %q", s.Certificates[0].Disk)
	})
}

func TestScaleSurvivesReloadsUntilTheConfigsNumberChanges(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1})
	count := func(want int) {
		t.Helper()
		i.Until(t, "workers", within, func(s harness.Status) error {
			return harness.Unless(len(s.Workers) == want && harness.Serving(s) == nil, "%+v, want %d", s.Workers, want)
		})
	}
	i.Signal(syscall.SIGTTIN)
	count(2)
	if got := i.Do("scale", "3"); got.Exit != 0 {
		t.Errorf("scale: %v, want exit 0", got)
	}
	count(3)
	renew(t, i)
	count(3)
	i.Signal(syscall.SIGTTOU)
	count(2)
	config := i.Config
	config.Workers = 4
	i.Configure(config)
	renew(t, i)
	count(4)
}

func TestWINCHStopsTheWorkersAndHUPStartsThemAgain(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1})
	worker := i.Until(t, "worker", within, harness.Serving).Workers[0].Pid
	i.Signal(syscall.SIGWINCH)
	harness.Until(t, "no worker", within, func() error { return harness.Unless(!harness.Alive(worker), "%d lives", worker) })
	renew(t, i)
	i.Until(t, "workers again", within, harness.Serving)
}

func TestWorkersIgnoreHUPAndINT(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1})
	before := i.Until(t, "worker", within, harness.Serving)
	for range 3 {
		for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT} {
			if err := syscall.Kill(before.Workers[0].Pid, s); err != nil {
				t.Fatal(err)
			}
		}
		if a, err := i.Get("/pid"); err != nil || a.Status != 200 {
			t.Errorf("after HUP and INT: %d, %v", a.Status, err)
		}
	}
	after := i.Until(t, "worker", within, harness.Serving)
	if after.Workers[0].Pid != before.Workers[0].Pid || after.Generation != before.Generation {
		t.Errorf("worker %+v, want %+v", after.Workers, before.Workers)
	}
}

func TestAddressesComeAndGoWithTheConfig(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1})
	second := harness.FreeAddress(t)
	config := i.Config
	config.Tables = "[[listen]]\naddress = \"" + second + "\"\ntls = true"
	i.Configure(config)
	renew(t, i)
	answers := func() error {
		c, err := harness.Dial("tcp", second, i.Certs.Trust("http/1.1"))
		if err == nil {
			c.Close()
		}
		return err
	}
	harness.Until(t, "the second address", within, answers)
	config.Tables = ""
	i.Configure(config)
	renew(t, i)
	i.Until(t, "settled", within, harness.Settled)
	free(t, second, within)
}
