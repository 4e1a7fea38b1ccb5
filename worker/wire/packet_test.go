package wire

import (
	"errors"
	"io"
	"os"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func pair(t *testing.T) (a, b *Packets) {
	t.Helper()
	x, y, err := Socketpair(unix.SOCK_SEQPACKET, "pair")
	check(t, err)
	a, err = NewPackets(x)
	check(t, err)
	b, err = NewPackets(y)
	check(t, err)
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPacketsKeepOrderAndBordersAndPassDescriptors(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	check(t, b.WantCredentials())
	r, w, err := Pipe("passed")
	check(t, err)
	defer func() { _ = r.Close() }()
	check(t, a.Send([]byte("one")))
	check(t, a.Send([]byte("two"), w))
	check(t, w.Close())

	got, err := b.Receive()
	check(t, err)
	if string(got.Data) != "one" || len(got.Files) != 0 || got.Pid != os.Getpid() {
		t.Errorf("first: got %q, %d files, pid %d", got.Data, len(got.Files), got.Pid)
	}
	got, err = b.Receive()
	check(t, err)
	if string(got.Data) != "two" || len(got.Files) != 1 {
		t.Fatalf("second: got %q, %d files, want \"two\" and 1", got.Data, len(got.Files))
	}
	flags, err := unix.FcntlInt(uintptr(Descriptor(got.Files[0])), unix.F_GETFD, 0)
	check(t, err)
	if flags&unix.FD_CLOEXEC == 0 {
		t.Error("received descriptor: not close-on-exec")
	}
	_, err = got.Files[0].WriteString("through")
	check(t, err)
	got.Close()
	if all, err := io.ReadAll(r); string(all) != "through" {
		t.Errorf("pipe: got %q (%v), want \"through\" and its end", all, err)
	}
}

func TestPeersEndIsEOFHoweverItEnds(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	check(t, a.Send([]byte("unread")))
	check(t, b.Send([]byte("last words")))
	check(t, b.Close()) // with unread data: the kernel says ECONNRESET once
	got, err := a.Receive()
	if err != nil || string(got.Data) != "last words" {
		t.Errorf("before the end: got %q (%v), want the last words", got.Data, err)
	}
	if _, err := a.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("receive after the end: got %v, want io.EOF", err)
	}
	if err := a.Send([]byte("x")); !errors.Is(err, io.EOF) {
		t.Errorf("send after the end: got %v, want io.EOF", err)
	}
}

func TestNewPacketsRefusesWhatIsNoUnixSocket(t *testing.T) {
	t.Parallel()
	r, w, err := Pipe("pipe")
	check(t, err)
	defer func() { _ = w.Close() }()
	if _, err := NewPackets(r); err == nil {
		t.Error("packets on a pipe: got no error")
	}
}

func TestDuplicateLeavesTheModeAlone(t *testing.T) {
	t.Parallel()
	r, w, err := Pipe("pipe")
	check(t, err)
	defer func() { _, _ = r.Close(), w.Close() }()
	d, err := Duplicate(r)
	check(t, err)
	defer func() { _ = d.Close() }()
	_ = d.Fd() // even this
	flags, err := unix.FcntlInt(uintptr(Descriptor(r)), unix.F_GETFL, 0)
	check(t, err)
	if flags&unix.O_NONBLOCK == 0 {
		t.Error("pipe after Duplicate: got blocking, want non-blocking")
	}
}

func TestCountersAreSeenByEveryMapping(t *testing.T) {
	t.Parallel()
	ours, f, err := CreateCounters(7)
	check(t, err)
	defer func() { _ = f.Close() }()
	theirs, err := MapCounters(f)
	check(t, err)
	for _, slot := range []int{1, 2, MaxSlots} {
		theirs.Slot(slot).Requests.Add(uint64(slot))
		if got := ours.Slot(slot).Requests.Load(); got != uint64(slot) {
			t.Errorf("slot %d: got %d requests, want %d", slot, got, slot)
		}
	}
	if err := f.Truncate(1); err == nil {
		t.Error("shrink the memory: got no error, want it sealed")
	}
	check(t, theirs.Close())
	check(t, theirs.Close())
	check(t, ours.Close())
	foreign, err := Seal("short", []byte("x"))
	check(t, err)
	defer func() { _ = foreign.Close() }()
	if _, err := MapCounters(foreign); err == nil {
		t.Error("map a memfd of another size: got no error")
	}
}

func TestADatagramThatWasCutDoesNotEndTheConversation(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	r, w, err := Pipe("passed")
	check(t, err)
	defer func() { _, _ = r.Close(), w.Close() }()
	// More than there is room for is to the receiver as having no descriptor free.
	var many []*os.File
	for range maxPassed + 20 {
		many = append(many, w)
	}
	check(t, a.Send([]byte("cut"), many...))
	check(t, a.Send(encodeProbe(Probe{}), many...))
	check(t, a.Send([]byte("whole"), w))
	got, err := b.Receive()
	if !errors.Is(err, ErrCut) || string(got.Data) != "cut" || len(got.Files) > 0 {
		t.Errorf("cut: got %q, %d files, %v; want the data without a descriptor, and ErrCut", got.Data, len(got.Files), err)
	}
	ended := make(chan error, 1)
	go func() { // ends with the pair
		_, _, err := Answer(b)
		ended <- err
	}()
	conn, err := Dial(a, Probe{})
	check(t, err)
	defer func() { _ = conn.Close() }()
	if err := <-ended; err != nil {
		t.Errorf("a probe after one that was cut, and after what is none: %v, want it answered", err)
	}
}

func TestAnOfferDoesNotWaitForAPeerThatDoesNotRead(t *testing.T) {
	t.Parallel()
	a, b, err := Socketpair(unix.SOCK_SEQPACKET, "pair")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	p, err := NewPackets(a)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	offered := 0
	for ; offered < 1<<20; offered++ {
		if err = p.Offer([]byte("message"), b); err != nil {
			break
		}
	}
	if !errors.Is(err, unix.EAGAIN) || offered == 0 {
		t.Errorf("after %d offers: got %v, want EAGAIN", offered, err)
	}
}
