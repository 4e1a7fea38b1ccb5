package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// How long Listen waits for another starting instance, and for a live one to
// say who it is.
const (
	lockPatience = 2 * time.Second
	namePatience = time.Second
)

// Listen opens the socket at path, mode 0600, and its directory, mode 0700, if
// that is missing. A live instance there is an ErrInUse that names it; a socket
// left behind by a dead one is replaced. The descriptor is non-blocking and
// close-on-exec, may be stored and passed on, and closing it leaves the file.
func Listen(path string) (*os.File, error) {
	f, err := listen(path)
	if err == nil {
		return f, nil
	}
	if errors.Is(err, ErrInUse) {
		err = inUse(path)
	}
	return nil, fmt.Errorf("open control socket %q: %w", path, err)
}

func listen(path string) (*os.File, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	unlock := lock(dir)
	defer unlock()
	if err := vacate(path); err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	// Linux gives the file the mode that the unbound socket has, so that there
	// is no moment at which others could connect; the umask, which belongs to
	// the whole process, stays as it is.
	if err = unix.Fchmod(fd, 0o600); err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	}
	if err == nil {
		err = unix.Listen(fd, unix.SOMAXCONN)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// lock keeps two instances that start at once from each taking the other's new
// socket for a stale one. It is let go by itself when the process dies. Whoever
// can open the directory can hold it, so it is only waited for so long.
func lock(dir string) (unlock func()) {
	d, err := os.Open(dir)
	if err != nil {
		return func() {}
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	patience := time.After(lockPatience)
	for {
		err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = d.Close() }
		}
		select {
		case <-tick.C:
		case <-patience:
			return func() { _ = d.Close() }
		}
	}
}

// vacate makes the path free, or says who has it. It dials first: a socket that
// was left behind refuses, one of a live instance accepts.
func vacate(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("something else than a socket is there")
	}
	conn, err := net.DialTimeout("unix", path, namePatience)
	switch {
	case err == nil:
		_ = conn.Close()
		return ErrInUse
	case errors.Is(err, unix.EAGAIN): // its queue is full
		return ErrInUse
	case errors.Is(err, unix.ECONNREFUSED):
		return os.Remove(path)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	default:
		return err
	}
}

// inUse names the instance at path if it answers in time.
func inUse(path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), namePatience)
	defer cancel()
	s, err := Dial(path).Status(ctx)
	if err != nil {
		return ErrInUse
	}
	return fmt.Errorf("%w: pid %d, generation %d", ErrInUse, s.Pid, s.Generation)
}
