package wire

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// WriteOnce makes one write(2) to a file that may be anybody's: not through the
// poller and without changing its mode. It waits for room, also where somebody else
// has made the file non-blocking. An error is an *os.PathError.
func WriteOnce(f *os.File, b []byte) (int, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	n := 0
	var writeErr error
	err = raw.Control(func(fd uintptr) {
		for {
			n, writeErr = unix.Write(int(fd), b)
			if errors.Is(writeErr, unix.EAGAIN) {
				_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1)
			} else if !errors.Is(writeErr, unix.EINTR) {
				return
			}
		}
	})
	if writeErr != nil {
		err = &os.PathError{Op: "write", Path: f.Name(), Err: writeErr}
	}
	return max(0, n), err
}
