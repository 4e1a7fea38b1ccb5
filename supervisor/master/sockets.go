package master

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"example.com/handover/supervisor/config"
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
	if m.past.Generation == 0 {
		if err := m.judgeActivated(); err != nil {
			return err
		}
	}
	m.judgeStored()
	for _, l := range m.config.Listen {
		if err := m.openListener(l); err != nil {
			return err
		}
	}
	return m.openAdmin()
}

func (m *master) openListener(l config.Listen) error {
	return m.openSocket(listenName(l.Address), "[[listen]]", l)
}

// openSocket takes over the listening socket of that name, from the predecessor or
// the service manager, or opens it.
func (m *master) openSocket(name, table string, l config.Listen) error {
	if err := m.hold.claim(name); err != nil || m.hold.files[name] != nil {
		return err
	}
	f, err := m.hold.takeActivated(l.Address)
	if err != nil {
		return err
	}
	if f != nil {
		// Not stored: the anchor has it under its own name, and systemd's store must
		// not hold what its socket unit does.
		m.hold.files[name] = f
		delete(m.hold.passed, name)
		return nil
	}
	err = m.patiently(func() error {
		f, err = listen(l)
		return err
	})
	if err != nil {
		return status.Failed(status.ExitConfig, m.listenHint(table, l.Address, err), "listen on %q: %v", l.Address, err)
	}
	if path, ok := strings.CutPrefix(l.Address, "unix:"); ok {
		m.created = append(m.created, path)
		m.made(path)
	}
	m.keepNew(name, f)
	return nil
}

// listenHint says what may help against an error of listen.
func (m *master) listenHint(table, address string, err error) string {
	passed, own := m.inTheWay(address), m.sharesPort(address)
	switch used := errors.Is(err, syscall.EADDRINUSE); {
	case errors.Is(err, syscall.EACCES):
		return "ports below 1024 need root, CAP_NET_BIND_SERVICE or a socket unit"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no interface of this machine has the address: \"ip address\" shows which there are; \":PORT\" is on all of them"
	case used && passed != "":
		return passed
	case used && own != "":
		return fmt.Sprintf("this service itself listens on %q until the reload is over: choose another port, or stop and start it", own)
	}
	return "stop what uses the address (\"ss -ltnp\" shows it), or choose another in " + table
}

// keepNew holds a descriptor that was opened by this generation, in place of one
// that it inherited under the name.
func (m *master) keepNew(name string, f *os.File) {
	m.hold.files[name] = f
	delete(m.hold.passed, name)
	m.fresh = append(m.fresh, name)
}

// storeFresh has the anchor keep what this generation opened. Not earlier: of a
// generation that is killed in its boot the anchor would hold a socket that
// nobody accepts from.
func (m *master) storeFresh() {
	for _, name := range m.fresh {
		m.anchor.store(name, m.hold.files[name])
	}
}

// adjust applies to the sockets that were kept what the config now says.
func (m *master) adjust() {
	for _, l := range m.config.Listen {
		f := m.hold.files[listenName(l.Address)]
		if f == nil || slices.Contains(m.fresh, listenName(l.Address)) || m.hold.passedIn(f) {
			continue
		}
		if err := setBacklog(wire.Descriptor(f), l.Backlog); err != nil {
			m.log.Warn("set backlog", "address", l.Address, "error", err)
		}
		if err := setMode(l); err != nil {
			m.log.Warn("set mode of socket", "address", l.Address, "error", err)
		}
	}
}

// setBacklog changes the backlog of a listening socket: a second listen(2) does
// nothing else. The kernel cuts it to net.core.somaxconn, which is the system's.
func setBacklog(fd, backlog int) error {
	if backlog <= 0 {
		backlog = math.MaxInt32
	}
	return unix.Listen(fd, backlog)
}

// setMode sets the mode of a unix socket.
func setMode(l config.Listen) error {
	path, ok := strings.CutPrefix(l.Address, "unix:")
	if !ok || l.Mode == "" {
		return nil
	}
	mode, err := strconv.ParseUint(l.Mode, 8, 32)
	if err == nil {
		err = os.Chmod(path, os.FileMode(mode))
	}
	if err != nil {
		return fmt.Errorf("set mode of %q: %w", path, err)
	}
	return nil
}

// sharesPort returns the address of the predecessor's with the port of address,
// or "".
func (m *master) sharesPort(address string) string {
	_, port, err := net.SplitHostPort(address)
	for _, name := range m.past.Descriptors {
		own := addressOf(name)
		if _, p, ownErr := net.SplitHostPort(own); err == nil && ownErr == nil && p == port {
			return own
		}
	}
	return ""
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
			operr = setBacklog(int(fd), l.Backlog)
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
	if err := setMode(l); err != nil {
		_ = f.Close()
		return nil, err
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
	}
	switch {
	case err == nil, errors.Is(err, syscall.EAGAIN): // the latter: more clients wait there than may
		return syscall.EADDRINUSE
	case errors.Is(err, syscall.ECONNREFUSED):
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
