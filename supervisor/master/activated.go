package master

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// prefixActivated begins the names of the sockets that a service manager passed,
// which the anchor numbers. They are handed from master to master as they came, and
// a listener among them is a duplicate: so a config may lose and gain an address of
// theirs as often as it likes.
const prefixActivated = "activated."

// activated is a socket that the service manager passed.
type activated struct {
	number int
	unit   string // what the service manager calls it
	file   *os.File
	local
}

// activated returns the sockets of the service manager, as it ordered them.
func (h *holding) activated() []activated {
	var list []activated
	for name, f := range h.files {
		rest, ok := strings.CutPrefix(name, prefixActivated)
		if !ok || f == nil {
			continue
		}
		digits, unit, _ := strings.Cut(rest, ".")
		number, _ := strconv.Atoi(digits)
		list = append(list, activated{number, unit, f, localOf(wire.Descriptor(f))})
	}
	slices.SortFunc(list, func(a, b activated) int { return a.number - b.number })
	return list
}

// String says it as somebody who wrote the socket unit would find it.
func (a activated) String() string {
	name := fmt.Sprintf("socket %d", a.number+1)
	if a.unit != "" {
		name += fmt.Sprintf(" (%q)", a.unit)
	}
	return name
}

// passedIn says whether f is a socket that the service manager passed: its backlog, its
// mode and its path are not ours to change.
func (h *holding) passedIn(f *os.File) bool {
	own, err := f.Stat()
	return err == nil && slices.ContainsFunc(h.activated(), func(a activated) bool {
		other, err := a.file.Stat()
		return err == nil && os.SameFile(own, other)
	})
}

// takeActivated returns a duplicate of the passed socket that serves address, or
// nil. Of several the one for both families is the first choice. One that another
// address has is not taken again: a name that resolves to the same would serve
// plaintext where the other serves TLS.
func (h *holding) takeActivated(address string) (*os.File, error) {
	var found *activated
	for _, a := range h.activated() {
		if fault, _ := a.fault(); fault == "" && a.serves(address) && (found == nil || a.both && !found.both) && !h.uses(a) {
			found = &a
		}
	}
	if found == nil {
		return nil, nil
	}
	return wire.Duplicate(found.file)
}

// judgeActivated refuses to start with a socket that cannot be served. To leave it
// alone would be to leave the clients of it waiting.
func (m *master) judgeActivated() error {
	for _, a := range m.hold.activated() {
		if fault, hint := a.fault(); fault != "" {
			return status.Failed(status.ExitConfig, hint, "take %s from the service manager: %s, expected a listening stream socket", a, fault)
		}
	}
	return nil
}

// fault says why it cannot be listened on; empty: it can.
func (a activated) fault() (fault, hint string) {
	fd := wire.Descriptor(a.file)
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return "it is no socket", "keep ListenStream= alone in the socket unit"
	}
	if kind != unix.SOCK_STREAM {
		names := map[int]string{unix.SOCK_DGRAM: "a datagram socket", unix.SOCK_SEQPACKET: "a sequential-packet socket"}
		return "it is " + cmp.Or(names[kind], "of another type"), "HTTP is served over TCP and unix stream sockets: write ListenStream= in the socket unit"
	}
	if listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || listening == 0 {
		return "it is one connection", "set Accept=no in the socket unit: one service answers all connections"
	}
	if a.local == (local{}) {
		return "it is bound to no address of TCP and to no path", "write ListenStream= with a port, an address or an absolute path in the socket unit"
	}
	return "", ""
}

// inTheWay is a hint for an address that cannot be bound since the service manager
// has passed a socket that is bound to another of the same port; or empty.
func (m *master) inTheWay(address string) string {
	_, port, err := net.SplitHostPort(address)
	for _, a := range m.hold.activated() {
		if err == nil && port == strconv.Itoa(int(a.at.Port())) {
			return fmt.Sprintf("the service manager passes %s as %q: write that address, or ListenStream=%s in its unit", a, a.local, strings.TrimPrefix(address, ":"))
		}
	}
	return ""
}

// wantedSockets returns the names of the sockets that a config asks for.
func wantedSockets(c *config.Config) map[string]bool {
	wanted := map[string]bool{adminName(c.Admin.Address): true}
	for _, l := range c.Listen {
		wanted[listenName(l.Address)] = true
	}
	return wanted
}

// sayUnused warns of sockets that the service manager passed and no address of the
// config is served on: at the start of the service, and when a reload lets go of one.
func (m *master) sayUnused() {
	before := []string{m.past.Admin}
	for _, name := range m.past.Descriptors {
		before = append(before, addressOf(name))
	}
	for _, a := range m.hold.activated() {
		if fault, _ := a.fault(); fault != "" || m.hold.uses(a) {
			continue
		}
		if m.generation > 1 && !slices.ContainsFunc(before, a.serves) {
			continue // it was said at the start
		}
		hint := fmt.Sprintf("write [[listen]] address = %q, or take it out of the socket unit", a.local)
		if m.answers(a.local) {
			hint = "one address takes one socket: for both families write ListenStream= with the port alone"
		}
		m.log.Warn("socket of the service manager is not served: clients connect to it and wait",
			"socket", a.String(), "address", a.local.String(), "hint", hint)
	}
}

// uses says whether a is one of the sockets that are listened on.
func (h *holding) uses(a activated) bool {
	own, err := a.file.Stat()
	for name, f := range h.files {
		if err != nil || f == nil || !strings.HasPrefix(name, prefixListen) && !strings.HasPrefix(name, prefixAdmin) {
			continue
		}
		if other, err := f.Stat(); err == nil && os.SameFile(own, other) {
			return true
		}
	}
	return false
}

// answers says whether an address of the config means l.
func (m *master) answers(l local) bool {
	return l.serves(m.config.Admin.Address) || slices.ContainsFunc(m.config.Listen, func(c config.Listen) bool { return l.serves(c.Address) })
}
