package anchor_test

import (
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// manager is the socket of a service manager.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func listenNotify(t *testing.T, name string) manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	return manager{t, conn}
}

// hear waits for a datagram and returns its lines and how many descriptors
// came along.
func (m manager) hear() (lines []string, descriptors int) {
	m.t.Helper()
	b, oob := make([]byte, 4096), make([]byte, 256)
	n, oobn, _, _, err := m.conn.ReadMsgUnix(b, oob)
	if err != nil {
		m.t.Fatalf("systemd heard nothing: %v", err)
	}
	messages, _ := unix.ParseSocketControlMessage(oob[:oobn])
	for i := range messages {
		fds, _ := unix.ParseUnixRights(&messages[i])
		for _, fd := range fds {
			descriptors++
			_ = unix.Close(fd)
		}
	}
	return strings.Split(strings.TrimSuffix(string(b[:n]), "\n"), "\n"), descriptors
}

func (m manager) want(want string, descriptors int) {
	m.t.Helper()
	lines, n := m.hear()
	if got := strings.Join(lines, " "); got != want || n != descriptors {
		m.t.Errorf("systemd heard %q with %d descriptors, want %q with %d", got, n, want, descriptors)
	}
}

func TestSystemdHearsWhatConcernsItAndNeverMAINPID(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notify")
	systemd := listenNotify(t, path)
	r := begin(t, setting{env: []string{"NOTIFY_SOCKET=" + path}})
	m := r.master()
	m.do("pipe bundle w")
	m.do("pipe listen.a w")
	systemd.want("FDSTORE=1 FDNAME=listen.a", 1)
	m.do("say READY=1 STATUS=serving MAINPID=%d", m.Pid)
	systemd.want("READY=1 STATUS=serving", 0)
	m.do("say RELOADING=1")
	lines, _ := systemd.hear()
	if len(lines) != 2 || lines[0] != "RELOADING=1" || !strings.HasPrefix(lines[1], "MONOTONIC_USEC=") {
		t.Errorf("got %q, want RELOADING=1 and MONOTONIC_USEC= in one datagram", lines)
	}
	m.do("say RELOADING=1 MONOTONIC_USEC=17") // when it began, not when the anchor heard
	systemd.want("RELOADING=1 MONOTONIC_USEC=17", 0)
	m.do("say READY=1")
	systemd.want("READY=1", 0)
	m.do("say FDSTOREREMOVE=1 FDNAME=listen.a")
	systemd.want("FDSTOREREMOVE=1 FDNAME=listen.a", 0)
	r.signal(syscall.SIGTERM)
	systemd.want("STOPPING=1", 0)
	m.do("stopped")
	m.do("say STOPPING=1")
	m.leave(0)
	r.exit(0)
}

func TestAnAbstractSystemdSocketHearsTheWatchdog(t *testing.T) {
	t.Parallel()
	name := "@" + strings.ReplaceAll(t.TempDir(), "/", "-")
	systemd := listenNotify(t, name)
	r := begin(t, setting{env: []string{"NOTIFY_SOCKET=" + name, "WATCHDOG_USEC=20000"}})
	m := r.master()
	systemd.want("WATCHDOG=1", 0)
	systemd.want("WATCHDOG=1", 0)
	m.leave(0)
	r.exit(0)
}

func TestASystemdThatIsGoneDoesNotHoldUpAnything(t *testing.T) {
	t.Parallel()
	r := begin(t, setting{env: []string{"NOTIFY_SOCKET=" + filepath.Join(t.TempDir(), "nobody")}})
	m := r.ready()
	r.signal(syscall.SIGTERM)
	m.do("stopped")
	m.leave(0)
	r.exit(0)
}
