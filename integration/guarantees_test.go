package integration

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
	"golang.org/x/sys/unix"
)

// Not parallel: the load is the test.
func TestGuarantee_NothingIsLost(t *testing.T) {
	heavy(t)
	i := harness.Start(t, harness.Config{Keys: "max_draining = 50"})
	load := i.Load(t, harness.Load{New: 4, Kept: 8, Think: 2 * time.Millisecond, H2: 2, Streams: 4})
	slow := begin(t, i, 3*time.Second)
	var last harness.Pair
	for range 4 {
		last = i.Certs.Renew()
		asked := time.Now()
		harness.Every(5*time.Millisecond, 2, func(int) { i.Signal(syscall.SIGHUP) })
		i.Until(t, "handover", within, harness.Ended("done", asked))
		load.More(t, 200)
	}
	slow.completes(t)
	i.WaitServed(last, within)
	load.Stop().NothingLost(t)
}

func TestGuarantee_ABadCertificateIsNeverServed(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1})
	good := i.First
	load := i.Load(t, harness.Load{New: 1, Rest: 20 * time.Millisecond})
	expired := i.Certs.Issue(harness.Leaf{NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	mismatch := i.Certs.Issue(harness.Leaf{})
	mismatch.Key = i.Certs.Issue(harness.Leaf{}).Key
	for name, bad := range map[string]harness.Pair{"time.expired": expired, "pair.mismatch": mismatch} {
		i.Certs.Install(bad)
		if s := hup(t, i, "refused"); !harness.Refused(s.LastReload.Checks, name) {
			t.Errorf("HUP: checks %v, want %s to refuse", harness.Names(s.LastReload.Checks), name)
		}
		if got := i.Do("reload"); got.Exit != 65 || !strings.Contains(got.Stderr, name) || !strings.Contains(got.Stderr, "hint:") {
			t.Errorf("reload: %v, want exit 65, %s and a hint", got, name)
		}
		// A worker born while the bad pair lies on disk serves the good one.
		respawned(t, i)
		served(t, i, good)
	}
	if c, err := harness.Dial("tcp", i.Addr, nil); err == nil {
		if a, err := c.Do("GET", "/health", nil); err == nil && a.Status == 200 {
			t.Errorf("without TLS: status %d, want no answer of the program", a.Status)
		}
		c.Close()
	}
	// The kills above may have cost requests; no certificate but the good one.
	load.Stop().Only(t, map[string]bool{good.Fingerprint: true})
}

// respawned kills a worker and waits for its successor.
func respawned(t *testing.T, i *harness.Instance) {
	t.Helper()
	before := i.Until(t, "workers", within, harness.Serving)
	victim := before.Workers[0].Pid
	kill(t, victim)
	i.Until(t, "respawn", within, func(s harness.Status) error {
		for _, w := range s.Workers {
			if w.Pid == victim {
				return fmt.Errorf("worker %d is still listed", victim)
			}
		}
		return harness.Unless(harness.Serving(s) == nil && len(s.Workers) == len(before.Workers), "%+v", s.Workers)
	})
}

func TestGuarantee_WhatWasCheckedIsWhatIsServed(t *testing.T) {
	t.Parallel()
	config := harness.Config{Workers: 1}
	if os.Getuid() == 0 {
		// They can then not read the key: the file is root's, mode 0600.
		config.Keys = "user = \"nobody\"\ngroup = \"nogroup\""
	}
	i := harness.Start(t, config)
	i.Certs.Renew() // on disk, and nobody was told
	respawned(t, i)
	served(t, i, i.First)
	worker := i.Until(t, "worker", within, harness.Serving).Workers[0].Pid
	sealed := false
	for fd, link := range harness.Descriptors(worker) {
		if strings.HasPrefix(link, i.Dir+"/certs") {
			t.Errorf("worker holds %q, want no certificate file open", link)
		}
		if strings.HasPrefix(link, "/memfd:") && !strings.Contains(link, "counters") && !strings.Contains(link, "meters") {
			sealed = sealed || writeSealed(t, worker, fd)
		}
	}
	// A worker may close the memory once it has read it; then there is nothing
	// to be seen here, and the served fingerprint above is the proof.
	t.Logf("sealed memory held by the worker: %v", sealed)
	if os.Getuid() == 0 {
		if info, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", worker)); err != nil || !strings.Contains(string(info), "Uid:\t65534") {
			t.Errorf("worker's uid is not nobody's: %v", err)
		}
	}
}

func writeSealed(t *testing.T, pid, fd int) bool {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
	if err != nil {
		return false
	}
	defer f.Close()
	seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	if err != nil || seals&unix.F_SEAL_WRITE == 0 {
		t.Errorf("memory %d of worker %d: seals %#x, %v; want it sealed against writing", fd, pid, seals, err)
		return false
	}
	return true
}

func TestGuarantee_AGenerationProvesItselfBeforeItServes(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{HealthPath: "/health", BootTimeout: "10s"})
	i.Behave("marker", "second")
	i.Behave("health", "block")
	i.Certs.Renew()
	begun := i.Until(t, "first generation", within, harness.Serving)
	asked := time.Now()
	i.Signal(syscall.SIGHUP)
	born(t, i, begun)
	// The second generation is held at its proof: whoever asks meets the first.
	for range 50 {
		if a, err := i.Get("/"); err != nil || string(a.Body) != "" {
			t.Fatalf("during the proof: %q, %v; want the first generation's answer", a.Body, err)
		}
	}
	served(t, i, i.First)
	i.Behave("health", "500")
	s := i.Until(t, "failed", within, harness.Ended("failed", asked))
	if s.Generation != begun.Generation {
		t.Errorf("generation %d after a failed proof, want %d", s.Generation, begun.Generation)
	}
	if got := i.Do("reload"); got.Exit != 70 || !strings.Contains(got.Stderr, "500") {
		t.Errorf("reload: %v, want exit 70 and the status 500", got)
	}
	served(t, i, i.First)
	i.Behave("health", "204")
	reloadWorks(t, i)
	if a, err := i.Get("/"); err != nil || string(a.Body) != "second" {
		t.Errorf("after the handover: %q, %v; want %q", a.Body, err, "second")
	}
}

