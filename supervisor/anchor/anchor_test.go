package anchor_test

import (
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/supervisor/anchor"
	"example.com/handover/worker/wire"
)

func TestAFirstBootThatFailsEndsTheAnchorWithItsStatus(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{})
	r.master().leave(78)
	r.exit(78)
}

func TestAMasterKilledAtTheFirstBootIsExitStatusOne(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{})
	r.master().kill()
	r.exit(1)
}

func TestAMasterIsGivenItsLifelinesItsAnchorAndAnAbsoluteName(t *testing.T) {
	t.Parallel()
	binary := executable(t)
	r := begin(t, setting{
		args: []string{"./" + filepath.Base(binary), "run", "-c", "x"},
		env:  []string{"WATCHDOG_USEC=1", "LISTEN_FDS=1", "LISTEN_PID=1", "COLOUR=blue"},
		change: func(c *exec.Cmd) {
			c.Dir = filepath.Dir(binary)
			c.Env = append(c.Env, "PWD="+c.Dir)
		},
	})
	m := r.ready()
	want := []string{wire.DescriptorMailboxRead, wire.DescriptorMailboxWrite, wire.DescriptorNotify, wire.DescriptorStop}
	if !slices.Equal(m.Descriptors, want) {
		t.Errorf("descriptors: got %q, want %q", m.Descriptors, want)
	}
	if want := []string{binary, "run", "-c", "x"}; !slices.Equal(m.Args, want) {
		t.Errorf("arguments: got %q, want %q", m.Args, want)
	}
	for _, entry := range []string{fmt.Sprintf("%s=%d", wire.AnchorVariable, r.cmd.Process.Pid), "COLOUR=blue"} {
		if !slices.Contains(m.Env, entry) {
			t.Errorf("environment: got %q, want %q in it", m.Env, entry)
		}
	}
	for _, entry := range m.Env {
		for _, name := range []string{"WATCHDOG_", "LISTEN_", "NOTIFY_", wire.RoleVariable, wire.DescriptorsVariable} {
			if strings.HasPrefix(entry, name) {
				t.Errorf("environment: got %q, want nothing of that name", entry)
			}
		}
	}
}

func TestHUPReachesTheMailboxAndTwoUnreadCoalesce(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{})
	m := r.ready()
	unread := func(n string) func() bool { return func() bool { return m.do("unread") == n } }
	r.signal(syscall.SIGHUP)
	until(t, "the first HUP in the mailbox", unread("1"))
	r.signal(syscall.SIGHUP)
	r.signal(syscall.SIGTTIN)
	until(t, "TTIN in the mailbox", unread("2"))
	if got, want := m.do("read"), "r+"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r.signal(syscall.SIGUSR2)
	until(t, "a reload after the first was read", unread("1"))
}

func TestAKilledMasterIsReplacedWithWhatIsStoredButTheServeEnds(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{})
	m := r.ready()
	m.do("pipe gone.1 r")
	m.do("pipe serve.1 w")
	m.do("pipe bundle w")
	m.do("pipe bundle w") // the same name replaces
	m.do("pipe listen.a w")
	m.do("say FDSTOREREMOVE=1 FDNAME=listen.a")
	m.do("end listen.a")
	m.kill()
	next := r.ready()
	if next.Pid == m.Pid {
		t.Errorf("got the same master, want another")
	}
	for name, want := range map[string]bool{"gone.1": true, "bundle": true, "serve.1": false, "listen.a": false} {
		if got := next.has(name); got != want {
			t.Errorf("inherited %q: got %v, want %v", name, got, want)
		}
	}
	if len(next.Descriptors) != 6 {
		t.Errorf("got descriptors %q, want 6", next.Descriptors)
	}
	if absent(r.cmd.Process.Pid) {
		t.Error("the anchor is gone")
	}
}

func TestAStoppedMasterIsKilledAndReplaced(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{limits: anchor.Limits{Watchdog: 2 * time.Second}})
	m := r.ready()
	if err := syscall.Kill(m.Pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	m.gone()
	r.ready()
}

func TestAMasterThatDoesNotFeedWhileBootingIsKilled(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{limits: anchor.Limits{Watchdog: 2 * time.Second}})
	m := r.master()
	m.do("hang")
	m.gone()
	r.exit(1)
}

func TestAPredecessorThatStaysIsKilled(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{limits: anchor.Limits{Leave: time.Second}})
	m := r.ready()
	m.do("succeed")
	next := r.ready()
	m.gone()
	until(t, "the predecessor reaped", func() bool { return absent(m.Pid) })
	r.signal(syscall.SIGTERM)
	next.do("stopped")
	next.leave(0)
	r.exit(0)
}

func TestAMasterThatFailsToSucceedChangesNothing(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{})
	m := r.ready()
	m.do("succeed")
	r.master().leave(70)
	r.signal(syscall.SIGTERM)
	m.do("stopped")
	m.leave(0)
	r.exit(0)
}

