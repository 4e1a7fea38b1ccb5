package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// D13.
func TestACertificateWhoseTimeHasNotComeIsTakenWhenItHas(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"rotate", "reload"} {
		i := harness.Start(t, harness.Config{Workers: 1})
		begins := time.Now().Add(4 * time.Second).Truncate(time.Second)
		pair := i.Certs.Install(i.Certs.Issue(harness.Leaf{NotBefore: begins, NotAfter: begins.Add(time.Hour)}))
		if got := i.Do(word); got.Exit != 65 || !strings.Contains(got.Stderr, "time.not_yet") {
			t.Fatalf("%s: %v, want 65 and time.not_yet", word, got)
		}
		served(t, i, i.First)
		if s := present(t, i); s.Deferred == nil || s.Deferred.Before(begins) {
			t.Errorf("status: deferred until %v, want a time after %v", s.Deferred, begins)
		}
		if word == "reload" {
			kill(t, master(t, i)) // what was put off survives
		}
		i.WaitServed(pair, within)
		s := i.Until(t, "done by itself", within, func(s harness.Status) error {
			return harness.Unless(s.LastReload != nil && s.LastReload.AskedBy == "deferral" && s.LastReload.Outcome == "done" && s.LastReload.Kind == word, "%+v", s.LastReload)
		})
		if s.Deferred != nil {
			t.Errorf("status: deferred until %v, want nothing more to wait for", s.Deferred)
		}
	}
}

// hooked are hooks that write what they are told into a file each.
func hooked(t *testing.T) (string, func(event string) []map[string]any) {
	t.Helper()
	dir := harness.Folder(t)
	table := "[hooks]\n"
	for _, event := range []string{"done", "refused", "expiring"} {
		table += fmt.Sprintf("%s = [%q]\n", event, fmt.Sprintf("cat >> %s/%s; echo >> %s/%s", dir, event, dir, event))
	}
	return table, func(event string) []map[string]any {
		text, _ := os.ReadFile(filepath.Join(dir, event))
		var list []map[string]any
		for line := range strings.Lines(string(text)) {
			var told map[string]any
			if json.Unmarshal([]byte(line), &told) == nil {
				list = append(list, told)
			}
		}
		return list
	}
}

func TestHooksAreToldHowItEnded(t *testing.T) {
	t.Parallel()
	table, told := hooked(t)
	i := harness.Start(t, harness.Config{Workers: 1, Tables: table})
	renew(t, i)
	i.Certs.Renew()
	rotate(t, i)
	misplace(i)
	i.Do("reload")
	harness.Until(t, "hooks have run", within, func() error {
		return harness.Unless(len(told("done")) == 2 && len(told("refused")) == 1, "done %d, refused %d", len(told("done")), len(told("refused")))
	})
	refused := told("refused")[0]
	record, _ := refused["reload"].(map[string]any)
	if refused["event"] != "refused" || record["outcome"] != "refused" || !strings.Contains(fmt.Sprint(record["error"]), "pair.mismatch") || refused["pid"] != float64(i.Pid) {
		t.Errorf("refused: got %v, want the outcome, its reason and the pid %d", refused, i.Pid)
	}
	if kind := told("done")[1]["reload"].(map[string]any)["kind"]; kind != "rotate" {
		t.Errorf("second done: kind %v, want rotate", kind)
	}
}

func TestAFailingHookIsLoggedAndNothingElse(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1, Tables: "[hooks]\ndone = [\"echo said this; exit 3\"]"})
	renew(t, i)
	harness.Until(t, "the failure is logged", within, func() error {
		out := i.Output()
		return harness.Unless(strings.Contains(out, "said this") && strings.Contains(out, "status 3"), "%s", out)
	})
	renew(t, i)
}

// D31.
func TestAnExpiredCertificateIsServedOnAndSaid(t *testing.T) {
	t.Parallel()
	table, told := hooked(t)
	i := harness.Prepare(t, harness.Config{Workers: 1, Tables: table})
	end := time.Now().Add(6 * time.Second)
	short := i.Certs.Install(i.Certs.Issue(harness.Leaf{NotBefore: time.Now().Add(-time.Minute), NotAfter: end}))
	i.Launch()
	i.WaitServing()
	served(t, i, short)
	harness.Until(t, "it has expired and that is said", 90*time.Second, func() error {
		return harness.Unless(strings.Contains(i.Output(), "has expired and is served on") && len(told("expiring")) >= 2, "%s", i.Output())
	})
	c, err := harness.Dial("tcp", i.Addr, i.Certs.Blind())
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	defer c.Close()
	if c.Fingerprint != short.Fingerprint {
		t.Errorf("served %s…, want the expired one %s…", c.Fingerprint[:12], short.Fingerprint[:12])
	}
}

