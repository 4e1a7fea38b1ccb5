package master

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

func ctlName(generation, slot int) string {
	return fmt.Sprintf("%s%d.%d", prefixCtl, generation, slot)
}

// keepReach keeps the socket on which a worker takes messages for the masters to
// come, who have to tell it of a new access log while it drains. Once it was told
// "go" the end of that socket means nothing to it any more; before, it would have
// to end with its master, and so must be held by nobody else. Once the generation
// is gone it is a stray.
func (m *master) keepReach(w *worker) {
	if w.reach == nil || m.successor != nil {
		return // a successor that boots could not be told of it, and would not forget it
	}
	name := ctlName(m.generation, w.slot)
	m.hold.drop(name) // of an earlier worker of the slot
	delete(m.hold.passed, name)
	m.hold.files[name], w.reach = w.reach, nil
	m.anchor.store(name, m.hold.files[name])
}

// loseReach forgets the socket of a worker that has ended.
func (m *master) loseReach(w *worker) {
	if w.reach != nil {
		_ = w.reach.Close()
		return
	}
	name := ctlName(m.generation, w.slot)
	m.hold.drop(name)
	m.anchor.forget(name)
}

// reachedBy returns the generation of the worker that a socket of this name leads
// to, or 0.
func reachedBy(name string) int {
	text, ok := strings.CutPrefix(name, prefixCtl)
	number, _, found := strings.Cut(text, ".")
	generation, err := strconv.Atoi(number)
	if !ok || !found || err != nil {
		return 0
	}
	return generation
}

// passOn sends a message with a file to the workers of older generations that are
// known. One that has ended, or is stopped with a full socket, is left alone.
func (m *master) passOn(kind wire.Kind, file *os.File) {
	b, err := wire.Encode(wire.Message{Kind: kind})
	if err != nil {
		return
	}
	for name, f := range m.hold.files {
		if g := reachedBy(name); g != 0 && g != m.generation {
			rights := unix.UnixRights(wire.Descriptor(file))
			_ = unix.Sendmsg(wire.Descriptor(f), b, rights, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		}
	}
}
