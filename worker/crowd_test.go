package worker

import (
	"net"
	"testing"
	"time"

	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

func TestAWorkerLeavesAClientToThoseWhoHaveFewer(t *testing.T) {
	t.Parallel()
	const now = int64(time.Hour)
	type slot struct {
		clients, beat int64
		accepting     uint32
	}
	at := func(clients int64) slot { return slot{clients, now, 1} }
	for name, c := range map[string]struct {
		want  bool
		slots []slot // the second is the own one
	}{
		"alone":                        {false, []slot{{}, at(9)}},
		"as many":                      {false, []slot{at(5), at(5), at(5)}},
		"one more":                     {false, []slot{at(4), at(5), at(5)}},
		"two more":                     {true, []slot{at(5), at(5), at(3)}},
		"two more than none":           {true, []slot{at(0), at(2)}},
		"the other drains":             {false, []slot{{0, now, 0}, at(5)}},
		"the other is lost or hangs":   {false, []slot{{0, now - 4*int64(time.Second), 1}, at(5)}},
		"the other has no descriptors": {false, []slot{{0, now, unable}, at(5)}},
		"the other is late":            {true, []slot{{0, now - int64(time.Second), 1}, at(5)}},
		"an eighth more than many":     {true, []slot{at(79), at(90)}},
		"less than that more":          {false, []slot{at(80), at(90)}},
		"a slot that nobody has":       {false, []slot{at(5), at(5), {}, at(0)}},
	} {
		counters, memory, err := wire.CreateCounters(1)
		if err != nil {
			t.Fatal(err)
		}
		_ = memory.Close()
		for i, s := range c.slots {
			to := counters.Slot(i + 1)
			to.Connections.Store(s.clients)
			to.Heartbeat.Store(s.beat)
			to.Accepting.Store(s.accepting)
		}
		if got := (crowd{counters, 2}).leads(); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
		_ = counters.Close()
	}
}

func TestClientsThatDoNotStayAreLeftToNobody(t *testing.T) {
	t.Parallel()
	var h haste
	now := time.Hour
	for range hasty/counts - 1 {
		h.note(now, brief)
	}
	if h.prevails(now) {
		t.Errorf("after %d brief ones: got haste, want none yet", hasty/counts-1)
	}
	for range 1000 {
		h.note(now, brief)
	}
	if !h.prevails(now) {
		t.Error("after a thousand more: got no haste, want it")
	}
	h.note(now, brief+1)
	if !h.prevails(now) {
		t.Error("after one that stayed: got no haste, want it still")
	}
	for range hastier / sojourn / 2 {
		h.note(now, time.Minute)
	}
	if h.prevails(now) {
		t.Errorf("after %d that stayed: got haste, want none", 1+hastier/sojourn/2)
	}
}

func TestClientsThatDidNotStayTellNothingOfThoseThatComeLater(t *testing.T) {
	t.Parallel()
	var h haste
	now := time.Hour
	for range 1000 {
		h.note(now, brief)
	}
	if now += hastier; h.prevails(now) {
		t.Errorf("%v after a thousand brief ones: got haste, want none", hastier)
	}
	for range 1000 { // such as the probes of a balancer
		if now += counts; h.prevails(now) {
			t.Fatalf("with a brief one each %v: got haste, want none", counts)
		}
		h.note(now, brief)
	}
}

func TestAWorkerNotesHowLongItsClientsStay(t *testing.T) {
	t.Parallel()
	r := newRoster(&wire.Slot{}, nil, wire.Limits{})
	r.began = r.began.Add(-time.Hour)
	visit := func(stays time.Duration) (more time.Duration) {
		near, far := net.Pipe()
		_ = far.Close()
		before := time.Duration(r.haste.ends.Load())
		c := r.add(near, true)
		c.began -= stays
		check(t, c.Close())
		return time.Duration(r.haste.ends.Load()) - before
	}
	more := -sojourn
	for i := 0; i < 1000 && more < 0; i++ { // one that this machine held up counts as staying
		more = visit(0)
	}
	if more <= 0 {
		t.Fatalf("after those that did not stay: got %v more, want some", more)
	}
	if got := visit(brief + 1); got != -sojourn {
		t.Errorf("after one that stayed: got %v more, want %v", got, -sojourn)
	}
}

func TestAWorkerInHasteDoesNotWaitForItsTurn(t *testing.T) {
	t.Parallel()
	counters, memory, err := wire.CreateCounters(1)
	check(t, err)
	defer func() { _ = memory.Close(); _ = counters.Close() }()
	for slot, clients := range []int64{0, 9} {
		s := counters.Slot(slot + 1)
		s.Connections.Store(clients)
		s.Heartbeat.Store(1)
		s.Accepting.Store(able)
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer func() { _ = socket.Close() }()
	over := make(chan struct{})
	q, err := openQueue(socket, over)
	check(t, err)
	l := &clients{boot: &boot{crowd: crowd{counters, 2}}, roster: newRoster(counters.Slot(2), nil, wire.Limits{}), over: over, queue: q}
	l.roster.haste.ends.Store(int64(time.Hour))
	turn := make(chan struct{})
	go func() { l.yield(); close(turn) }()
	select {
	case <-turn:
	case <-time.After(patience):
		t.Error("got no turn where nobody waits, want it at once")
	}
	close(over)
	<-turn
}

func TestASocketThatFailsEndsTheWaitForATurnAtTheOthers(t *testing.T) {
	t.Parallel()
	first, second := listen(t, "tcp", "127.0.0.1:0", false), listen(t, "tcp", "127.0.0.1:0", false)
	m := start(t, plan{sockets: []testSocket{first, second}}).admit()
	other := m.counters.Slot(2) // takes clients, has none, and none comes
	other.Accepting.Store(1)
	other.Heartbeat.Store(1 << 62)
	for _, socket := range []testSocket{first, first, second} {
		mustPost(t, dial(t, socket), 1) // the last one leaves the second socket waiting for its turn
	}
	check(t, unix.Shutdown(wire.Descriptor(first.file), unix.SHUT_RD))
	m.awaitEnd(m.accepting)
	m.awaitExit(1)
}

// Not parallel: it is the process that has descriptors.
func TestAQueueTakesThePlaceOfNoStandardDescriptor(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer func() { _ = l.Close() }()
	input, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, wire.FirstDescriptor)
	check(t, err)
	check(t, unix.Close(0))
	over := make(chan struct{})
	q, err := openQueue(l, over)
	check(t, unix.Dup3(input, 0, 0))
	check(t, unix.Close(input))
	check(t, err)
	check(t, q.raw.Control(func(fd uintptr) {
		if fd < wire.FirstDescriptor {
			t.Errorf("got descriptor %d, which a program may have closed and open again", fd)
		}
	}))
	close(over)
}
