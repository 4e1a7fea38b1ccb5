package integration

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// listened prepares an instance that systemd-socket-activate starts with sockets, in
// the same process, once a first client has come. The words are its own.
func listened(t *testing.T, c harness.Config, words ...string) *harness.Instance {
	t.Helper()
	tool, err := exec.LookPath("systemd-socket-activate")
	if err != nil {
		if os.Getuid() == 0 {
			t.Fatalf("%v (make test-deps installs systemd)", err)
		}
		t.Skip(err)
	}
	i := harness.Prepare(t, c)
	if words == nil {
		words = []string{"-l", i.Addr, "--fdname=web.socket"}
	}
	i.Config.Wrap = append([]string{tool, "-E", "GORACE"}, words...)
	return i
}

// listening launches it and waits until clients can come.
func listening(t *testing.T, i *harness.Instance) {
	t.Helper()
	i.Launch()
	harness.Until(t, "sockets", within, func() error {
		return harness.Unless(strings.Contains(i.Printed(), "Listening on"), "%q", i.Printed())
	})
}

// waiting is a client that waits in a socket; its answer comes through the channel.
func waiting(ask func() error) <-chan error {
	answer := make(chan error, 1)
	go func() { answer <- ask() }()
	return answer
}

// isAnswered requires that a client has its answer.
func isAnswered(t *testing.T, who string, answer <-chan error) {
	t.Helper()
	select {
	case err := <-answer:
		if err != nil {
			t.Errorf("%s: %v, want an answer", who, err)
		}
	case <-time.After(within):
		t.Errorf("%s: no answer within %v", who, within)
	}
}

// activate has a first client start the instance and be answered.
func activate(t *testing.T, i *harness.Instance) {
	t.Helper()
	listening(t, i)
	first := waiting(i.Answers("tcp", i.Addr))
	i.WaitServing()
	isAnswered(t, "the first client", first)
}

// loseMaster kills the master and waits until another one serves.
func loseMaster(t *testing.T, i *harness.Instance) {
	t.Helper()
	lost := master(t, i)
	kill(t, lost)
	i.Until(t, "another master", within, func(s harness.Status) error {
		if s.Master.Pid == lost {
			return errors.New("still the same")
		}
		return harness.Serving(s)
	})
}

func TestTheFirstClientStartsAnActivatedServiceAndIsAnswered(t *testing.T) {
	t.Parallel()
	i := listened(t, harness.Config{})
	activate(t, i)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/3", i.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var flags int
	if _, after, ok := strings.Cut(string(text), "flags:"); ok {
		_, _ = fmt.Sscanf(strings.TrimSpace(after), "%o", &flags)
	}
	if flags&syscall.O_NONBLOCK == 0 {
		t.Errorf("the socket, which came blocking: flags %o, want non-blocking for all who share it", flags)
	}
	load := i.Load(t, harness.Load{New: 2, Kept: 2})
	for range 2 {
		renew(t, i)
		load.More(t, 20)
	}
	loseMaster(t, i)
	load.More(t, 20)
	reloadWorks(t, i)
	load.Stop().NothingLost(t)
	if text := i.Printed(); strings.Contains(text, "is not served") {
		t.Errorf("printed %q, want no warning of a socket that is served", text)
	}
}

func TestAnActivatedAddressIsLostAndGainedByReloads(t *testing.T) {
	t.Parallel()
	second := harness.FreeAddress(t)
	i := listened(t, harness.Config{})
	i.Config.Wrap = append(i.Config.Wrap[:3:3], "-l", i.Addr, "-l", second, "--fdname=web.socket:spare.socket")
	both := i.Config
	both.Tables = fmt.Sprintf("[[listen]]\naddress = %q\ntls = false", second)
	one := i.Config
	activate(t, i)
	warned := func(times int) {
		t.Helper()
		text := i.Printed()
		if got := strings.Count(text, "is not served"); got != times || !strings.Contains(text, "spare.socket") || !strings.Contains(text, "address="+second) {
			t.Errorf("warned %d times, want %d with the name and the address of the socket: %s", got, times, text)
		}
	}
	warned(1)
	hup(t, i, "done") // which says nothing new
	warned(1)
	load := i.Load(t, harness.Load{New: 2, Kept: 2})
	for round := range 2 {
		early := waiting(i.Answers("tcp", second)) // in the socket, which nobody serves
		i.Configure(both)
		hup(t, i, "done")
		isAnswered(t, "a client that waited for the config to gain the address", early)
		loseMaster(t, i)
		isAnswered(t, "a client of the address after a killed master", waiting(i.Answers("tcp", second)))
		i.Configure(one)
		hup(t, i, "done")
		warned(2 + round)
	}
	load.Stop().NothingLost(t)
}

