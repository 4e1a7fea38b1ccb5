package master

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// relaysWait bounds the end of all relays.
const relaysWait = time.Second

// pipeSize is how much a worker may write while nobody reads, and pipesSize what
// the pipes of a generation hold together. The kernel lets the processes of an
// ordinary user enlarge pipes up to a sum, beyond which it makes all their further
// pipes tiny (pipe-user-pages-soft in pipe(7)).
const (
	pipeSize  = 1 << 20
	pipesSize = 16 << 20
	pipeLeast = 64 << 10 // what the kernel gives anyway
)

func wordsName(generation, slot int) string {
	return fmt.Sprintf("%s%d.%d", prefixWords, generation, slot)
}

// parseWords takes the name of a pipe of words apart.
func parseWords(name string) (generation, slot int, ok bool) {
	text, ok := strings.CutPrefix(name, prefixWords)
	g, s, found := strings.Cut(text, ".")
	generation, err := strconv.Atoi(g)
	slot, slotErr := strconv.Atoi(s)
	return generation, slot, ok && found && err == nil && slotErr == nil
}

// relayOf returns the relay of an own slot, which all workers of it share: one
// that is started while a handover runs has a pipe that the successor knows. In a
// slot that never had one it gets another's: better under a wrong number than read
// by nobody.
func (m *master) relayOf(slot int) (*relay, error) {
	name := wordsName(m.generation, slot)
	r := m.relays[name]
	for other := 1; r == nil && m.successor != nil && other <= wire.MaxSlots; other++ {
		r = m.relays[wordsName(m.generation, other)]
	}
	if r == nil {
		pipe, end, err := wire.Pipe(name)
		if err != nil {
			return nil, err
		}
		// What a worker inherits must block, or its writes would be lost when the pipe
		// is full; and a large one lasts until a killed master has a successor.
		fd := wire.Descriptor(end)
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, max(pipeLeast, min(pipeSize, pipesSize/max(1, m.past.Want))))
		// A program may open /dev/stderr, which takes the right to the pipe itself. If
		// that cannot be given, what it inherits still serves it.
		_ = unix.Fchown(fd, workerUID(m.config), -1)
		if err := unix.SetNonblock(fd, false); err != nil {
			_ = pipe.Close()
			_ = end.Close()
			return nil, fmt.Errorf("open pipe %q: %v", name, err)
		}
		r = newRelay(m.output, m.generation, slot, pipe, end)
		m.relay(name, r)
	}
	if m.active() {
		m.storeRelays()
	}
	return r, nil
}

// relay begins to relay. It ends by itself when no writer is left.
func (m *master) relay(name string, r *relay) {
	m.relays[name], m.hold.files[name] = r, r.pipe
	go func() {
		r.run()
		if r.eof {
			m.post(func() { m.relayed(name, r) })
		}
	}()
}

// relayed forgets a pipe that has no writer any more.
func (m *master) relayed(name string, r *relay) {
	delete(m.relays, name)
	m.hold.drop(name)
	if r.stored {
		m.anchor.forget(name)
	}
}

// storeRelays has the anchor keep the pipes, for a master after a crash. Not
// before this one serves: of a generation that never does, nobody would forget
// them.
func (m *master) storeRelays() {
	for name, r := range m.relays {
		if !r.stored {
			r.stored = true
			m.anchor.store(name, r.pipe)
		}
	}
}

// adoptRelays goes on where the predecessor has stopped, or was killed. It waits
// until there is a log to write to.
func (m *master) adoptRelays() {
	if !m.logging || m.hold.hasParent() && !m.orphaned {
		return
	}
	for name, f := range m.hold.files {
		generation, slot, ok := parseWords(name)
		if ok && m.relays[name] == nil {
			r := newRelay(m.output, generation, slot, f, nil)
			r.stored = true
			m.relay(name, r)
		}
	}
}

// stopRelays ends every relay: before a successor reads on, or with empty before
// nobody does.
func (m *master) stopRelays(empty bool) {
	ctx, cancel := context.WithTimeout(context.Background(), relaysWait)
	defer cancel()
	for _, r := range m.relays {
		r.stop(ctx, empty)
	}
	m.output.flush()
}

// leaveRelays leaves the pipes to the successor. One of the release before reads
// none and would let them fill: for its sake the workers write to the log
// themselves from here on.
func (m *master) leaveRelays() {
	s := m.successor
	if !s.relays {
		s.finish() // it may have said that it does at last
		m.hear(s)
	}
	if !s.relays {
		for _, w := range m.workers {
			w.say(wire.KindReopen, m.output.files.log)
		}
		m.passOn(wire.KindReopen, m.output.files.log)
	}
	m.stopRelays(!s.relays)
}