func TestTERMEndsTheStopPipe(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{})
	m := r.ready()
	r.signal(syscall.SIGTERM)
	if got, want := m.do("stopped"), "stop"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	m.leave(0)
	r.exit(0)
}

func TestINTLeavesAByteInTheStopPipe(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{})
	m := r.ready()
	r.signal(syscall.SIGINT)
	if got, want := m.do("stopped"), "stopq"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	m.leave(4)
	r.exit(0) // what was asked for has happened, however the master fared
}

func TestTheDeathOfTheAnchorIsAStop(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{})
	m := r.ready()
	m.do("pipe serve.1 w")
	m.do("hang") // feeding would fail
	if _, err := fmt.Fprintln(m.conn, "stopped"); err != nil {
		t.Fatal(err)
	}
	r.signal(syscall.SIGKILL)
	if got, err := m.in.ReadString('\n'); got != "stop\n" {
		t.Errorf("got %q, %v, want the end of the stop pipe", got, err)
	}
	m.do("end serve.1")
	m.leave(0)
	m.gone()
}

func TestSTOPPINGClosesTheStoreForGood(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{})
	m := r.ready()
	m.do("pipe serve.1 w")
	m.do("say STOPPING=1")
	m.do("end serve.1")
	m.do("pipe serve.2 w")
	m.do("end serve.2")
	m.leave(0)
	r.exit(0)
}

func TestWithoutAMasterAStopDrainsTheDescendants(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{limits: anchor.Limits{BackoffMin: time.Minute, BackoffMax: time.Minute}})
	m := r.ready()
	m.do("pipe serve.1 w")
	worker, _ := strconv.Atoi(m.do("sleep serve.1"))
	m.kill()
	r.ready().kill()
	until(t, "a second start that waits", func() bool { return strings.Count(r.logged(), "master ended") == 2 })
	if absent(worker) {
		t.Error("the worker ended with its masters")
	}
	r.signal(syscall.SIGTERM)
	r.exit(0)
	if !absent(worker) {
		t.Errorf("worker %d outlives the anchor", worker)
	}
}

func TestDescendantsThatOutlastAStopAreKilled(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{})
	m := r.ready()
	m.do("pipe gone.1 r")
	worker, _ := strconv.Atoi(m.do("sleep gone.1"))
	m.do("say X_STOP_USEC=2000000")
	r.signal(syscall.SIGTERM)
	m.do("stopped")
	m.leave(0)
	r.exit(0)
	if !absent(worker) {
		t.Errorf("worker %d outlives the anchor", worker)
	}
}

func TestAMasterThatOutlastsAStopIsKilledWithItsWorkers(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{limits: anchor.Limits{Stop: 500 * time.Millisecond}})
	m := r.ready()
	m.do("pipe gone.1 r")
	worker, _ := strconv.Atoi(m.do("sleep gone.1"))
	r.signal(syscall.SIGTERM)
	r.exit(1)
	m.gone()
	if !absent(worker) {
		t.Errorf("worker %d outlives the anchor", worker)
	}
}

func TestASecondSignalHurriesAStopAndAThirdEndsIt(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{})
	m := r.ready()
	r.signal(syscall.SIGTERM)
	m.do("stopped")
	r.signal(syscall.SIGTERM) // SIGQUIT: a Go program ends with a dump
	m.gone()
	r.exit(0)
}

func TestOrphansAreReaped(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{})
	m := r.ready()
	m.do("pipe serve.9 w")
	orphan, _ := strconv.Atoi(m.do("sleep serve.9"))
	m.kill()
	next := r.ready()
	if absent(orphan) {
		t.Error("the orphan ended early")
	}
	next.do("say FDSTOREREMOVE=1 FDNAME=serve.9")
	until(t, "the orphan reaped", func() bool { return absent(orphan) })
}

func TestADeletedBinaryIsReplacedByTheRunningOne(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "handover")
	place(t, binary)
	r := begin(t, setting{path: binary})
	m := r.ready()
	if err := os.Remove(binary); err != nil {
		t.Fatal(err)
	}
	m.kill()
	next := r.ready()
	if want := binary + " (deleted)"; next.Executable != want || next.Args[0] != binary {
		t.Errorf("got %q as %q, want %q as %q", next.Executable, next.Args[0], want, binary)
	}
}

