package master

import (
	"encoding/hex"
	"errors"
	"strings"
	"syscall"
	"time"

	"example.com/handover/worker/wire"
)

// How long the service manager may take to close a socket of its store, and how
// often it is looked whether it has.
const (
	releasing = 2 * time.Second
	glance    = 10 * time.Millisecond
)

// judgeStored looks, at the start of a service, at the sockets that an earlier run
// left in the service manager's store. What the config does not name any more, or
// what no client reaches, must be closed there as well before another is bound.
func (m *master) judgeStored() {
	if m.hold.hasParent() || m.past.Generation != 0 {
		return
	}
	wanted, paths := wantedSockets(m.config), []string{}
	for name, f := range m.hold.files {
		if !strings.HasPrefix(name, prefixListen) || f == nil {
			continue
		}
		at := localOf(wire.Descriptor(f))
		named := at.path != ""
		if wanted[name] && at.serves(addressOf(name)) && (!named || reached(wire.Descriptor(f), at.path)) {
			if named {
				m.created, m.lent = append(m.created, at.path), append(m.lent, at.path)
			}
			continue
		}
		if named {
			paths = append(paths, at.path)
		}
		m.anchor.forget(name)
		m.hold.drop(name)
		m.releasedBy = time.Now().Add(releasing)
	}
	for _, path := range paths { // once nobody listens there, unless it is somebody else
		_ = m.patiently(func() error { return removeStale(path) })
	}
}

// patiently repeats what fails because an address is in use, for as long as the
// service manager may still have it. There is nothing to wait on: systemd closes what
// it keeps in a thread of its own, some time after it has read that it should.
func (m *master) patiently(attempt func() error) error {
	for {
		err := attempt()
		if !errors.Is(err, syscall.EADDRINUSE) || !time.Now().Before(m.releasedBy) {
			return err
		}
		<-time.After(glance)
	}
}

// addressOf returns the address in the name of a listening socket, or "".
func addressOf(name string) string {
	digits, ok := strings.CutPrefix(name, prefixListen)
	address, err := hex.DecodeString(digits)
	if !ok || err != nil {
		return ""
	}
	return string(address)
}