func TestWhatLiesOnDiskAndIsNotServedIsShown(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1})
	pair := i.Certs.Renew()
	s := present(t, i)
	if c := s.Certificates[0]; c.Disk != "changed" || c.OnDisk == nil || c.OnDisk.Fingerprint != pair.Fingerprint || c.DiskSince == nil {
		t.Errorf("certificate: %+v, want the pair on disk %s…", c, pair.Fingerprint[:12])
	}
	if got := i.Do("certs"); got.Exit != 0 || !strings.Contains(got.Stdout, pair.Fingerprint[:12]) || !strings.Contains(got.Stdout, i.First.Fingerprint[:12]) {
		t.Errorf("certs: %v, want both fingerprints", got)
	}
}

func TestEveryReloadAndRotationIsConfirmedOverThePublicAddress(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 2})
	confirmed := func(kind string) {
		t.Helper()
		i.Until(t, "confirmed", within, func(s harness.Status) error {
			return harness.Unless(s.LastReload != nil && s.LastReload.Kind == kind && s.LastReload.Confirmed == "yes", "%+v", s.LastReload)
		})
	}
	renew(t, i)
	confirmed("reload")
	i.Certs.Renew()
	rotate(t, i)
	confirmed("rotate")
}

// D14, D15.
func TestWorkersThatAreNobodyServeAKeyTheyCannotRead(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: workers of another user")
	}
	i := harness.Start(t, harness.Config{Workers: 1, Keys: "user = \"nobody\""})
	a, err := i.Get("/open?path=" + i.Certs.KeyFile())
	if err != nil || a.Status != 403 {
		t.Errorf("a worker opens the key: status %d (%v), want permission denied", a.Status, err)
	}
	if a, err := i.Get("/memfds"); err != nil || a.Status != 200 || !strings.Contains(string(a.Body), "refused") || strings.Contains(string(a.Body), "written") {
		t.Errorf("a worker writes to the sealed memory: %s (%v), want every attempt refused", a.Body, err)
	}
	i.Certs.Renew()
	rotate(t, i)
	renew(t, i)
}

// D32: a master killed while it waits for a writer leaves nothing half done.
func TestAMasterKilledWhileItSettles(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"rotate", "reload"} {
		i := harness.Start(t, harness.Config{Workers: 1})
		dir := i.Certs.Folder() // young and incomplete: it settles for two seconds
		pair := i.Certs.Issue(harness.Leaf{})
		if err := os.WriteFile(filepath.Join(dir, "fullchain.pem"), pair.Cert, 0o600); err != nil {
			t.Fatal(err)
		}
		i.Certs.Switch(dir)
		ended := make(chan harness.Result, 1)
		go func() { ended <- i.Do(word) }()
		i.Until(t, "it settles", within, func(s harness.Status) error {
			return harness.Unless(s.State == "reloading", "state %q", s.State)
		})
		kill(t, master(t, i))
		if err := os.WriteFile(filepath.Join(dir, "privkey.pem"), pair.Key, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := <-ended; got.Exit != 0 {
			t.Errorf("%s: %v, want it to be done by the next master", word, got)
		}
		i.WaitServed(pair, within)
		exactly(t, i)
	}
}

// D08, D11, D12.
func TestOlderAndShorterCertificatesAreTakenWithAWarning(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1})
	warned := func(s harness.Status, name string) bool {
		for _, c := range s.LastReload.Checks {
			if c.Name == name && c.Severity == "warn" {
				return true
			}
		}
		return false
	}
	if s := hup(t, i, "done"); len(s.LastReload.Checks) == 0 || s.Generation != 2 {
		t.Errorf("HUP over the same bytes: generation %d, %v; want a fresh one and change.none", s.Generation, harness.Names(s.LastReload.Checks))
	}
	old := i.Certs.Install(i.Certs.Issue(harness.Leaf{NotBefore: time.Now().Add(-12 * time.Hour), NotAfter: time.Now().Add(240 * time.Hour)}))
	if s := hup(t, i, "done"); !warned(s, "change.older") || !warned(s, "time.remaining") {
		t.Errorf("an older one: %v, want change.older and time.remaining to warn", harness.Names(s.LastReload.Checks))
	}
	served(t, i, old)
	c := i.Config
	c.Tables = "[tls.checks]\n\"change.older\" = \"refuse\""
	i.Configure(c)
	hup(t, i, "done")
	older := i.Certs.Install(i.Certs.Issue(harness.Leaf{NotBefore: time.Now().Add(-20 * time.Hour), NotAfter: time.Now().Add(200 * time.Hour)}))
	if got := i.Do("reload"); got.Exit != 65 || !strings.Contains(got.Stderr, "change.older") {
		t.Errorf("reload: %v, want 65 and change.older", got)
	}
	served(t, i, old)
	if got := i.Do("rotate", "--allow", "change.older"); got.Exit != 0 {
		t.Errorf("rotate --allow: %v, want 0", got)
	}
	served(t, i, older)
}
