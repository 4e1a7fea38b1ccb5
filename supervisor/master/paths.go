package master

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"example.com/handover/supervisor/control"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// openControl takes over the control socket or opens it where the config now
// wants it; the old one is removed when the predecessor is gone.
func (m *master) openControl() error {
	path := m.config.ControlSocket()
	if f := m.hold.files[nameControl]; f != nil && boundTo(f) == path {
		return nil
	}
	m.hold.drop(nameControl)
	f, err := control.Listen(path)
	if err != nil {
		return status.Failed(status.ExitConfig, "\"handover reload\" has it take a changed configuration; for a second instance use another file, or another [control] socket", "%v", err)
	}
	m.made(path)
	m.keepNew(nameControl, f)
	return nil
}

// boundTo returns the path of a unix socket. The descriptor itself says what it
// is: what the state says of it may be of another moment.
func boundTo(f *os.File) string {
	address, err := unix.Getsockname(wire.Descriptor(f))
	if a, ok := address.(*unix.SockaddrUnix); err == nil && ok {
		return a.Name
	}
	return ""
}

// sameFile says whether path still leads to f.
func sameFile(f *os.File, path string) bool {
	ours, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(ours, there)
}

// openPidFile takes over or locks the pidfile. It is written in place: a rename
// would leave the lock behind with the old file.
func (m *master) openPidFile() error {
	path := m.config.PidFile
	if path == "" {
		return nil
	}
	if f := m.hold.files[namePidFile]; f != nil && sameFile(f, path) {
		return nil
	}
	m.hold.drop(namePidFile)
	f, err := lockPidFile(path)
	if err != nil {
		hint := "stop the other instance, or choose another pidfile"
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			hint = "pidfile must be in a folder that is there and may be written to"
		}
		return status.Failed(status.ExitConfig, hint, "%v", err)
	}
	m.made(path)
	m.keepNew(namePidFile, f)
	return nil
}

func lockPidFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open pidfile: %w", err)
	}
	if err := unix.Flock(wire.Descriptor(f), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock pidfile %q: another instance holds it", path)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(anchorPid())+"\n"), 0)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("write pidfile %q: %w", path, err)
	}
	return f, nil
}

// anchorPid is the one PID that the world knows.
func anchorPid() int {
	pid, err := strconv.Atoi(os.Getenv(wire.AnchorVariable))
	if err != nil {
		return os.Getppid()
	}
	return pid
}

// removeStalePaths removes what the predecessor needed and the config does not
// name any more.
func (m *master) removeStalePaths() {
	for _, pair := range [][2]string{{m.past.Control, m.config.ControlSocket()}, {m.past.PidFile, m.config.PidFile}} {
		if pair[0] != "" && pair[0] != pair[1] {
			_ = os.Remove(pair[0])
		}
	}
	wanted := wantedSockets(m.config)
	names := append(m.hold.names(), adminName(m.past.Admin))
	for _, name := range append(names, m.past.Descriptors...) {
		if (strings.HasPrefix(name, prefixListen) || strings.HasPrefix(name, prefixAdmin)) && !wanted[name] {
			m.anchor.forget(name)
			m.hold.drop(name)
		}
	}
	kept := m.created[:0]
	for _, path := range m.created {
		if wanted[listenName("unix:"+path)] || wanted[adminName("unix:"+path)] {
			kept = append(kept, path)
			continue
		}
		_ = os.Remove(path)
	}
	m.created = kept
}

// removeDrained removes the paths of a service that has drained. A socket that is
// still answered is somebody else's by now, or the anchor is about to close its
// copy and removes it then.
func (m *master) removeDrained() {
	for _, path := range m.created {
		_ = removeStale(path)
	}
	m.removeControl()
}

// removeCreated removes every path that is this service's own. One that leads to a
// socket in the service manager's store is left: clients wait there for the next start,
// which could not keep a socket without its path.
func (m *master) removeCreated() {
	for _, path := range m.created {
		if !slices.Contains(m.lent, path) {
			_ = os.Remove(path)
		}
	}
	m.removeControl()
}

func (m *master) removeControl() {
	if m.config == nil {
		return
	}
	if m.hold.files[nameControl] != nil {
		_ = os.Remove(m.config.ControlSocket())
	}
	if f := m.hold.files[namePidFile]; f != nil && sameFile(f, m.config.PidFile) {
		_ = os.Remove(m.config.PidFile)
	}
}

// forgetNew undoes what a failed boot opened: the predecessor never had it.
func (m *master) forgetNew() {
	if m.hold.hasParent() {
		for _, path := range m.createdNow {
			_ = os.Remove(path)
		}
	}
}

// made notes a path that this generation made. The predecessor is told at once:
// if this process is killed, it is left to that one to remove it.
func (m *master) made(path string) {
	m.createdNow = append(m.createdNow, path)
	m.steps.write(reportLine{Made: path})
}

// removePast removes the paths of a service whose master was killed and which is
// told to stop before another one has read the config.
func (m *master) removePast() {
	for _, path := range append(m.past.Sockets, m.past.Control, m.past.PidFile) {
		if path != "" {
			_ = os.Remove(path)
		}
	}
}