func TestAfterASwitchedLinkTheNextMasterIsTheNewRelease(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	current := filepath.Join(dir, "current")
	for _, release := range []string{"41", "42"} {
		if err := os.Mkdir(filepath.Join(dir, release), 0o755); err != nil {
			t.Fatal(err)
		}
		place(t, filepath.Join(dir, release, "app"))
	}
	link := func(release string) {
		if err := os.Symlink(release, current+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(current+".new", current); err != nil {
			t.Fatal(err)
		}
	}
	link("41")
	r := begin(t, setting{args: []string{"app"}, path: filepath.Join(current, "app"), env: []string{"PATH=/nowhere:" + current}})
	m := r.ready()
	link("42")
	m.kill()
	if got, want := r.ready().Executable, filepath.Join(dir, "42", "app"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestActivatedSocketsAreStored(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	long := strings.Repeat("x", 255)
	names := []string{"app.socket", "listen.613a31", "listen.8443", "", "listen.", long, "listen.613a31", "\xffb"}
	r := begin(t, setting{
		path: "/bin/sh", args: []string{"sh", "-c", `LISTEN_PID=$$ exec "$0"`, executable(t)},
		env:    []string{fmt.Sprintf("LISTEN_FDS=%d", len(names)), "LISTEN_FDNAMES=" + strings.Join(names, ":")},
		change: func(c *exec.Cmd) { c.ExtraFiles = slices.Repeat([]*os.File{file}, len(names)) },
	})
	want := []string{
		"activated.0.app.socket", "activated.2.listen.8443", "activated.3", "activated.4.listen.", "activated.5." + long[:200], "activated.7.?b",
		"listen.613a31", // of two with one name the second counts
		wire.DescriptorMailboxRead, wire.DescriptorMailboxWrite, wire.DescriptorNotify, wire.DescriptorStop,
	}
	m := r.ready()
	m.kill()
	for _, m := range []*remote{m, r.ready()} {
		if !slices.Equal(m.Descriptors, want) {
			t.Errorf("descriptors: got %q, want %q", m.Descriptors, want)
		}
	}
}

func TestOnlyWhatWasPassedIsTakenForASocket(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for announced, want := range map[int]string{1: "activated.0", 100: "activated.0", math.MaxInt: "activated.0", 0: "", -1: ""} {
		r := begin(t, setting{
			path: "/bin/sh", args: []string{"sh", "-c", `LISTEN_PID=$$ exec "$0"`, executable(t)},
			env:    []string{fmt.Sprintf("LISTEN_FDS=%d", announced)},
			change: func(c *exec.Cmd) { c.ExtraFiles = []*os.File{file} },
		})
		m := r.ready()
		got := strings.Join(slices.DeleteFunc(m.Descriptors, func(name string) bool { return !strings.HasPrefix(name, "activated.") }), " ")
		if got != want {
			t.Errorf("LISTEN_FDS=%d: got %q, want %q", announced, got, want)
		}
		r.signal(syscall.SIGTERM)
		m.do("stopped")
		m.do("say STOPPING=1")
		m.leave(0)
		r.exit(0)
	}
}

func TestASocketThatCameBackFromSystemdIsRemovedInTheEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "web.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	r := begin(t, setting{
		path: "/bin/sh", args: []string{"sh", "-c", `LISTEN_PID=$$ exec "$0"`, executable(t)},
		env:    []string{"LISTEN_FDS=1", "LISTEN_FDNAMES=listen.613a31"},
		change: func(c *exec.Cmd) { c.ExtraFiles = []*os.File{file} },
	})
	m := r.ready()
	_, _ = file.Close(), l.Close()
	r.signal(syscall.SIGTERM)
	m.do("stopped")
	m.do("say STOPPING=1")
	m.leave(0)
	r.exit(0)
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("socket file: got %v, want none left", err)
	}
}

func TestNoLifelineIsLostToTheGarbageCollector(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{})
	m := r.ready()
	m.do("pipe serve.1 w")
	until(t, "garbage collected", func() bool { return strings.Contains(r.logged(), "collected 20 times") })
	worker, _ := strconv.Atoi(m.do("sleep serve.1"))
	r.signal(syscall.SIGUSR1)
	until(t, "the mailbox works", func() bool { return m.do("unread") == "1" })
	if absent(worker) {
		t.Error("the serve end was lost")
	}
	r.signal(syscall.SIGTERM)
	m.do("stopped")
	m.leave(0)
	r.exit(0)
}

func TestIfNoGenerationLivesTheAnchorGivesUpWithTheLastStatus(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{limits: anchor.Limits{BackoffMin: time.Millisecond, Attempts: 3}})
	r.ready().kill()
	for range 3 {
		r.master().leave(70)
	}
	r.exit(70)
}

func TestWhileAGenerationLivesTheAnchorNeverGivesUp(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{limits: anchor.Limits{BackoffMin: time.Millisecond, BackoffMax: 2 * time.Millisecond, Attempts: 3}})
	m := r.ready()
	m.do("pipe gone.1 r")
	worker, _ := strconv.Atoi(m.do("sleep gone.1"))
	m.kill()
	for range 6 {
		r.master().leave(70)
	}
	r.ready()
	if err := syscall.Kill(worker, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// place gives the test binary another name. A copy could not be executed while
// a parallel test forks with the descriptor it is written through.
func place(t *testing.T, name string) {
	t.Helper()
	if err := os.Link(executable(t), name); err != nil {
		t.Fatal(err)
	}
}