func TestAnActivatedUnixSocketStaysAsSystemdMadeIt(t *testing.T) {
	t.Parallel()
	i := listened(t, harness.Config{})
	path := filepath.Join(i.Dir, "s.sock")
	c := i.Config
	c.Wrap = append(c.Wrap[:3:3], "-l", i.Addr, "-l", path)
	c.Tables = fmt.Sprintf("[[listen]]\naddress = %q\ntls = false\nmode = \"0600\"", "unix:"+path)
	i.Configure(c)
	listening(t, i)
	if err := os.Chmod(path, 0o646); err != nil {
		t.Fatal(err)
	}
	made, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	first := waiting(i.Answers("unix", path))
	i.WaitServing()
	isAnswered(t, "the first client", first)
	same := func(when string) {
		t.Helper()
		now, err := os.Stat(path)
		if err != nil || !os.SameFile(made, now) || now.Mode().Perm() != 0o646 {
			t.Errorf("%s: got %v, %v, want the file that systemd made, with its mode", when, now, err)
		}
	}
	same("at the start")
	renew(t, i)
	same("after a reload")
	loseMaster(t, i)
	isAnswered(t, "a client after a killed master", waiting(i.Answers("unix", path)))
	c.Tables = ""
	i.Configure(c)
	hup(t, i, "done")
	same("when the config has lost it")
	i.Signal(syscall.SIGTERM)
	stopped(t, i, within)
	same("after the stop")
}

func TestASocketForAllAddressesIsNotTakenForOne(t *testing.T) {
	t.Parallel()
	i := listened(t, harness.Config{})
	_, port, err := net.SplitHostPort(i.Addr)
	if err != nil {
		t.Fatal(err)
	}
	i.Config.Wrap = append(i.Config.Wrap[:3:3], "-l", port)
	listening(t, i)
	c, err := net.Dial("tcp", i.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := i.WaitExit(within); got != 78 {
		t.Errorf("exit %d, want 78", got)
	}
	for _, want := range []string{"address already in use", fmt.Sprintf("%q", ":"+port), "ListenStream=" + i.Addr} {
		if !strings.Contains(i.Printed(), want) {
			t.Errorf("printed %q, want %q in it", i.Printed(), want)
		}
	}
	i.WriteConfig(strings.Replace(i.ConfigText(), fmt.Sprintf("%q", i.Addr), fmt.Sprintf("%q", ":"+port), 1))
	if err := os.Truncate(filepath.Join(i.Dir, "output"), 0); err != nil {
		t.Fatal(err)
	}
	activate(t, i)
	renew(t, i)
}

func TestASocketThatIsNoListeningStreamIsRefusedWithWhatToWrite(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ flag, network, error, hint string }{
		{"--datagram", "udp", "datagram socket", "ListenStream="},
		{"--accept", "tcp", "it is one connection", "Accept=no"},
	} {
		t.Run(tt.flag, func(t *testing.T) {
			t.Parallel()
			i := listened(t, harness.Config{})
			i.Config.Wrap = append(i.Config.Wrap[:3:3], tt.flag, "-l", i.Addr)
			listening(t, i)
			c, err := net.Dial(tt.network, i.Addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Write([]byte("?")); err != nil {
				t.Fatal(err)
			}
			harness.Until(t, "a refusal", within, func() error {
				text := i.Printed()
				return harness.Unless(strings.Contains(text, tt.error) && strings.Contains(text, tt.hint), "printed %q", text)
			})
			if tt.flag == "--datagram" { // the other starts a process for each connection
				if got := i.WaitExit(within); got != 78 {
					t.Errorf("exit %d, want 78", got)
				}
			}
		})
	}
}

func TestAnActivatedServiceGoesToTheReleaseBeforeAndBack(t *testing.T) {
	t.Parallel()
	present, before := harness.ReleasePresent(t), harness.ReleaseBefore(t)
	home := harness.Folder(t)
	binary := filepath.Join(home, "handover")
	replaceBy(t, binary, present.Binary())
	i := listened(t, harness.Config{Binary: binary})
	activate(t, i)
	s := &site{Instance: i, t: t, load: i.Load(t, neighbours)}
	for range 2 {
		s.handOver(before) // which knows nothing of sockets that were passed, and takes over a listener
		// Another of its kind cannot bind the address; the anchor's own binary takes it.
		kill(t, master(t, i))
		s.is(present)
		s.more()
		s.handOver(present)
	}
	s.load.Stop().NothingLost(t)
}

func TestASocketThatTheReleaseBeforeLeftUnusedIsTaken(t *testing.T) {
	t.Parallel()
	present, before := harness.ReleasePresent(t), harness.ReleaseBefore(t)
	binary, second := filepath.Join(harness.Folder(t), "handover"), harness.FreeAddress(t)
	replaceBy(t, binary, before.Binary())
	i := listened(t, harness.Config{Binary: binary}, "-l", second)
	listening(t, i)
	early := waiting(i.Answers("tcp", second))
	i.WaitServing()
	c := i.Config
	c.Tables = fmt.Sprintf("[[listen]]\naddress = %q\ntls = false", second)
	i.Configure(c)
	s := &site{Instance: i, t: t}
	s.handOver(present)
	isAnswered(t, "a client that waited under the release before", early)
	loseMaster(t, i)
	isAnswered(t, "a client after a killed master", waiting(i.Answers("tcp", second)))
}
