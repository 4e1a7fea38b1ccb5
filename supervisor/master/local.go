package master

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// local is where a socket is bound, as the kernel says: for a socket that somebody
// else opened there is no other word to go by.
type local struct {
	at   netip.AddrPort // of TCP
	both bool           // bound to all addresses of IPv6 and of IPv4
	path string         // of a unix socket
}

// localOf returns the zero local for a socket that no address of a config can mean.
func localOf(fd int) local {
	address, err := unix.Getsockname(fd)
	if err != nil {
		return local{}
	}
	switch a := address.(type) {
	case *unix.SockaddrInet4:
		return local{at: netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))}
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(a.Addr).Unmap()
		if a.ZoneId != 0 {
			ip = ip.WithZone(zoneOf(int(a.ZoneId)))
		}
		only, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		return local{at: netip.AddrPortFrom(ip, uint16(a.Port)), both: ip.Is6() && ip.IsUnspecified() && err == nil && only == 0}
	case *unix.SockaddrUnix:
		if strings.HasPrefix(a.Name, "/") {
			return local{path: filepath.Clean(a.Name)}
		}
	}
	return local{}
}

func zoneOf(index int) string {
	if i, err := net.InterfaceByIndex(index); err == nil {
		return i.Name
	}
	return strconv.Itoa(index)
}

// String returns the address that a config means it by.
func (l local) String() string {
	switch {
	case l.path != "":
		return "unix:" + l.path
	case l.both:
		return ":" + strconv.Itoa(int(l.at.Port()))
	default:
		return l.at.String()
	}
}

// serves says whether a socket bound here is what a config means by address: the
// same that would be bound for it, or, where that is all addresses, those of one
// family. One that is bound to all is never taken for one address: it would let in
// whom the config keeps out.
func (l local) serves(address string) bool {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return l.path != "" && samePath(path, l.path)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || !l.at.IsValid() || port != strconv.Itoa(int(l.at.Port())) {
		return false
	}
	own := l.at.Addr()
	ip, err := netip.ParseAddr(host)
	switch ip = ip.Unmap(); {
	case host == "":
		return own.IsUnspecified()
	case err == nil && ip.IsUnspecified():
		return own.IsUnspecified() && (l.both || own.Is4() == ip.Is4())
	case err == nil:
		return own == ip
	case own.IsUnspecified():
		return false
	}
	named, err := net.ResolveTCPAddr("tcp", address) // as for a socket of our own
	return err == nil && named.AddrPort().Addr().Unmap() == own
}

// samePath says whether two paths lead to one socket: /var/run is a link to /run.
func samePath(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// answered says whether somebody listens on a unix socket: also who has so many clients
// waiting that the kernel lets in no more.
func answered(path string) bool {
	conn, err := net.Dial("unix", path)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil || errors.Is(err, unix.EAGAIN)
}

// siocunixfile is the ioctl that opens the file to which a unix socket is bound.
const siocunixfile = 0x89e0

// reached says whether who connects to path meets the unix socket behind fd, and
// not nobody, or another. Whoever may not ask the kernel which file that is finds
// out only whether somebody listens.
func reached(fd int, path string) bool {
	there, err := os.Stat(path)
	if err != nil || there.Mode()&os.ModeSocket == 0 {
		return false
	}
	bound, err := unix.IoctlRetInt(fd, siocunixfile)
	if err != nil {
		return answered(path)
	}
	f := os.NewFile(uintptr(bound), path)
	defer func() { _ = f.Close() }()
	own, err := f.Stat()
	return err == nil && os.SameFile(own, there)
}
