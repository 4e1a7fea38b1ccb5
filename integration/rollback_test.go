package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// keeping starts an instance that keeps previous certificates.
func keeping(t *testing.T, c harness.Config) (*harness.Instance, string) {
	t.Helper()
	dir := filepath.Join(harness.Folder(t), "state")
	c.Keys += fmt.Sprintf("\nstate_dir = %q", dir)
	return harness.Start(t, c), dir
}

// kept waits until the state_dir holds a number of bundles.
func kept(t *testing.T, dir string, want int) {
	t.Helper()
	harness.Until(t, "bundles kept", within, func() error {
		found, _ := filepath.Glob(filepath.Join(dir, "bundles", "*.json"))
		return harness.Unless(len(found) == want, "%d bundles in %s, want %d", len(found), dir, want)
	})
}

// back rolls back and has to succeed.
func back(t *testing.T, i *harness.Instance, words ...string) {
	t.Helper()
	if got := i.Do(append([]string{"certs", "rollback"}, words...)...); got.Exit != 0 {
		t.Fatalf("rollback %q: %v\n%s", words, got, i.Output())
	}
}

func TestRollbackGoesBackStepByStepAndLosesNothing(t *testing.T) {
	t.Parallel()
	i, dir := keeping(t, harness.Config{Workers: 2})
	kept(t, dir, 1)
	a := i.First
	b := i.Certs.Renew()
	rotate(t, i)
	kept(t, dir, 2)
	c := renew(t, i)
	kept(t, dir, 3)
	load := i.Load(t, harness.Load{New: 2, Kept: 2, Rest: 2 * time.Millisecond})
	back(t, i)
	served(t, i, b)
	if s := present(t, i); !s.Certificates[0].Held || s.Certificates[0].Disk != "changed" || s.LastReload.Kind != "rollback" {
		t.Errorf("status: %+v, want it held, the disk changed, and a rollback", s.Certificates[0])
	}
	back(t, i, harness.Name)
	served(t, i, a)
	if got := i.Do("certs", "rollback"); got.Exit != 1 || !strings.Contains(got.Stderr, "previous") {
		t.Errorf("third rollback: %v, want 1: nothing is older", got)
	}
	served(t, i, a)
	back(t, i, "--undo")
	served(t, i, c)
	load.Stop().NothingLost(t)
}

func TestARollbackHoldsUntilTheFilesChange(t *testing.T) {
	t.Parallel()
	i, dir := keeping(t, harness.Config{Workers: 1})
	kept(t, dir, 1)
	i.Certs.Renew()
	rotate(t, i)
	kept(t, dir, 2)
	back(t, i)
	rotate(t, i)
	served(t, i, i.First)
	hup(t, i, "done")
	served(t, i, i.First)
	kill(t, master(t, i))
	i.Until(t, "another master", within, harness.Settled)
	served(t, i, i.First)
	hup(t, i, "done")
	served(t, i, i.First)
	i.Signal(syscall.SIGTERM)
	if code := i.WaitExit(within); code != 0 {
		t.Fatalf("stop: exit %d\n%s", code, i.Output())
	}
	i.Launch()
	i.WaitServing()
	served(t, i, i.First)
	pair := i.Certs.Renew()
	rotate(t, i)
	served(t, i, pair)
	if s := present(t, i); s.Certificates[0].Held {
		t.Errorf("status: %+v, want it not held any more", s.Certificates[0])
	}
}

func TestARollbackToAnExpiredCertificateIsRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(harness.Folder(t), "state")
	i := harness.Prepare(t, harness.Config{Workers: 1, Keys: fmt.Sprintf("state_dir = %q", dir)})
	soon := time.Now().Add(8 * time.Second) // a slow start, and the rotation, must not outlast it
	short := i.Certs.Install(i.Certs.Issue(harness.Leaf{NotAfter: soon}))
	i.Launch()
	i.WaitServing()
	kept(t, dir, 1)
	served(t, i, short)
	pair := i.Certs.Renew()
	rotate(t, i)
	harness.Until(t, "the old one has expired", within, func() error {
		return harness.Unless(time.Now().After(soon.Add(time.Second)), "not yet")
	})
	if got := i.Do("certs", "rollback"); got.Exit != 65 || !strings.Contains(got.Stderr, "time.expired") {
		t.Errorf("rollback: %v, want 65 and time.expired", got)
	}
	served(t, i, pair)
}

func TestWithoutAStateDirThereIsNoWayBackAndNoKeyIsKept(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1})
	i.Certs.Renew()
	rotate(t, i)
	if got := i.Do("certs", "rollback"); got.Exit != 1 || !strings.Contains(got.Stderr, "state_dir") {
		t.Errorf("rollback: %v, want 1 and a word about state_dir", got)
	}
}

