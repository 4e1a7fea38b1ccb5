package worker

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// A client that comes wakes every worker, and the first one has it: by chance one
// worker gets many that stay, and another none. So a worker that has more than
// others leaves the next one to them for a moment. All listen on the same socket: a
// client that none of them takes is not lost, and waits for no longer than that and
// the timer slack of a worker.
//
// Where clients go as soon as they are answered nothing is to be shared out, and
// leaving them to others costs more than it gives: see haste.
const (
	lead  = 2                      // clients more than another worker has, at least
	share = 8                      // and this part of the own ones
	leave = time.Millisecond       // for that one to take the next; the timer slack may add to it
	mute  = int64(3 * time.Second) // without a heartbeat a worker does not count
)

// What a worker says in wire.Slot.Accepting while clients are left to it, or would
// be. To wait for one that cannot take them would let nobody have more than one a
// moment.
const (
	able   = 1
	unable = 2 // for want of descriptors or memory, for now
)

// crowd is what the workers of a generation see of each other.
type crowd struct {
	counters *wire.Counters
	own      int // slot
}

// leads says whether the next client is for another worker. It asks no clock: a
// worker that lives has a heartbeat about as old as the own one.
func (c crowd) leads() bool {
	own := c.counters.Slot(c.own)
	mine, now := own.Connections.Load(), own.Heartbeat.Load()
	if mine < lead {
		return false
	}
	for n := 1; n <= wire.MaxSlots; n++ {
		other := c.counters.Slot(n)
		beat := other.Heartbeat.Load()
		if beat == 0 {
			return false // slots are filled from the first one on
		}
		if other.Accepting.Load() == able && now-beat < mute && other.Connections.Load()+max(lead, mine/share) <= mine {
			return true
		}
	}
	return false
}

// yield returns when the next client is for this worker: when it leads no more, or
// when one waits that the others have left. It waits for clients without accepting
// any; on an error it is the turn of Accept, which meets it too.
func (l *clients) yield() {
	for !l.roster.haste.prevails(l.roster.now()) && l.crowd.leads() {
		if l.queue == nil || !l.queue.wait() {
			return
		}
		select {
		case <-time.After(leave):
		case <-l.over:
			return
		}
		if l.queue.filled() {
			return
		}
	}
}

// haste tells whether clients of late have gone as soon as they were answered, and
// were many: a probe now and then says nothing of those that stay. It is counted
// roughly: of two that end at one moment one may be lost.
type haste struct {
	ends atomic.Int64 // when all that count will count no more, since roster.began
}

const (
	brief   = 20 * time.Millisecond // as long as they were connected
	counts  = 8 * time.Millisecond  // so long each makes the count one higher
	hasty   = 32 * counts           // so many of them
	hastier = 2 * hasty             // more are not counted
	sojourn = 8 * counts            // as many as one that stayed longer makes up for
)

func (h *haste) note(now, connected time.Duration) {
	ends := time.Duration(h.ends.Load())
	if connected > brief {
		ends -= sojourn
	} else {
		ends = min(max(ends, now)+counts, now+hastier)
	}
	h.ends.Store(int64(ends))
}

func (h *haste) prevails(now time.Duration) bool { return time.Duration(h.ends.Load())-now >= hasty }

// queue is a listening socket seen as a file: whether a client waits in it.
type queue struct{ raw syscall.RawConn }

// openQueue duplicates the descriptor of a listener; the duplicate is closed with over.
func openQueue(listener any, over <-chan struct{}) (*queue, error) {
	socket, ok := listener.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("watch listener: %T has no descriptor", listener)
	}
	own, err := socket.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("watch listener: %v", err)
	}
	fd, dupErr := -1, error(nil)
	if err := own.Control(func(s uintptr) { fd, dupErr = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, wire.FirstDescriptor) }); err != nil {
		return nil, fmt.Errorf("watch listener: %v", err)
	}
	if dupErr != nil {
		return nil, fmt.Errorf("watch listener: %v", dupErr)
	}
	f := os.NewFile(uintptr(fd), "queue")
	raw, err := f.SyscallConn()
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("watch listener: %v", err)
	}
	go func() { // ends with the accepting
		<-over
		_ = f.Close()
	}()
	return &queue{raw}, nil
}

// wait waits for a client; false: it cannot.
func (q *queue) wait() bool { return q.raw.Read(readable) == nil }

// filled says whether a client waits.
func (q *queue) filled() bool {
	filled := true
	if err := q.raw.Control(func(fd uintptr) { filled = readable(fd) }); err != nil {
		return true
	}
	return filled
}

func readable(fd uintptr) bool {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		if err != unix.EINTR {
			return n > 0 || err != nil
		}
	}
}
