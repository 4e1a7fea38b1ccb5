package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// told is the status as the command prints it: unlike the instance's own, it
// follows a control socket that the config has moved.
func told(i *harness.Instance) (harness.Status, error) {
	var s harness.Status
	got := i.Do("status", "--json")
	if got.Exit != 0 {
		return s, fmt.Errorf("status: %v", got)
	}
	return s, json.Unmarshal([]byte(got.Stdout), &s)
}

// without requires that there is no file.
func without(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%q is there, %v; want it gone", path, err)
		}
	}
}

func TestAMovedControlSocketAndPidfileWorkOverTheReloadsThatFollow(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{})
	socket, pidfile := filepath.Join(i.Dir, "moved.sock"), filepath.Join(i.Dir, "moved.pid")
	i.WriteConfig(strings.NewReplacer(i.ControlSocket(), socket, strconv.Quote(i.PidFile()), strconv.Quote(pidfile)).Replace(i.ConfigText()))
	check := func(generation int) {
		t.Helper()
		harness.Until(t, "status on the moved socket", within, func() error {
			s, err := told(i)
			if err != nil {
				return err
			}
			return harness.Unless(s.Pid == i.Pid && s.Generation == generation, "pid %d, generation %d; want %d, %d", s.Pid, s.Generation, i.Pid, generation)
		})
		without(t, i.ControlSocket(), i.PidFile())
		if b, err := os.ReadFile(pidfile); err != nil || strings.TrimSpace(string(b)) != strconv.Itoa(i.Pid) {
			t.Errorf("moved pidfile %q, %v; want %d", b, err, i.Pid)
		}
	}
	i.Signal(syscall.SIGHUP)
	check(2)
	for n := range 2 {
		pair := i.Certs.Renew()
		ok(t, i.Do("reload"))
		served(t, i, pair)
		check(3 + n)
	}
	i.Signal(syscall.SIGTERM)
	stopped(t, i, within)
	without(t, socket, pidfile)
}

func TestWhatAKilledMasterOpenedForANewConfigIsNotInTheWayOfTheNext(t *testing.T) {
	t.Parallel()
	for _, next := range []string{"SameConfigAtOnce", "SameConfig", "OldConfig"} {
		t.Run(next, func(t *testing.T) {
			t.Parallel()
			i := one(t, harness.Config{HealthPath: "/health"})
			before := i.Until(t, "settled", within, harness.Settled)
			address, web, control := harness.FreeAddress(t), filepath.Join(i.Dir, "second.sock"), filepath.Join(i.Dir, "moved.sock")
			old := i.ConfigText()
			added := fmt.Sprintf("[[listen]]\naddress = %q\ntls = true\n[[listen]]\naddress = %q\ntls = false\n[app]", address, "unix:"+web)
			i.WriteConfig(strings.NewReplacer("[app]", added, i.ControlSocket(), control).Replace(old))
			i.Behave("health", "block")
			asked := time.Now()
			i.Signal(syscall.SIGHUP)
			kill(t, born(t, i, before).master)
			i.Behave("health", "200")
			i.Until(t, "failed", within, harness.Ended("failed", asked))
			if next != "SameConfigAtOnce" {
				refused(t, "tcp", address)
				refused(t, "unix", web)
			}
			if next == "OldConfig" {
				i.WriteConfig(old)
				reloadWorks(t, i)
				without(t, web, control)
			} else {
				pair := i.Certs.Renew()
				i.Signal(syscall.SIGHUP)
				i.WaitServed(pair, within)
				harness.Until(t, "status on the moved socket", within, func() error {
					s, err := told(i)
					if err != nil {
						return err
					}
					return harness.Settled(s)
				})
				answers(t, "tcp", address, i)
				answers(t, "unix", web, i)
				without(t, i.ControlSocket())
			}
			i.Signal(syscall.SIGTERM)
			stopped(t, i, within)
			without(t, web, control)
			free(t, address, within)
		})
	}
}

// refused waits until nothing queues the clients of an address: the workers of a
// dead master take a moment to end.
func refused(t *testing.T, network, address string) {
	t.Helper()
	harness.Until(t, "clients of "+address+" refused", 2*time.Second, func() error {
		c, err := net.DialTimeout(network, address, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return harness.Unless(errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrNotExist), "dial: %v", err)
	})
}

// answers requires that a second address of an instance serves.
func answers(t *testing.T, network, address string, i *harness.Instance) {
	t.Helper()
	trust := i.Certs.Trust("http/1.1")
	if network == "unix" {
		trust = nil
	}
	c, err := harness.Dial(network, address, trust)
	if err != nil {
		t.Errorf("dial %s: %v", address, err)
		return
	}
	defer c.Close()
	if a, err := c.Do("GET", "/health", nil); err != nil || a.Status != 200 {
		t.Errorf("%s: %d, %v; want 200", address, a.Status, err)
	}
}

// intoPipe starts an instance whose standard error is a pipe, and opens the
// pipe's other end.
func intoPipe(t *testing.T, c harness.Config) (*harness.Instance, *os.File) {
	t.Helper()
	path := filepath.Join(harness.Folder(t), "stderr")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Close() })
	c.Wrap = []string{"/bin/sh", "-c", `exec "$@" 2>"$0"`, path}
	i := harness.Prepare(t, c)
	i.Launch()
	i.WaitServing()
	return i, reader
}

