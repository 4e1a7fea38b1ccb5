package anchor

import (
	"fmt"
	"strings"
	"time"

	"example.com/handover/supervisor/notify"
	"golang.org/x/sys/unix"
)

// systemd is the service manager above, if there is one: nil says nothing.
type systemd struct {
	fd   int
	peer *unix.SockaddrUnix
}

// openSystemd prepares to speak to NOTIFY_SOCKET, a path or "@abstract".
func openSystemd(address string) (*systemd, error) {
	if address == "" {
		return nil, nil
	}
	if !strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "@") {
		return nil, fmt.Errorf("NOTIFY_SOCKET=%q: neither a path nor @abstract", address)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("NOTIFY_SOCKET=%q: %v", address, err)
	}
	// A receiver that does not read must not hold the anchor up for ever.
	patience := unix.NsecToTimeval((200 * time.Millisecond).Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &patience); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("NOTIFY_SOCKET=%q: %v", address, err)
	}
	return &systemd{fd: fd, peer: &unix.SockaddrUnix{Name: address}}, nil
}

// send tells systemd. Type=notify-reload wants RELOADING=1 and the time in one
// datagram, which a master of the release before does not say; MAINPID= is never
// sent, for it never changes.
func (s *systemd) send(message notify.Message, fd int) error {
	if s == nil {
		return nil
	}
	message.MainPID, message.StopTimeout, message.Pending, message.Command = 0, 0, false, false
	if message.Reloading && message.Since == 0 {
		var now unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
			return err
		}
		message.Since = time.Duration(now.Nano())
	}
	var rights []byte
	if fd >= 0 {
		rights = unix.UnixRights(fd)
	}
	return unix.Sendmsg(s.fd, message.Encode(), rights, s.peer, unix.MSG_NOSIGNAL)
}

func (s *systemd) close() {
	if s != nil {
		_ = unix.Close(s.fd)
	}
}
