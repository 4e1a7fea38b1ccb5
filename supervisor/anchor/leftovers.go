package anchor

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// leftovers are the files behind stored descriptors, by name: unix sockets that
// a master made, and the pidfile. A master removes them when it stops; one that
// is killed while it does leaves them, and there is no other after it.
type leftovers map[string]string

// note remembers the file behind fd, if it is one of those.
func (l leftovers) note(name string, fd int) {
	delete(l, name)
	switch {
	case name == "pidfile":
		if path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil {
			l[name] = path
		}
	case name == "control" || strings.HasPrefix(name, "listen.") || strings.HasPrefix(name, "admin."):
		address, err := unix.Getsockname(fd)
		if unixAddress, ok := address.(*unix.SockaddrUnix); err == nil && ok && strings.HasPrefix(unixAddress.Name, "/") {
			l[name] = unixAddress.Name
		}
	}
}

// remove removes what is still there and still ours.
func (l leftovers) remove() {
	for name, path := range l {
		if name == "pidfile" {
			b, err := os.ReadFile(path)
			if err == nil && strings.TrimSpace(string(b)) == fmt.Sprint(os.Getpid()) {
				_ = os.Remove(path)
			}
			continue
		}
		if dead(path) {
			_ = os.Remove(path)
		}
	}
}

// dead says whether nobody listens on a unix socket.
func dead(path string) bool {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.Connect(fd, &unix.SockaddrUnix{Name: path}) == unix.ECONNREFUSED
}
