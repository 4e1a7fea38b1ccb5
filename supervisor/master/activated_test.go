package master

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"example.com/handover/supervisor/config"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// unspoiled closes the test's own end of a net socket and returns a duplicate whose
// mode is as it was.
func unspoiled(t *testing.T, c interface {
	syscall.Conn
	Close() error
},
) *os.File {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var f *os.File
	_ = raw.Control(func(fd uintptr) {
		var dup int
		if dup, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, wire.FirstDescriptor); err == nil {
			f = os.NewFile(uintptr(dup), "socket")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// bound opens a listening socket and returns it with its port.
func bound(t *testing.T, network, host string) (*os.File, string) {
	t.Helper()
	l, err := net.Listen(network, net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return unspoiled(t, l.(*net.TCPListener)), port
}

func boundUnix(t *testing.T, path string) *os.File {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	return unspoiled(t, l)
}

func TestASocketServesTheAddressesThatMeanIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		network, host, text string // PORT stands for its port
		serves, others      []string
	}{
		{"tcp", "", ":PORT", []string{":PORT", "0.0.0.0:PORT", "[::]:PORT"}, []string{":1", "127.0.0.1:PORT", "[::1]:PORT", "localhost:PORT", "unix:/PORT"}},
		{"tcp6", "::", "[::]:PORT", []string{":PORT", "[::]:PORT"}, []string{"0.0.0.0:PORT", "[::1]:PORT"}},
		{"tcp4", "0.0.0.0", "0.0.0.0:PORT", []string{":PORT", "0.0.0.0:PORT"}, []string{"[::]:PORT", "127.0.0.1:PORT"}},
		{"tcp4", "127.0.0.1", "127.0.0.1:PORT", []string{"127.0.0.1:PORT", "localhost:PORT", "[::ffff:127.0.0.1]:PORT"}, []string{":PORT", "127.0.0.2:PORT", "0.0.0.0:PORT"}},
		{"tcp6", "::1", "[::1]:PORT", []string{"[::1]:PORT", "[0::1]:PORT"}, []string{":PORT", "127.0.0.1:PORT", "[::]:PORT"}},
	} {
		f, port := bound(t, tt.network, tt.host)
		at := localOf(wire.Descriptor(f))
		full := func(text string) string { return strings.ReplaceAll(text, "PORT", port) }
		if got := at.String(); got != full(tt.text) {
			t.Errorf("%s %q: got %q, want %q", tt.network, tt.host, got, full(tt.text))
		}
		for _, address := range tt.serves {
			if !at.serves(full(address)) {
				t.Errorf("%s %q: serves %q: got no, want yes", tt.network, tt.host, address)
			}
		}
		for _, address := range tt.others {
			if at.serves(full(address)) {
				t.Errorf("%s %q: serves %q: got yes, want no", tt.network, tt.host, address)
			}
		}
	}
}

func TestAUnixSocketServesEveryPathThatLeadsToIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("run", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "run", "web.sock")
	at := localOf(wire.Descriptor(boundUnix(t, path)))
	if got := at.String(); got != "unix:"+path {
		t.Errorf("got %q, want %q", got, "unix:"+path)
	}
	for address, want := range map[string]bool{
		"unix:" + path: true, "unix:" + filepath.Join(dir, "link", "web.sock"): true, "unix:" + dir + "/run/other": false, ":80": false,
	} {
		if got := at.serves(address); got != want {
			t.Errorf("serves %q: got %v, want %v", address, got, want)
		}
	}
}

func TestAUnixSocketIsReachedByItsPathAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "web.sock")
	fd := wire.Descriptor(boundUnix(t, path))
	if !reached(fd, path) {
		t.Error("got not reached, want reached by its path")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if reached(fd, path) {
		t.Error("got reached, want not: its path is gone")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if reached(fd, path) {
		t.Error("got reached, want not: a file has its path")
	}
	if os.Getuid() != 0 {
		return // whose socket has the path only root is told
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	boundUnix(t, path)
	if reached(fd, path) {
		t.Error("got reached, want not: another socket has its path")
	}
}

func TestWhoeverHasTooManyClientsWaitingListens(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "web.sock")
	f := boundUnix(t, path)
	if err := unix.Listen(wire.Descriptor(f), 0); err != nil {
		t.Fatal(err)
	}
	for {
		client, err := net.Dial("unix", path)
		if err != nil {
			if !errors.Is(err, unix.EAGAIN) {
				t.Fatal(err)
			}
			break
		}
		defer func() { _ = client.Close() }()
	}
	if !answered(path) {
		t.Error("got nobody, want somebody who listens")
	}
	if err := removeStale(path); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("got %v, want an address in use", err)
	}
}

