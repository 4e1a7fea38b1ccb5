package master

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/control"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// openFiles takes over or opens everything that lives longer than a
// generation. What is new is stored with the anchor at once.
func (m *master) openFiles() error {
	m.created = append([]string{}, m.past.Sockets...)
	// The control socket first: of two instances it names the other one.
	if err := m.openControl(); err != nil {
		return err
	}
	if err := m.openPidFile(); err != nil {
		return err
	}
	for _, l := range m.config.Listen {
		if err := m.openListener(l); err != nil {
			return err
		}
	}
	return nil
}

func (m *master) openListener(l config.Listen) error {
	name := listenName(l.Address)
	if err := m.hold.claim(name); err != nil {
		return err
	}
	if m.hold.files[name] != nil {
		return nil
	}
	f, err := listen(l)
	if err != nil {
		hint := "stop what uses the address, or choose another in [[listen]]"
		if errors.Is(err, syscall.EACCES) {
			hint = "ports below 1024 need root or CAP_NET_BIND_SERVICE"
		}
		return status.Failed(status.ExitConfig, hint, "listen on %q: %v", l.Address, err)
	}
	if path, ok := strings.CutPrefix(l.Address, "unix:"); ok {
		m.created = append(m.created, path)
		m.createdNow = append(m.createdNow, path)
	}
	m.keepNew(name, f)
	return nil
}

// keepNew holds a descriptor that was opened by this generation.
func (m *master) keepNew(name string, f *os.File) {
	m.hold.files[name] = f
	m.fresh = append(m.fresh, name)
	m.anchor.store(name, f)
}

// listen opens a listening socket: one for all generations, never one per
// process, since a socket that closes resets what is queued at it.
func listen(l config.Listen) (*os.File, error) {
	network, address := "tcp", l.Address
	if path, ok := strings.CutPrefix(l.Address, "unix:"); ok {
		network, address = "unix", path
		if err := removeStale(path); err != nil {
			return nil, err
		}
	}
	ln, err := new(net.ListenConfig).Listen(context.Background(), network, address)
	if err != nil {
		return nil, unwrapBind(err)
	}
	defer func() { _ = ln.Close() }()
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	return adopt(ln.(syscall.Conn), l)
}

// adopt duplicates the descriptor without touching its mode and applies what
// the net package has no setting for.
func adopt(c syscall.Conn, l config.Listen) (*os.File, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var f *os.File
	var operr error
	err = raw.Control(func(fd uintptr) {
		if l.Backlog > 0 {
			operr = unix.Listen(int(fd), l.Backlog) // a second listen(2) only changes the backlog
		}
		var dup int
		if dup, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, wire.FirstDescriptor); err == nil {
			f = os.NewFile(uintptr(dup), l.Address)
		}
		operr = errors.Join(operr, err)
	})
	if err = errors.Join(err, operr); err != nil {
		return nil, err
	}
	if path, ok := strings.CutPrefix(l.Address, "unix:"); ok && l.Mode != "" {
		mode, err := strconv.ParseUint(l.Mode, 8, 32)
		if err == nil {
			err = os.Chmod(path, os.FileMode(mode))
		}
		if err != nil {
			return nil, fmt.Errorf("set mode of %q: %w", path, err)
		}
	}
	return f, nil
}

// removeStale unlinks a unix socket that nobody listens on any more. One that
// answers belongs to somebody else.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return nil // nothing there, or bind(2) says what is in the way
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		_ = conn.Close()
		return syscall.EADDRINUSE
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(path)
	}
	return nil
}

// unwrapBind takes the net package's own words off: the address stands in ours.
func unwrapBind(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		var sys *os.SyscallError
		if errors.As(op.Err, &sys) {
			return sys.Err
		}
		return op.Err
	}
	return err
}

// openControl takes over the control socket or opens it where the config now
// wants it; the old one is removed when the predecessor is gone.
func (m *master) openControl() error {
	path := m.config.ControlSocket()
	if m.hold.files[nameControl] != nil && m.past.Control == path {
		return nil
	}
	f, err := control.Listen(path)
	if err != nil {
		return status.Failed(status.ExitConfig, "stop the other instance, or set [control] socket to another path", "%v", err)
	}
	m.createdNow = append(m.createdNow, path)
	m.keepNew(nameControl, f)
	return nil
}

// openPidFile takes over or locks the pidfile. It is written in place: a rename
// would leave the lock behind with the old file.
func (m *master) openPidFile() error {
	path := m.config.PidFile
	if path == "" || (m.hold.files[namePidFile] != nil && m.past.PidFile == path) {
		return nil
	}
	f, err := lockPidFile(path)
	if err != nil {
		return status.Failed(status.ExitConfig, "stop the other instance, or choose another pidfile", "%v", err)
	}
	m.createdNow = append(m.createdNow, path)
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
	wanted := map[string]bool{}
	for _, l := range m.config.Listen {
		wanted[listenName(l.Address)] = true
	}
	names := append(m.hold.names(), m.past.Descriptors...)
	for _, name := range names {
		if strings.HasPrefix(name, prefixListen) && !wanted[name] {
			m.anchor.forget(name)
			m.hold.drop(name)
		}
	}
	kept := m.created[:0]
	for _, path := range m.created {
		if wanted[listenName("unix:"+path)] {
			kept = append(kept, path)
			continue
		}
		_ = os.Remove(path)
	}
	m.created = kept
}

// removeCreated removes every path that is this service's own.
func (m *master) removeCreated() {
	for _, path := range m.created {
		_ = os.Remove(path)
	}
	m.removeControl()
}

func (m *master) removeControl() {
	if m.hold.files[nameControl] != nil {
		_ = os.Remove(m.config.ControlSocket())
	}
	if m.hold.files[namePidFile] != nil {
		_ = os.Remove(m.config.PidFile)
	}
}

// forgetNew undoes what a failed boot opened: the predecessor never had it.
func (m *master) forgetNew() {
	for _, name := range m.fresh {
		m.anchor.forget(name)
	}
	if m.hold.hasParent() {
		for _, path := range m.createdNow {
			_ = os.Remove(path)
		}
	}
}
