package integration

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"example.com/handover/integration/harness"
)

// departed is the number of a process that has ended and was reaped.
func departed(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("/bin/true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

func TestAPidfileOfADeadOrAnotherProcessIsTakenOver(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"DeadProcess":    strconv.Itoa(departed(t)) + "\n",
		"AnotherProcess": strconv.Itoa(os.Getpid()) + "\n",
		"Garbage":        "not a number, and longer than any number is\n",
		"Empty":          "",
	} {
		t.Run(name, func(t *testing.T) {
			i := harness.Prepare(t, harness.Config{Workers: 1})
			if err := os.WriteFile(i.PidFile(), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			i.Launch()
			i.WaitServing()
			if b, err := os.ReadFile(i.PidFile()); err != nil || string(b) != fmt.Sprintf("%d\n", i.Pid) {
				t.Errorf("pidfile %q, %v; want %d alone", b, err, i.Pid)
			}
			calm(t, i)
		})
	}
}

func TestAPidfileOfALiveInstanceRefusesAnother(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{})
	before := i.Until(t, "settled", within, harness.Settled)
	other := harness.Prepare(t, harness.Config{Workers: 1})
	other.WriteConfig(strings.ReplaceAll(other.ConfigText(), other.PidFile(), i.PidFile()))
	other.Launch()
	if got := other.WaitExit(within); got != 78 || !strings.Contains(other.Output(), i.PidFile()) {
		t.Errorf("run: exit %d, want 78 and the pidfile\n%s", got, other.Output())
	}
	if b, err := os.ReadFile(i.PidFile()); err != nil || string(b) != fmt.Sprintf("%d\n", i.Pid) {
		t.Errorf("pidfile %q, %v; want %d as before", b, err, i.Pid)
	}
	untouched(t, i, before)
	calm(t, i)
}

func TestWhatLiesAtTheUnixSocketsPathIsRespected(t *testing.T) {
	t.Parallel()
	t.Run("File", func(t *testing.T) {
		i := harness.Prepare(t, harness.Config{Workers: 1, Tables: unixAt("mine.sock")})
		path := filepath.Join(i.Dir, "mine.sock")
		if err := os.WriteFile(path, []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
		i.Launch()
		if got := i.WaitExit(within); got != 78 || !strings.Contains(i.Output(), path) {
			t.Errorf("run: exit %d, want 78 and the path\n%s", got, i.Output())
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != "mine" {
			t.Errorf("the file: %q, %v; want it left alone", b, err)
		}
	})
	t.Run("LiveSocket", func(t *testing.T) {
		i := harness.Prepare(t, harness.Config{Workers: 1, Tables: unixAt("live.sock")})
		path := filepath.Join(i.Dir, "live.sock")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		i.Launch()
		if got := i.WaitExit(within); got != 78 || !strings.Contains(i.Output(), path) {
			t.Errorf("run: exit %d, want 78 and the path\n%s", got, i.Output())
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("the socket of somebody else: %v, want it left alone", err)
		}
	})
	t.Run("DeadSocket", func(t *testing.T) {
		i := harness.Prepare(t, harness.Config{Workers: 1, UnixToo: true})
		abandonSocket(t, i.UnixSocket())
		i.Launch()
		i.WaitServing()
		answers(t, "unix", i.UnixSocket(), i)
		calm(t, i)
	})
}

// unixAt is a listener at a path beside the config.
func unixAt(name string) string {
	return fmt.Sprintf("[[listen]]\naddress = %q\ntls = false", "unix:"+name)
}

func TestTheControlSocketStaysPrivateAndWorksAfterEveryChange(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{})
	works := func(when string) {
		t.Helper()
		ok(t, i.Do("status"))
		if info, err := os.Stat(i.ControlSocket()); err != nil || info.Mode() != os.ModeSocket|0o600 {
			t.Errorf("%s: control socket %v, %v; want mode 0600", when, info, err)
		}
	}
	works("at the start")
	hup(t, i, "done")
	works("after a reload")
	i.Behave("boot", "exit 3")
	hup(t, i, "failed")
	i.Behave("boot", "")
	works("after a failed reload")
	victim := master(t, i)
	kill(t, victim)
	i.Until(t, "another master", within, func(s harness.Status) error {
		return harness.Unless(s.Master.Pid != victim && harness.Settled(s) == nil, "%+v", s)
	})
	works("after the death of a master")
	calm(t, i, "told to exit")
}

func TestAControlSocketThatCannotBeMadeEndsTheStartWith78(t *testing.T) {
	t.Parallel()
	i := harness.Prepare(t, harness.Config{Workers: 1})
	i.WriteConfig(strings.ReplaceAll(i.ConfigText(), i.ControlSocket(), i.Dir+"/config.toml/control.sock"))
	i.Launch()
	if got := i.WaitExit(within); got != 78 || !strings.Contains(i.Output(), "control.sock") {
		t.Errorf("run: exit %d, want 78 and the path\n%s", got, i.Output())
	}
}

// A socket or a pidfile that somebody else has put in the place of ours is
// theirs.
func TestAStopRemovesOnlyWhatIsItsOwn(t *testing.T) {
	t.Parallel()
	i := harness.Prepare(t, harness.Config{Workers: 1, Tables: unixAt("shared.sock")})
	socket, pidfile := filepath.Join(i.Dir, "shared.sock"), filepath.Join(i.Dir, "shared.pid")
	i.WriteConfig(strings.ReplaceAll(i.ConfigText(), strconv.Quote(i.PidFile()), strconv.Quote(pidfile)))
	i.Launch()
	i.WaitServing()
	if err := errors.Join(os.Remove(socket), os.Remove(pidfile), os.WriteFile(pidfile, []byte("1\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	i.Signal(syscall.SIGTERM)
	stopped(t, i, within)
	if b, err := os.ReadFile(pidfile); err != nil || string(b) != "1\n" {
		t.Errorf("the pidfile of somebody else: %q, %v; want it left alone", b, err)
	}
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatalf("the socket of somebody else: %v, want it left alone", err)
	}
	_ = c.Close()
	calm(t, i)
}