func TestNoSocketIsTakenForTwoAddresses(t *testing.T) {
	t.Parallel()
	f, port := bound(t, "tcp4", "127.0.0.1")
	h := held(f)
	for address, want := range map[string]bool{"127.0.0.1:" + port: true, "[::ffff:127.0.0.1]:" + port: false} {
		delete(h.files, listenName("127.0.0.1:"+port))
		if !want {
			h.files[listenName("127.0.0.1:"+port)] = f
		}
		got, err := h.takeActivated(address)
		if err != nil || (got != nil) != want {
			t.Errorf("%q: got %v, %v, want taken: %v", address, got, err, want)
		}
		if got != nil {
			_ = got.Close()
		}
	}
}

// held is a holding of what a service manager has passed.
func held(files ...*os.File) *holding {
	h := &holding{files: map[string]*os.File{}}
	for i, f := range files {
		h.files[prefixActivated+strconv.Itoa(i)+".unit-"+strconv.Itoa(i)+".socket"] = f
	}
	return h
}

func TestASocketThatCannotBeServedIsRefusedWithWhatToWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	datagram, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	packets, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	abstract, err := net.Listen("unix", "@"+dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	client, err := new(net.Dialer).DialContext(context.Background(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(dir, "file"))
	if err != nil {
		t.Fatal(err)
	}
	seqpacket := os.NewFile(uintptr(packets), "seqpacket")
	for _, f := range []*os.File{seqpacket, file} {
		t.Cleanup(func() { _ = f.Close() })
	}
	for want, f := range map[string]*os.File{
		"datagram socket":                   unspoiled(t, datagram.(*net.UDPConn)),
		"sequential-packet socket":          seqpacket,
		"no address of TCP and to no path":  unspoiled(t, abstract.(*net.UnixListener)),
		"one connection":                    unspoiled(t, client.(*net.TCPConn)),
		"no socket":                         file,
		`socket 1 ("unit-0.socket") from t`: file,
	} {
		m := &master{hold: held(f)}
		err := m.judgeActivated()
		if err == nil || !strings.Contains(err.Error(), want) || explain(err).Code != 78 || explain(err).Hint() == "" {
			t.Errorf("got %v, want %q in it, a hint, and status 78", err, want)
			continue
		}
		if want == "one connection" && !strings.Contains(explain(err).Hint(), "Accept=no") {
			t.Errorf("hint: got %q, want Accept=no in it", explain(err).Hint())
		}
	}
	good, _ := bound(t, "tcp", "127.0.0.1")
	if err := (&master{hold: held(good)}).judgeActivated(); err != nil {
		t.Errorf("a listening socket: got %v, want none", err)
	}
}

func TestOfSeveralSocketsTheOneForBothFamiliesIsTaken(t *testing.T) {
	t.Parallel()
	four, port := bound(t, "tcp4", "0.0.0.0")
	l, err := net.Listen("tcp6", "[::]:"+port)
	if err != nil {
		t.Fatal(err)
	}
	six := unspoiled(t, l.(*net.TCPListener))
	h := held(four, six)
	taken := func(address string) *os.File {
		t.Helper()
		f, err := h.takeActivated(address)
		if err != nil {
			t.Fatal(err)
		}
		if f != nil {
			t.Cleanup(func() { _ = f.Close() })
		}
		return f
	}
	for address, want := range map[string]*os.File{"0.0.0.0:" + port: four, "[::]:" + port: six, ":" + port: four, "127.0.0.1:" + port: nil} {
		got := taken(address)
		if (got == nil) != (want == nil) || got != nil && !sameSocket(t, got, want) {
			t.Errorf("%q: got %v, want %v", address, got, want)
		}
	}
	m := &master{hold: h, config: &config.Config{Listen: []config.Listen{{Address: ":" + port}}}}
	if hint := m.inTheWay("127.0.0.1:" + port); !strings.Contains(hint, "0.0.0.0:"+port) || !strings.Contains(hint, "ListenStream=127.0.0.1:"+port) {
		t.Errorf("hint: got %q, want both ways out of it", hint)
	}
	h.files[listenName(":"+port)] = taken(":" + port)
	list := h.activated()
	if !h.uses(list[0]) || h.uses(list[1]) || !m.answers(list[1].local) {
		t.Errorf("got used %v and %v, want the first alone, and the second known to mean the same address", h.uses(list[0]), h.uses(list[1]))
	}
	if !h.passedIn(h.files[listenName(":"+port)]) {
		t.Error("got a socket of our own, want the service manager's")
	}
}

func sameSocket(t *testing.T, a, b *os.File) bool {
	t.Helper()
	x, errX := a.Stat()
	y, errY := b.Stat()
	if errX != nil || errY != nil {
		t.Fatal(errX, errY)
	}
	return os.SameFile(x, y)
}
