package integration

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"example.com/handover/integration/harness"
)

// release copies the program under test into a folder.
func release(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(harness.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "handover")
	if err := os.WriteFile(path, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// running is the file that a process executes.
func running(t *testing.T, pid int) string {
	t.Helper()
	path, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	if err != nil {
		t.Errorf("executable of %d: %v", pid, err)
	}
	return path
}

func TestStartedByARelativePathAReloadWorks(t *testing.T) {
	t.Parallel()
	dir := harness.Folder(t)
	release(t, dir)
	reloadWorks(t, harness.Start(t, harness.Config{Workers: 1, Binary: "./handover", Folder: dir}))
}

func TestStartedThroughPATHAReloadWorks(t *testing.T) {
	t.Parallel()
	dir := harness.Folder(t)
	release(t, dir)
	reloadWorks(t, harness.Start(t, harness.Config{
		Workers: 1, Binary: "handover", Wrap: []string{"/usr/bin/env"}, Env: []string{"PATH=" + dir + ":/usr/bin:/bin"},
	}))
}

func TestStartedThroughALinkAReloadRunsTheReleaseItThenPointsTo(t *testing.T) {
	t.Parallel()
	dir := harness.Folder(t)
	release(t, filepath.Join(dir, "releases/1"))
	second := release(t, filepath.Join(dir, "releases/2"))
	point := func(to string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, "next")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "current")); err != nil {
			t.Fatal(err)
		}
	}
	point("releases/1")
	i := harness.Start(t, harness.Config{Workers: 1, Binary: filepath.Join(dir, "current/handover")})
	point("releases/2")
	if err := os.RemoveAll(filepath.Join(dir, "releases/1")); err != nil {
		t.Fatal(err)
	}
	reloadWorks(t, i)
	if got := running(t, master(t, i)); got != second {
		t.Errorf("master runs %q, want %q", got, second)
	}
}

func TestADeletedOrGarbageBinaryIsRefused(t *testing.T) {
	t.Parallel()
	dir := harness.Folder(t)
	path := release(t, dir)
	i := harness.Start(t, harness.Config{Workers: 1, Binary: path})
	refused := func(what string) {
		t.Helper()
		i.Certs.Renew()
		if got := i.Do("reload"); got.Exit != 70 || !strings.Contains(got.Stderr, path) {
			t.Errorf("%s: %v, want exit 70 and the path", what, got)
		}
		served(t, i, i.First)
		exactly(t, i)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	refused("deleted")
	if err := os.WriteFile(path, []byte("\x7fELF and nothing more"), 0o755); err != nil {
		t.Fatal(err)
	}
	refused("garbage")
	// A master that dies now is started from the program that still runs.
	victim := master(t, i)
	kill(t, victim)
	i.Until(t, "another master", within, func(s harness.Status) error {
		return harness.Unless(s.Master.Pid != victim && harness.Serving(s) == nil, "%+v", s)
	})
	served(t, i, i.First)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	release(t, dir)
	reloadWorks(t, i)
}

func TestACommandAfterDashesIsServedWithoutAConfig(t *testing.T) {
	t.Parallel()
	// Without a config the address is fixed: two such tests cannot run at once.
	i := harness.Prepare(t, harness.Config{})
	i.Addr = "127.0.0.1:8443"
	i.Config.Folder = harness.Folder(t) // ./config.toml would be found in the instance's own
	i.Config.Words = append([]string{"run", "--"}, i.Config.Command...)
	i.Config.Env = []string{"XDG_RUNTIME_DIR=" + i.Dir, "TMPDIR=" + i.Dir}
	i.Launch()
	harness.Until(t, "answer", within, func() error {
		select {
		case <-i.Exited():
			t.Fatalf("ended:\n%s", i.Output())
		default:
		}
		trust := i.Certs.Trust("http/1.1")
		trust.InsecureSkipVerify = true // it is self-signed
		c, err := harness.Dial("tcp", i.Addr, trust)
		if err != nil {
			return err
		}
		defer c.Close()
		a, err := c.Do("POST", "/", []byte("hello"))
		if err != nil {
			return err
		}
		return harness.Unless(string(a.Body) == "hello", "answer %q", a.Body)
	})
	if out := i.Output(); !strings.Contains(out, strconv.Itoa(i.Pid)) || !strings.Contains(out, i.Addr) {
		t.Errorf("first lines %q, want the address and the PID %d", out, i.Pid)
	}
}
