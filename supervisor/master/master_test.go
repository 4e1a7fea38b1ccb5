package master

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAWorkerInheritsTheEnvironmentLessWhatWouldMisleadIt(t *testing.T) {
	t.Parallel()
	own := []string{
		"PATH=/bin", "DATABASE_URL=x", "TABLEFLIP_HAS_PARENT_7DIU3=yes", "HANDOVER_ANCHOR=7", "LISTEN_FDS=1", "LISTEN_PID=7",
		"NOTIFY_SOCKET=/run/n", "WATCHDOG_USEC=1", "WATCHDOG_PID=7", "MAINPID=7", "GOMAXPROCS=3",
	}
	want := []string{"PATH=/bin", "DATABASE_URL=x", "GOMAXPROCS=3"}
	if got := workerEnvironment(own, &config.Config{}, 2, 0); !slices.Equal(got, want) {
		t.Errorf("environment: got %q, want %q", got, want)
	}
	if got := workerEnvironment(nil, &config.Config{}, 1000, 0); !slices.Equal(got, []string{"GOMAXPROCS=1", wire.OwnVariable + "=GOMAXPROCS"}) {
		t.Errorf("environment of one of many: got %q, want GOMAXPROCS=1, as its own", got)
	}
}

func TestAWorkersEnvironmentIsTheListAndItsShares(t *testing.T) {
	t.Parallel()
	own := []string{"PATH=/bin", "GOMAXPROCS=3", "GOMEMLIMIT=7"}
	c := &config.Config{MaxMemory: 300, Umask: "0027"}
	c.App.Env, c.Limits.Files = []string{"PATH", "LANG=C"}, 99
	want := []string{"PATH=/bin", "LANG=C", "GOMAXPROCS=1", "GOMEMLIMIT=225", wire.OwnVariable + "=GOMAXPROCS:GOMEMLIMIT", wire.UmaskVariable + "=0027", wire.FilesVariable + "=99"}
	if got := workerEnvironment(own, c, 1000, 250_000); !slices.Equal(got, want) {
		t.Errorf("of a list: got %q, want %q", got, want)
	}
	want = append([]string{"PATH=/bin", "GOMAXPROCS=3", "GOMEMLIMIT=7"}, want[5:]...)
	c.App.Env = nil
	if got := workerEnvironment(own, c, 1000, 250_000); !slices.Equal(got, want) {
		t.Errorf("of our own: got %q, want %q", got, want)
	}
}

func TestAListeningSocketStaysNonBlockingAndCloseOnExec(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	f, err := listen(config.Listen{Address: "unix:" + path, Backlog: 7, Mode: "0600"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	flags, _ := unix.FcntlInt(uintptr(wire.Descriptor(f)), unix.F_GETFL, 0)
	if flags&unix.O_NONBLOCK == 0 {
		t.Error("O_NONBLOCK: got clear, want set: it belongs to the socket that all processes share")
	}
	if flags, _ := unix.FcntlInt(uintptr(wire.Descriptor(f)), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
		t.Error("FD_CLOEXEC: got clear, want set")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode: got %v %v, want 0600", info.Mode(), err)
	}
}

func TestALiveUnixSocketIsNotTakenAwayAndAStaleOneIs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	live, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listen(config.Listen{Address: "unix:" + path}); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("live socket: got %v, want address in use", err)
	}
	live.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = live.Close()
	f, err := listen(config.Listen{Address: "unix:" + path})
	if err != nil {
		t.Fatalf("stale socket: got %v, want it replaced", err)
	}
	_ = f.Close()
}

func TestAnAddressInUseKeepsTheKernelsReason(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	if _, err := listen(config.Listen{Address: ln.Addr().String()}); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("got %v, want EADDRINUSE", err)
	}
}

func TestThePidFileIsLockedAgainstASecondInstance(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pid")
	f, err := lockPidFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := lockPidFile(path); err == nil || !strings.Contains(err.Error(), "another instance") {
		t.Errorf("second lock: got %v, want another instance holds it", err)
	}
}

func TestGenerationsAreReadFromDescriptorNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{"gone.7": 7, "accepting.12": 12, "counters.3": 3, "serve.4": 0, "gone.x": 0, "stop": 0, "mailbox.read": 0} {
		if got := generationOf(name); got != want {
			t.Errorf("generation of %q: got %d, want %d", name, got, want)
		}
	}
}

func TestAFollowerSeesEachStepOnceAndTheEnd(t *testing.T) {
	t.Parallel()
	r := newReload(bySignal, nil)
	r.add(status.Step{Name: "config"})
	early := r.follow(0)
	r.add(status.Step{Name: "certificates"})
	late := r.follow(1)
	r.Record.Outcome = status.OutcomeDone
	record := r.Record
	r.part(status.Event{End: &record})
	for name, c := range map[string]chan status.Event{"early": early, "late": late} {
		var got []string
		for e := range c {
			switch {
			case e.Step != nil:
				got = append(got, e.Step.Name)
			case e.End != nil:
				got = append(got, e.End.Outcome)
			}
		}
		want := []string{"config", "certificates", "done"}
		if name == "late" {
			want = want[1:]
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s follower: got %q, want %q", name, got, want)
		}
	}
}
