package managers

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"example.com/handover/integration/harness"
)

// Releases of systemd that can be booted.
const (
	Distribution = ""       // the one of the host
	Trixie       = "trixie" // 257: the first stable one that knows Type=notify-reload
)

// Machine is a booted systemd as one test sees it. It belongs to the test's
// goroutine but for Run, Must, Property and Journal, which any may use.
type Machine struct {
	t testing.TB
	*booted
}

// shared are the machines that tests have in common, by release. It is owned by
// the mutex.
var shared struct {
	sync.Mutex
	machines map[string]*booted
	users    map[string]int
}

// Boot boots a machine for one test. It vanishes at the test's end.
func Boot(t testing.TB, release string) *Machine {
	t.Helper()
	b, err := boot(t, release)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.end(); err != nil {
			t.Error(err)
		}
	})
	return &Machine{t, b}
}

// Share returns the machine that tests have in common, for those that keep to
// units of their own. It vanishes at the end of the last test that has it.
func Share(t testing.TB, release string) *Machine {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.machines[release] == nil {
		b, err := boot(t, release)
		if err != nil {
			t.Fatal(err)
		}
		if shared.machines == nil {
			shared.machines, shared.users = map[string]*booted{}, map[string]int{}
		}
		shared.machines[release] = b
	}
	shared.users[release]++
	t.Cleanup(func() { leave(t, release) })
	return &Machine{t, shared.machines[release]}
}

func leave(t testing.TB, release string) {
	shared.Lock()
	defer shared.Unlock()
	if shared.users[release]--; shared.users[release] > 0 {
		return
	}
	b := shared.machines[release]
	delete(shared.machines, release)
	if err := b.end(); err != nil {
		t.Error(err)
	}
}

// inside runs its words in the machine. It enters the cgroup from inside: a process
// of an outer namespace in there reads as number 0, and systemd 252 answers EIO.
const inside = `mkdir -p /sys/fs/cgroup/exec && echo $$ >/sys/fs/cgroup/exec/cgroup.procs &&
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root GORACE=atexit_sleep_ms=0 SYSTEMD_PAGER= "$@"`

// Run runs a command inside to its end, a minute at most.
func (m *Machine) Run(words ...string) harness.Result {
	m.t.Helper()
	return m.run(m.t, words...)
}

func (b *booted) run(t testing.TB, words ...string) harness.Result {
	t.Helper()
	select {
	case <-b.exited:
		return harness.Result{Exit: -1, Stderr: "the machine has ended\n" + b.console()}
	default:
	}
	enter := []string{"-t", fmt.Sprint(b.pid), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--", "/bin/sh", "-c", inside, "sh"}
	return harness.Do(t, "nsenter", append(enter, words...)...)
}

// Must runs a command inside that must succeed, and returns what it printed.
func (m *Machine) Must(words ...string) string {
	m.t.Helper()
	got := m.Run(words...)
	if got.Exit != 0 {
		m.t.Fatalf("run %q: %v, want exit 0", words, got)
	}
	return got.Stdout
}

// Root is the machine's root folder as seen from outside.
func (m *Machine) Root() string { return fmt.Sprintf("/proc/%d/root", m.pid) }

// Pid is the number of its first process, as seen from outside.
func (m *Machine) Pid() int { return m.pid }

// Unit writes a unit and makes it known. The target that the machine was booted to
// wants it, which starts nothing now but keeps systemd from forgetting how it ended. At the test's end it is stopped and
// removed; a test that has failed shows its journal.
func (m *Machine) Unit(name, text string) {
	m.t.Helper()
	path := filepath.Join(m.Root(), "etc/systemd/system", name)
	_, err := os.Lstat(path)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
	if err != nil { // it is new
		m.want(name)
		m.t.Cleanup(func() { m.discard(name, path) })
	}
	m.Must("systemctl", "daemon-reload")
}

func (m *Machine) wish(name string) string {
	return filepath.Join(m.Root(), "etc/systemd/system/machine.target.wants", name)
}

func (m *Machine) want(name string) {
	m.t.Helper()
	link := m.wish(name)
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Symlink("../"+name, link); err != nil {
		m.t.Fatal(err)
	}
}

func (m *Machine) discard(name, path string) {
	if m.t.Failed() {
		m.t.Logf("%s:\n%s\n%s", name, m.Run("systemctl", "status", "-l", "-n0", name).Stdout, m.Journal(name))
	}
	if got := m.Run("systemctl", "stop", name); got.Exit != 0 {
		m.t.Errorf("stop %s: %v", name, got)
	}
	m.Run("systemctl", "reset-failed", name)
	_ = os.Remove(path)
	_ = os.Remove(m.wish(name))
	m.Run("systemctl", "daemon-reload")
}

// Property returns a property of a unit, as systemd knows it.
func (m *Machine) Property(unit, name string) string {
	m.t.Helper()
	return strings.TrimSuffix(m.Must("systemctl", "show", "-P", name, unit), "\n")
}

// Journal returns all that a unit has said, and systemd of it.
func (m *Machine) Journal(unit string) string {
	m.t.Helper()
	m.Must("journalctl", "--sync")
	return m.Must("journalctl", "-u", unit, "-o", "cat", "--no-pager")
}

// Processes returns what lives in a unit's cgroup, by its number outside.
func (m *Machine) Processes(unit string) []harness.Process {
	m.t.Helper()
	slice := "system.slice"
	if group := m.Property(unit, "ControlGroup"); group != "" {
		return harness.Members(filepath.Join(m.group, group))
	}
	return harness.Members(filepath.Join(m.group, slice, unit))
}