func TestGuarantee_SuccessMeansServed(t *testing.T) {
	heavy(t)
	i := harness.Start(t, harness.Config{})
	load := i.Load(t, harness.Load{New: 4})
	type change struct {
		at   time.Time
		pair harness.Pair
	}
	var changes []change
	for range 8 {
		pair := i.Certs.Renew()
		if got := i.Do("reload"); got.Exit != 0 {
			t.Fatalf("reload: %v, want exit 0", got)
		}
		changes = append(changes, change{time.Now(), pair})
		load.More(t, 40)
	}
	report := load.Stop()
	report.NothingLost(t)
	for n, c := range changes {
		for _, s := range report.Sightings {
			over := n+1 < len(changes) && s.Dialled.After(changes[n+1].at)
			if s.Dialled.After(c.at) && !over && older(changes[:n], s.Fingerprint, func(c change) string { return c.pair.Fingerprint }, i) {
				t.Errorf("reload %d had succeeded at %v, dialled at %v, served an older certificate", n, c.at, s.Dialled)
			}
		}
	}
}

// older says whether a fingerprint is of an earlier change, or the first one.
func older[C any](earlier []C, fingerprint string, of func(C) string, i *harness.Instance) bool {
	for _, c := range earlier {
		if of(c) == fingerprint {
			return true
		}
	}
	return fingerprint == i.First.Fingerprint
}

func TestGuarantee_ThePIDNeverChanges(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1})
	same := func(after string) {
		t.Helper()
		s := i.Until(t, after, within, harness.Serving)
		b, err := os.ReadFile(i.PidFile())
		if err != nil || strings.TrimSpace(string(b)) != strconv.Itoa(i.Pid) || s.Pid != i.Pid {
			t.Errorf("%s: status says %d, pidfile %q (%v); want %d", after, s.Pid, b, err, i.Pid)
		}
	}
	same("start")
	first := master(t, i)
	renew(t, i)
	same("HUP")
	if second := master(t, i); second == first {
		t.Errorf("master is %d before and after, want another one", first)
	}
	asked := time.Now()
	i.Signal(syscall.SIGUSR2)
	i.Until(t, "USR2", within, harness.Ended("done", asked))
	same("USR2")
	if got := i.Do("reload"); got.Exit != 0 {
		t.Errorf("reload: %v, want exit 0", got)
	}
	same("reload")
	victim := master(t, i)
	kill(t, victim)
	i.Until(t, "another master", within, func(s harness.Status) error {
		return harness.Unless(s.Master.Pid != victim, "still %d", victim)
	})
	same("kill -9 of the master")
}

func TestGuarantee_AnyProcessMayDie(t *testing.T) {
	heavy(t)
	i := harness.Start(t, harness.Config{})
	load := i.Load(t, harness.Load{New: 4, Kept: 8, Think: 2 * time.Millisecond})
	for range 3 {
		victim := i.Until(t, "master", within, harness.Settled).Master.Pid
		kill(t, victim)
		i.Until(t, "another master", within, func(s harness.Status) error {
			return harness.Unless(s.Master.Pid != victim && harness.Serving(s) == nil, "%+v", s)
		})
		load.More(t, 100)
	}
	// So far nothing that was killed answered clients.
	if lost := load.SoFar().Losses; len(lost) > 0 {
		t.Errorf("%d lost by the death of masters, want 0; the first: %v", len(lost), lost[0])
	}
	killed := time.Now()
	respawned(t, i)
	load.More(t, 100)
	load.Stop().LostOnly(t, 12, ofKilled(killed))
	reloadWorks(t, i)
}

// ofKilled accepts what the death of a worker at a moment may cost: requests on
// connections that it had, never a refused dial.
func ofKilled(at time.Time) func(harness.Loss) bool {
	return func(l harness.Loss) bool {
		return l.Stage != "dial" && l.At.After(at) && l.At.Before(at.Add(2*time.Second))
	}
}

func TestGuarantee_AReloadIsNeverDroppedNeverDoubled(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1, HealthPath: "/health"})
	begun := i.Until(t, "settled", within, harness.Settled)
	i.Behave("health", "block")
	i.Signal(syscall.SIGHUP)
	born(t, i, begun)
	// One reload is held open; what comes now is one more, with what is on disk then.
	var last harness.Pair
	harness.Every(20*time.Millisecond, 5, func(int) {
		last = i.Certs.Renew()
		i.Signal(syscall.SIGHUP)
	})
	i.Behave("health", "200")
	i.WaitServed(last, within)
	s := i.Until(t, "settled", within, harness.Settled)
	if want := begun.Generation + 2; s.Generation != want {
		t.Errorf("generation %d after one reload and five during it, want %d", s.Generation, want)
	}
	reloadWorks(t, i)
	if s, err := i.Status(); err != nil || s.Generation != begun.Generation+3 {
		t.Errorf("generation %d, %v after one more; want %d", s.Generation, err, begun.Generation+3)
	}
}
