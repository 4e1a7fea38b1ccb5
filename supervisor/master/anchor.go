package master

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"example.com/handover/signals"
	"example.com/handover/supervisor/notify"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// anchorLink is the master's end of the notify socketpair.
type anchorLink struct {
	packets *wire.Packets
	gone    bool // the anchor has died
	stopped bool // its stop was heard
}

func newAnchorLink(h *holding) (*anchorLink, error) {
	f := h.files[nameNotify]
	if f == nil {
		return nil, errors.New("start master: no notify socket: it is started by the anchor alone")
	}
	own, err := wire.Duplicate(f)
	if err != nil {
		return nil, err
	}
	packets, err := wire.NewPackets(own)
	if err != nil {
		return nil, err
	}
	return &anchorLink{packets: packets}, nil
}

// say sends a message, with a descriptor for FDSTORE. That the anchor has died
// is remembered and no error: the stop pipe says so too.
func (a *anchorLink) say(m notify.Message, files ...*os.File) {
	if err := a.packets.Send(m.Encode(), files...); errors.Is(err, io.EOF) {
		a.gone = true
	}
}

// store has the anchor keep f under name for a master that comes after a crash.
func (a *anchorLink) store(name string, f *os.File) { a.say(notify.Message{Store: name}, f) }

// forget has the anchor close what it keeps under name.
func (a *anchorLink) forget(name string) { a.say(notify.Message{Remove: name}) }

// watchStop posts the stop when the pipe from the anchor says so. It is a
// level: every master in every phase sees it, and nobody reads it away.
func (m *master) watchStop() {
	raw, err := m.hold.files[nameStop].SyscallConn()
	if err != nil {
		panic("BUG: stop pipe without descriptor")
	}
	go func() {
		_ = raw.Read(func(fd uintptr) bool {
			asked, _ := stopSays(int(fd))
			return asked
		})
		m.post(m.hearStop)
	}()
}

// hearStop takes the stop, once. Whoever sees what a stop would explain asks
// first: a successor hears of it as soon as this process does, and may have ended.
func (m *master) hearStop() {
	asked, quick := stopSays(wire.Descriptor(m.hold.files[nameStop]))
	if asked && !m.anchor.stopped {
		m.anchor.stopped = true
		m.stopAsked(quick)
	}
}

// stopSays looks at the stop pipe.
func stopSays(fd int) (asked, quick bool) {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, 0)
	if errors.Is(err, unix.EINTR) || n == 0 {
		return false, false
	}
	return true, poll[0].Revents&unix.POLLIN != 0
}

// mailbox is where intents from the anchor lie until a master takes them.
type mailbox struct {
	read, write *os.File
	quit        chan struct{} // closed by stop
	reader      sync.WaitGroup
}

// start begins to read. Each intent is given to deliver, which returns false
// when it could not; the intent is put back then.
func (b *mailbox) start(deliver func(signals.Intent, <-chan struct{}) bool) {
	b.quit = make(chan struct{})
	_ = b.read.SetReadDeadline(time.Time{})
	b.reader.Go(func() {
		buf := make([]byte, 1)
		for {
			n, err := b.read.Read(buf)
			if n == 0 || err != nil {
				return
			}
			intent, ok := signals.IntentOf(buf[0])
			if ok && !deliver(intent, b.quit) {
				_, _ = b.write.Write(buf)
				return
			}
		}
	})
}

// stop ends the reader and waits for it, so that what comes now is left to the
// successor.
func (b *mailbox) stop() {
	if b.quit == nil {
		return
	}
	close(b.quit)
	_ = b.read.SetReadDeadline(time.Unix(1, 0))
	b.reader.Wait()
	b.quit = nil
}

// readMail begins to take intents.
func (m *master) readMail() {
	m.mailbox.start(func(intent signals.Intent, quit <-chan struct{}) bool {
		select {
		case m.events <- func() { m.intended(intent) }:
			return true
		case <-quit:
			return false
		case <-m.over:
			return false
		}
	})
}

// intended carries out what a signal to the anchor meant.
func (m *master) intended(intent signals.Intent) {
	switch intent {
	case signals.Reload:
		m.reloadAsked(bySignal, nil)
	case signals.Grow:
		m.scale(m.past.Want + 1)
	case signals.Shrink:
		m.want(max(m.past.Want-1, 1)) // one fewer than none is not one
	case signals.Quiet:
		m.quiesce()
	case signals.Reopen:
		_ = m.reopen() // it has said so in the log
	case signals.Stop, signals.QuickStop:
		m.stopAsked(intent == signals.QuickStop)
	}
}
