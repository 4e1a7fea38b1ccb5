package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

const watching = "[tls]\nreload = \"watch\""

func TestWatchRotatesByItselfAndWebsocketsLiveOn(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 2, Tables: watching})
	before := present(t, i)
	talk, err := i.Talk()
	if err != nil {
		t.Fatal(err)
	}
	defer talk.Close()
	load := i.Load(t, harness.Load{New: 1, Kept: 2, Rest: 5 * time.Millisecond})
	for n := range 50 {
		pair := i.Certs.Renew()
		i.WaitServed(pair, within)
		if err := talk.Say(fmt.Sprint("rotation ", n)); err != nil {
			t.Fatalf("rotation %d: the open connection: %v", n, err)
		}
	}
	load.Stop().NothingLost(t)
	after := i.Until(t, "rotated by the watcher", within, func(s harness.Status) error {
		return harness.Unless(s.State == "serving" && s.LastReload != nil && s.LastReload.AskedBy == "watch", "%+v", s.LastReload)
	})
	if after.Generation != before.Generation || after.Master.Pid != before.Master.Pid {
		t.Errorf("got generation %d, master %d; want %d, %d", after.Generation, after.Master.Pid, before.Generation, before.Master.Pid)
	}
}

func TestWatchRefusesABadPairAndTakesTheNextGoodOne(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1, Tables: watching})
	misplace(i)
	i.Until(t, "refused", within, func(s harness.Status) error {
		return harness.Unless(s.LastReload != nil && s.LastReload.Outcome == "refused" && harness.Refused(s.LastReload.Checks, "pair.mismatch"), "%+v", s.LastReload)
	})
	served(t, i, i.First)
	i.WaitServed(i.Certs.Renew(), within)
}

func TestWatchGoesOnAfterAReloadAndAKilledMaster(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1, Tables: watching})
	renew(t, i)
	i.WaitServed(i.Certs.Renew(), within)
	kill(t, master(t, i))
	pair := i.Certs.Renew() // perhaps while nobody watches
	i.WaitServed(pair, within)
	exactly(t, i)
}

// D23: a container's single-file mount keeps the old file when the host renames
// another one over it.
func TestAFileThatWasReplacedBehindItsMountIsSaid(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: a mount of its own")
	}
	i := harness.Prepare(t, harness.Config{Workers: 1})
	host := i.Certs.Folder()
	pair := i.Certs.Issue(harness.Leaf{})
	mounted := i.Certs.Folder()
	for name, text := range map[string][]byte{"fullchain.pem": pair.Cert, "privkey.pem": pair.Key} {
		for _, dir := range []string{host, mounted} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	i.Certs.Switch(mounted)
	script := fmt.Sprintf(`mount --bind %[1]s/fullchain.pem %[2]s/fullchain.pem && exec "$0" "$@"`, host, mounted)
	c := i.Config
	c.Wrap = []string{"unshare", "--mount", "sh", "-c", script}
	i.Configure(c)
	i.Launch()
	i.WaitServing()
	served(t, i, pair)
	next := i.Certs.Issue(harness.Leaf{})
	fresh := filepath.Join(host, "next")
	if err := os.WriteFile(fresh, next.Cert, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mv", fresh, filepath.Join(host, "fullchain.pem")).CombinedOutput(); err != nil {
		t.Fatalf("mv: %v: %s", err, out)
	}
	s := hup(t, i, "done")
	found := false
	for _, c := range s.LastReload.Checks {
		found = found || c.Name == "file.unlinked" && c.Severity == "warn"
	}
	if !found {
		t.Errorf("checks: got %v, want file.unlinked to warn", harness.Names(s.LastReload.Checks))
	}
	served(t, i, pair)
}