// Whoever started the anchor shares the open file description of its standard
// error, and so this flag.
func TestAPipeForStandardErrorKeepsBlocking(t *testing.T) {
	t.Parallel()
	i, _ := intoPipe(t, harness.Config{Workers: 1})
	blocking := func(when string) {
		t.Helper()
		s := i.Until(t, "settled", within, harness.Settled)
		for name, pid := range map[string]int{"anchor": i.Pid, "master": s.Master.Pid, "worker": s.Workers[0].Pid} {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/2", pid))
			_, rest, _ := strings.Cut(string(b), "flags:")
			octal, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
			flags, parseErr := strconv.ParseUint(octal, 8, 32)
			if err := errors.Join(err, parseErr); err != nil {
				t.Fatal(err)
			}
			if flags&syscall.O_NONBLOCK != 0 {
				t.Errorf("%s: standard error of the %s has flags %#o, want O_NONBLOCK clear", when, name, flags)
			}
		}
	}
	blocking("after the start")
	hup(t, i, "done")
	blocking("after a reload")
	i.Signal(syscall.SIGTERM)
	stopped(t, i, within)
}

func TestStandardErrorThatNobodyReadsEndsNoOne(t *testing.T) {
	t.Parallel()
	i, reader := intoPipe(t, harness.Config{Workers: 1})
	before := i.Until(t, "settled", within, harness.Settled)
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	pair := renew(t, i)
	after := i.Until(t, "settled", within, harness.Settled)
	if after.Generation != before.Generation+1 {
		t.Errorf("generation %d, want %d: one reload and no master that was lost", after.Generation, before.Generation+1)
	}
	babble(t, i) // the worker has something to say, too
	for range 20 {
		if a, err := i.Get("/pid"); err != nil || string(a.Body) != fmt.Sprint(after.Workers[0].Pid) {
			t.Errorf("answer of %q, %v; want one of %d", a.Body, err, after.Workers[0].Pid)
		}
	}
	untouched(t, i, after)
	served(t, i, pair)
	exactly(t, i)
	i.Signal(syscall.SIGTERM)
	stopped(t, i, within)
}

func TestTheModeOfAUnixSocketThatStaysFollowsTheConfig(t *testing.T) {
	t.Parallel()
	path := filepath.Join(harness.Folder(t), "web.sock")
	table := func(mode string) string {
		return fmt.Sprintf("[[listen]]\naddress = %q\ntls = false\nmode = %q", "unix:"+path, mode)
	}
	i := one(t, harness.Config{Tables: table("0660")})
	for _, mode := range []os.FileMode{0o660, 0o600, 0o666} {
		config := i.Config
		config.Tables = table(fmt.Sprintf("%04o", mode))
		i.Configure(config)
		ok(t, i.Do("reload"))
		if got, err := os.Stat(path); err != nil || got.Mode().Perm() != mode {
			t.Errorf("mode of the socket: %v, %v; want %v", got.Mode().Perm(), err, mode)
		}
		answers(t, "unix", path, i)
	}
	i.Signal(syscall.SIGTERM)
	stopped(t, i, within)
	without(t, path)
}

func TestALogFileThatIsANamedPipeIsAConfigurationError(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(harness.Folder(t), "log")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	tables := fmt.Sprintf("[log]\nfile = %q", fifo)
	first := harness.Prepare(t, harness.Config{Workers: 1, Tables: tables})
	first.Launch()
	if got := first.WaitExit(within); got != 78 || !strings.Contains(first.Output(), fifo) {
		t.Errorf("run: exit %d, want 78 and the path\n%s", got, first.Output())
	}
	i := one(t, harness.Config{})
	before := i.Until(t, "settled", within, harness.Settled)
	config := i.Config
	config.Tables = tables
	i.Configure(config)
	if got := i.Do("reload"); got.Exit != 78 || !strings.Contains(got.Stderr, fifo) {
		t.Errorf("reload: %v, want exit 78 and the path", got)
	}
	untouched(t, i, before)
	served(t, i, i.First)
	config.Tables = ""
	i.Configure(config)
	reloadWorks(t, i)
}

func TestAnAddressThatTheServiceItselfHoldsIsRefusedWithItsName(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{})
	before := i.Until(t, "settled", within, harness.Settled)
	_, port, err := net.SplitHostPort(i.Addr)
	if err != nil {
		t.Fatal(err)
	}
	i.WriteConfig(strings.ReplaceAll(i.ConfigText(), i.Addr, "0.0.0.0:"+port))
	got := i.Do("reload")
	if _, hint, _ := strings.Cut(got.Stderr, "hint:"); got.Exit != 78 || !strings.Contains(hint, i.Addr) {
		t.Errorf("reload: %v, want exit 78 and a hint that names %s", got, i.Addr)
	}
	untouched(t, i, before)
	served(t, i, i.First)
	i.Configure(i.Config)
	reloadWorks(t, i)
}
