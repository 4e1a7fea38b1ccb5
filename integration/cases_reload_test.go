package integration

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

func TestAKeptConnectionIsAnsweredByTheOldGenerationAndAskedToClose(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{KeepaliveGrace: "15s", GracefulTimeout: "30s"})
	old := manned(t, i, 1).Workers[0].Pid
	kept, err := i.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	asks := func(c *harness.Conn, closes bool, want int) {
		t.Helper()
		if a, err := c.Do("GET", "/pid", nil); err != nil || a.Close != closes || string(a.Body) != fmt.Sprint(want) {
			t.Errorf("answer of %q, announces the end: %v, %v; want %d, %v", a.Body, a.Close, err, want, closes)
		}
	}
	asks(kept, false, old)
	renew(t, i)
	next := manned(t, i, 1).Workers[0].Pid
	fresh, err := i.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	asks(fresh, false, next)
	asks(kept, true, old)
	gone(t, old)
}

// overUnix is a client that posts over a unix socket, each time over a new
// connection or over one it keeps, until stopped.
func overUnix(i *harness.Instance, keep bool, stop <-chan struct{}, lost func(error)) {
	var c *harness.Conn
	for {
		select {
		case <-stop:
			if c != nil {
				c.Close()
			}
			return
		default:
		}
		var err error
		if c == nil {
			if c, err = harness.Dial("unix", i.UnixSocket(), nil); err != nil {
				lost(err)
				return
			}
		}
		body := harness.Body()
		a, err := c.Do("POST", "/", body)
		if err == nil {
			err = harness.Unless(string(a.Body) == string(body), "%d other bytes", len(a.Body))
		}
		if err != nil {
			lost(err)
		}
		if err != nil || a.Close || !keep {
			c.Close()
			c = nil
		}
	}
}

func TestAUnixSocketLosesNothingAndItsFileStaysTheSame(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{UnixToo: true})
	first, err := os.Stat(i.UnixSocket())
	if err != nil {
		t.Fatal(err)
	}
	stop, losses := make(chan struct{}), make(chan error, 100)
	var clients sync.WaitGroup
	for n := range 4 {
		clients.Go(func() {
			overUnix(i, n%2 == 0, stop, func(err error) {
				select {
				case losses <- err:
				default:
				}
			})
		})
	}
	there := func(when string) {
		t.Helper()
		if now, err := os.Stat(i.UnixSocket()); err != nil || !os.SameFile(first, now) {
			t.Errorf("%s: the socket's file is another one, %v", when, err)
		}
	}
	for range 5 {
		renew(t, i)
		there("after a reload")
	}
	i.Behave("boot", "exit 3")
	hup(t, i, "failed")
	there("after a failed reload")
	i.Behave("boot", "")
	victim := master(t, i)
	kill(t, victim)
	i.Until(t, "another master", within, func(s harness.Status) error {
		return harness.Unless(s.Master.Pid != victim && harness.Settled(s) == nil, "%+v", s)
	})
	there("after the death of a master")
	close(stop)
	clients.Wait()
	close(losses)
	for err := range losses {
		t.Errorf("lost: %v", err)
	}
	calm(t, i, "told to exit")
}

// failures are ways in which a reload comes to nothing: how to bring each
// about, its exit code, and what the log says.
var failures = []struct {
	name  string
	exit  int
	says  string
	spoil func(i *harness.Instance, taken string)
}{
	{"Boot", 70, "told to exit", func(i *harness.Instance, _ string) { i.Behave("boot", "exit 1") }},
	{"BootAgain", 70, "told to exit", func(i *harness.Instance, _ string) { i.Behave("boot", "exit 1") }},
	{"Config", 78, "config.toml", func(i *harness.Instance, _ string) { i.WriteConfig("workers = [") }},
	{"Certificate", 65, "pair.mismatch", func(i *harness.Instance, _ string) { i.Certs.Install(mismatched(i)) }},
	{"Log", 78, "nowhere/handover.log", func(i *harness.Instance, _ string) {
		i.WriteConfig(strings.Replace(i.ConfigText(), "handover.log", "nowhere/handover.log", 1))
	}},
	{"Address", 78, "address already in use", func(i *harness.Instance, taken string) {
		i.WriteConfig(i.ConfigText() + fmt.Sprintf("[[listen]]\naddress = %q\ntls = true\n", taken))
	}},
}

// threads counts the threads of a process.
func threads(t *testing.T, pid int) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Error(err)
	}
	return len(list)
}

func TestReloadsThatFailInEveryWayLeaveNoTraceAndTheNextOneWorks(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", harness.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	i := harness.Start(t, harness.Config{Tables: "[log]\nfile = \"handover.log\""})
	reloadWorks(t, i) // what a first one leaves for good is no leak
	base, running := count(t, i), threads(t, i.Pid)
	for range 2 {
		load := i.Load(t, light)
		for _, f := range failures {
			before := i.Until(t, "settled", within, harness.Settled)
			f.spoil(i, taken.Addr().String())
			if got := i.Do("reload"); got.Exit != f.exit {
				t.Errorf("%s: %v, want exit %d", f.name, got, f.exit)
			}
			same(t, before, i.Until(t, "settled", within, harness.Settled))
			if b, err := os.ReadFile(filepath.Join(i.Dir, "handover.log")); err != nil || !strings.Contains(string(b), f.says) {
				t.Errorf("%s: log %q, %v; want %q in it", f.name, b, err, f.says)
			}
			i.Behave("boot", "")
			i.Configure(i.Config)
			if f.name != "Boot" { // the next attempt fails too, the third one works
				reloadWorks(t, i)
			}
		}
		load.Stop().NothingLost(t)
		// The anchor lets go of a master that it cannot wait for once it has been
		// silent for 5 s.
		harness.Until(t, "descriptors and processes as before", within, func() error {
			now := count(t, i)
			return harness.Unless(now == base, "%+v, want %+v", now, base)
		})
	}
	if now := threads(t, i.Pid); now > running+2 {
		t.Errorf("threads of the anchor %d, want %d or a little more", now, running)
	}
	var said []string
	for _, f := range failures {
		said = append(said, f.says)
	}
	calm(t, i, said...)
}

func TestANewMasterThatIsNoneIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"EndsWithoutAWord":  "exit 0",
		"FailsWithoutAWord": "exit 1",
		"Hangs":             "exec sleep 300",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := harness.Folder(t)
			path := release(t, dir)
			i := harness.Start(t, harness.Config{Binary: path, BootTimeout: "4s"})
			load := i.Load(t, light)
			before := i.Until(t, "settled", within, harness.Settled)
			if err := errors.Join(os.WriteFile(path+".next", []byte("#!/bin/sh\n"+script+"\n"), 0o755), os.Rename(path+".next", path)); err != nil {
				t.Fatal(err)
			}
			i.Certs.Renew()
			// A hung one is given up after the settling, boot_timeout and 10 s more.
			if got := i.Do("reload", "--timeout", "50s"); got.Exit != 70 {
				t.Errorf("reload: %v, want exit 70", got)
			}
			same(t, before, i.Until(t, "settled", within, harness.Settled))
			served(t, i, i.First)
			exactly(t, i)
			if err := os.Rename(release(t, filepath.Join(dir, "again")), path); err != nil {
				t.Fatal(err)
			}
			reloadWorks(t, i)
			load.Stop().NothingLost(t)
		})
	}
}

func TestABootThatTakesLongerThanTheTimeoutKillsNobody(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 6, Keys: "timeout = \"2s\""})
	load := i.Load(t, light)
	i.Behave("boot", "sleep 4s")
	pair := i.Certs.Renew()
	ok(t, i.Do("reload"))
	served(t, i, pair)
	s := manned(t, i, 6)
	for _, w := range s.Workers {
		if w.Restarts != 0 {
			t.Errorf("worker %+v was replaced, want none", w)
		}
	}
	load.Stop().NothingLost(t)
	i.Until(t, "settled", within, harness.Settled)
	exactly(t, i)
	calm(t, i)
}

func TestOfThreeAddressesOneStaysOneGoesAndOneComesInEachReload(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{})
	load := i.Load(t, light)
	goes, comes := harness.FreeAddress(t), harness.FreeAddress(t)
	at := func(address string) {
		config := i.Config
		config.Tables = fmt.Sprintf("[[listen]]\naddress = %q\ntls = true", address)
		i.Configure(config)
		renew(t, i)
	}
	at(goes)
	for range 4 {
		c, err := harness.Dial("tcp", goes, i.Certs.Trust("http/1.1"))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.Send("GET", "/slow?d=1s", nil), c.Begun()); err != nil {
			t.Fatal(err)
		}
		at(comes)
		refused(t, "tcp", goes)
		answers(t, "tcp", comes, i)
		if a, err := c.Receive("GET"); err != nil || string(a.Body) != "begun\nended\n" {
			t.Errorf("the answer under way at the address that went: %q, %v", a.Body, err)
		}
		c.Close()
		goes, comes = comes, goes
	}
	load.Stop().NothingLost(t)
	i.Until(t, "settled", within, harness.Settled)
	exactly(t, i)
	calm(t, i)
}

func TestAPairWrittenInPlaceUnderTheSameTimesIsServed(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{})
	for name, take := range map[string]func(){
		"HUP":    func() { hup(t, i, "done") },
		"reload": func() { ok(t, i.Do("reload")) },
		"rotate": func() { rotate(t, i) },
	} {
		pair := i.Certs.Issue(harness.Leaf{})
		for path, b := range map[string][]byte{i.Certs.CertFile(): pair.Cert, i.Certs.KeyFile(): pair.Key} {
			before, err := os.Stat(path)
			if err == nil {
				err = errors.Join(os.WriteFile(path, b, 0o600), os.Chtimes(path, before.ModTime(), before.ModTime()))
			}
			if err != nil {
				t.Fatal(err)
			}
			if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
				t.Fatalf("%s is another file or has another time, %v", path, err)
			}
		}
		take()
		if got, err := i.Served(); err != nil || got != pair.Fingerprint {
			t.Errorf("%s: served %.12s…, %v; want %.12s…", name, got, err, pair.Fingerprint)
		}
	}
	calm(t, i)
}

func TestFilesThatChangeWhileTheWorkersStartAreServedByTheNextReloadOnly(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{HealthPath: "/health"})
	before := i.Until(t, "settled", within, harness.Settled)
	i.Behave("health", "block")
	checked := i.Certs.Renew()
	asked := time.Now()
	i.Signal(syscall.SIGHUP)
	born(t, i, before)
	later := i.Certs.Renew()
	i.Behave("health", "")
	i.Until(t, "done", within, harness.Ended("done", asked))
	for range 20 {
		served(t, i, checked)
	}
	respawned(t, i) // and so does one that is born afterwards
	served(t, i, checked)
	hup(t, i, "done")
	served(t, i, later)
	reloadWorks(t, i)
}