func TestKeptKeysAreForTheOwnerAlone(t *testing.T) {
	t.Parallel()
	i, dir := keeping(t, harness.Config{Workers: 1})
	kept(t, dir, 1)
	for range 5 {
		i.Certs.Renew()
		rotate(t, i)
	}
	harness.Until(t, "the newest three are left", within, func() error {
		bundles, _ := filepath.Glob(filepath.Join(dir, "bundles", "*.json"))
		pairs, _ := filepath.Glob(filepath.Join(dir, "pairs", "*.pem"))
		return harness.Unless(len(bundles) == 3 && len(pairs) == 3, "%d bundles, %d pairs", len(bundles), len(pairs))
	})
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v, want nothing for others", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// misplace installs a pair that no start accepts.
func misplace(i *harness.Instance) {
	bad := i.Certs.Issue(harness.Leaf{})
	bad.Key = i.Certs.Issue(harness.Leaf{}).Key
	i.Certs.Install(bad)
}

// D24, D25.
func TestABadStartServesTheLastGoodOnesIfToldTo(t *testing.T) {
	t.Parallel()
	i, dir := keeping(t, harness.Config{Workers: 1})
	kept(t, dir, 1)
	stop := func() {
		t.Helper()
		i.Signal(syscall.SIGTERM)
		if code := i.WaitExit(within); code != 0 {
			t.Fatalf("stop: exit %d\n%s", code, i.Output())
		}
	}
	stop()
	misplace(i)
	i.Launch()
	if code := i.WaitExit(within); code != 65 {
		t.Fatalf("start on a bad pair: exit %d, want 65", code)
	}
	c := i.Config
	c.Keys += "\non_bad_start = \"last_good\""
	i.Configure(c)
	i.Launch()
	i.WaitServing()
	served(t, i, i.First)
	if s := present(t, i); !strings.Contains(s.Degraded, "pair.mismatch") || !strings.Contains(i.Output(), "degraded") {
		t.Errorf("status: degraded %q, output %s; want both to say so", s.Degraded, i.Output())
	}
	hup(t, i, "refused")
	served(t, i, i.First)
	kill(t, master(t, i))
	i.Until(t, "still degraded", within, func(s harness.Status) error {
		return harness.Unless(harness.Settled(s) == nil && s.Degraded != "", "%+v", s)
	})
	pair := i.Certs.Renew()
	hup(t, i, "done")
	served(t, i, pair)
	if s := present(t, i); s.Degraded != "" {
		t.Errorf("status: degraded %q, want it over", s.Degraded)
	}
	kept(t, dir, 2)
	stop()
	misplace(i)
	files, _ := filepath.Glob(filepath.Join(dir, "pairs", "*.pem"))
	for _, f := range files {
		if err := os.WriteFile(f, []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	i.Launch()
	if code := i.WaitExit(within); code != 65 {
		t.Errorf("start with damaged copies: exit %d, want 65\n%s", code, i.Output())
	}
}

// D28.
func TestAStateDirThatCannotBeWrittenOnlyWarns(t *testing.T) {
	t.Parallel()
	i, dir := keeping(t, harness.Config{Workers: 1})
	kept(t, dir, 1)
	if err := os.Chmod(dir, 0o777); err != nil { // others could plant keys there
		t.Fatal(err)
	}
	pair := i.Certs.Renew()
	rotate(t, i)
	served(t, i, pair)
	harness.Until(t, "the warning", within, func() error {
		return harness.Unless(strings.Contains(i.Output(), "not kept"), "%s", i.Output())
	})
}

// The same bytes as are served, come back where they belong: nothing is to be
// rotated, but what was an exception is one no longer.
func TestExceptionsEndWhenTheFilesAreBack(t *testing.T) {
	t.Parallel()
	i, dir := keeping(t, harness.Config{Workers: 1, Keys: "on_bad_start = \"last_good\""})
	kept(t, dir, 1)
	i.Signal(syscall.SIGTERM)
	if code := i.WaitExit(within); code != 0 {
		t.Fatalf("stop: exit %d\n%s", code, i.Output())
	}
	misplace(i)
	i.Launch()
	i.WaitServing()
	if s := present(t, i); s.Degraded == "" {
		t.Fatalf("status: %+v, want it degraded", s)
	}
	i.Certs.Install(i.First)
	rotate(t, i)
	if s := present(t, i); s.Degraded != "" || s.Certificates[0].Disk != "same" {
		t.Errorf("status: degraded %q, disk %s; want neither an exception nor a difference", s.Degraded, s.Certificates[0].Disk)
	}
	i.Certs.Renew()
	rotate(t, i)
	kept(t, dir, 2)
	back(t, i)
	i.Certs.Install(i.First)
	rotate(t, i)
	if s := present(t, i); s.Certificates[0].Held || s.Certificates[0].Disk != "same" {
		t.Errorf("certificate: %+v, want it held no longer and the disk the same", s.Certificates[0])
	}
}
