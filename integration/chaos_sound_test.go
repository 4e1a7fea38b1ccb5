package integration

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/handover/integration/chaos"
	"example.com/handover/integration/harness"
)

// patient is how long anything may take after a fault. It bounds a wait on a
// machine that has other work too.
const patient = time.Minute

// answeredBy waits for the commands of a step. What they say depends on what
// struck; where nothing stood in their way they must have succeeded.
func (o *ordeal) answeredBy(s chaos.Step) {
	o.t.Helper()
	free := s.Fault == "disk" && (s.With == "reload" || s.With == "rotate") || s.Fault == "reopen"
	for _, ended := range o.asked {
		if got := <-ended; got.Exit != 0 && free {
			o.t.Fatalf("%s: %v, want exit 0", s, got)
		}
	}
	o.asked = nil
}

// sound waits until the instance is as it was before the fault.
func (o *ordeal) sound(s chaos.Step) {
	o.t.Helper()
	if err := harness.Await(patient, o.whole); err != nil {
		o.t.Fatalf("after %q: not sound: %v\nprocesses: %v", s, err, o.i.Processes())
	}
	// Under a bound on tasks the Go runtime itself may give up: it needs threads.
	if err := o.confessed(); err != nil && s.Fault != "processes" {
		o.t.Fatalf("after %q: %v", s, err)
	}
	o.trimLog(s.Fault == "processes")
	got, err := o.i.Served()
	if err == nil {
		err = o.offers.served(got)
	}
	if err != nil {
		o.t.Fatalf("after %q: %v", s, err)
	}
	if got := o.do("check"); got.Exit != 0 {
		o.t.Fatalf("check after %q: %v, want exit 0", s, got)
	}
	if got := o.do("status"); got.Exit != 0 {
		o.t.Fatalf("status after %q: %v, want exit 0", s, got)
	}
}

// whole returns what is amiss.
func (o *ordeal) whole() error {
	s, err := o.i.Status()
	if err != nil {
		return err
	}
	if err := harness.Settled(s); err != nil {
		return err
	}
	if len(s.Workers) != o.wanted {
		return fmt.Errorf("%d workers, want %d", len(s.Workers), o.wanted)
	}
	if s.Pid != o.i.Pid {
		return fmt.Errorf("pid %d, want %d", s.Pid, o.i.Pid)
	}
	if err := o.family(s); err != nil {
		return err
	}
	if own, others := o.i.Listeners(); own != 1 || len(others) > 0 {
		return fmt.Errorf("%d sockets listen on %s, and others on %v; want one and none", own, o.i.Addr, others)
	}
	return o.files()
}

// flat waits until everybody was seen to hold as many descriptors as in the
// beginning. A master holds copies of those of every generation that drained when
// it was started, to its end: so what is counted is one that was started at rest.
func (o *ordeal) flat(s chaos.Step) {
	o.t.Helper()
	want, least := o.bases[o.wanted], map[int]int{}
	// A generation holds something for each slot that it ever used, and a master for
	// those of the one before as well. Recycling uses a slot or two more, so what is
	// held goes up and down by as much; a leak only goes up.
	slots := func(held func(inventory) int) int { return 2 * (held(o.bases[4]) - held(o.bases[3])) }
	// The least of several counts: under load a client comes or goes in each.
	count := func(pid, want, give int) error {
		n := o.i.Holds(pid)
		if before, known := least[pid]; !known || n < before {
			least[pid] = n
		}
		off := least[pid] - want
		return harness.Unless(off <= give && off >= -give, "%d holds %d, want %d, give or take %d: %v", pid, least[pid], want, give, harness.Descriptors(pid))
	}
	if err := harness.Await(patient, func() error {
		if err := o.whole(); err != nil {
			return err
		}
		at, err := o.i.Status()
		if err != nil {
			return err
		}
		err = errors.Join(
			count(at.Pid, want.anchor, slots(func(h inventory) int { return h.anchor })),
			count(at.Master.Pid, want.master, slots(func(h inventory) int { return h.master })),
		)
		for _, w := range at.Workers {
			err = errors.Join(err, count(w.Pid, want.worker, 0))
		}
		return err
	}); err != nil {
		o.t.Fatalf("descriptors after %q: %v", s, err)
	}
}

// family requires anchor, master and workers, all alive, and nobody else.
func (o *ordeal) family(s harness.Status) error {
	expected := map[int]int{s.Pid: 0, s.Master.Pid: s.Pid}
	for _, w := range s.Workers {
		expected[w.Pid] = s.Master.Pid
	}
	found := o.i.Processes()
	for _, p := range found {
		parent, known := expected[p.Pid]
		if !known || parent != 0 && p.Parent != parent || strings.Contains("ZT", p.State) {
			return fmt.Errorf("%v, besides anchor, its master and its workers, or idle", p)
		}
	}
	return harness.Unless(len(found) == len(expected), "%d processes, want %d", len(found), len(expected))
}

// files requires pidfile, control socket and state folder to be as they were.
func (o *ordeal) files() error {
	text, err := os.ReadFile(o.i.PidFile())
	if err != nil {
		return err
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err != nil || pid != o.i.Pid {
		return fmt.Errorf("pidfile says %q, want %d", text, o.i.Pid)
	}
	f, err := os.Open(o.i.PidFile())
	if err != nil {
		return err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("lock the pidfile: %v, want it locked", err)
	}
	if info, err := os.Lstat(o.i.ControlSocket()); err != nil || info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("control socket: %v, %v", info, err)
	}
	info, err := o.disk.Stat("state")
	if err != nil {
		return err
	}
	return harness.Unless(info.IsDir() && info.Mode().Perm() == 0o700, "state folder is %v", info.Mode())
}

// renewed requires a reload to do what it says.
func (o *ordeal) renewed(what string) {
	o.t.Helper()
	pair := o.renew()
	if got := o.do("reload", "--timeout", "50s"); got.Exit != 0 {
		o.t.Fatalf("%s: %v, want exit 0", what, got)
	}
	o.offers.taken(pair)
	if got, err := o.i.Served(); err != nil || got != pair.Fingerprint {
		o.t.Fatalf("%s: served %.12s, %v; want %.12s", what, got, err, pair.Fingerprint)
	}
}

// renew puts a good pair on disk, which may be taken from now on.
func (o *ordeal) renew() harness.Pair {
	o.t.Helper()
	pair := o.i.Certs.Issue(harness.Leaf{})
	o.offers.add(pair)
	return o.i.Certs.Install(pair)
}

// offers are the good pairs that lay on disk, in their order.
type offers struct {
	list  []offer
	index map[string]int
}

// offer is a pair, and since when nothing older may be shown; zero: it was not
// known to be taken.
type offer struct {
	harness.Pair
	taken time.Time
}

func (o *offers) add(p harness.Pair) {
	if o.index == nil {
		o.index = map[string]int{}
	}
	o.index[p.Fingerprint] = len(o.list)
	o.list = append(o.list, offer{Pair: p})
}

// taken notes that a pair is served, and no older one.
func (o *offers) taken(p harness.Pair) { o.list[o.index[p.Fingerprint]].taken = time.Now() }

// last is the newest pair that was taken.
func (o *offers) last() harness.Pair { return o.list[o.newest(time.Now())].Pair }

// newest is the last pair that had been taken by a moment.
func (o *offers) newest(by time.Time) int {
	for n := len(o.list) - 1; n > 0; n-- {
		if at := o.list[n].taken; !at.IsZero() && at.Before(by) {
			return n
		}
	}
	return 0
}

// served requires what is shown after a fault to be the last that was taken, or
// one that was offered since: then that one was taken.
func (o *offers) served(fingerprint string) error {
	n, known := o.index[fingerprint]
	if oldest := o.newest(time.Now()); !known || n < oldest {
		return fmt.Errorf("served %.12s, number %d of those offered (%v), want number %d or a later one", fingerprint, n, known, oldest)
	}
	o.list[n].taken = time.Now()
	return nil
}

// shown requires every certificate that any client was shown to have been offered,
// and to be no older than one that was known to be taken when it dialled.
func (o *offers) shown(to []harness.Sighting) error {
	for _, s := range to {
		n, known := o.index[s.Fingerprint]
		if oldest := o.newest(s.Dialled); !known || n < oldest {
			return fmt.Errorf("a client that dialled at %s was shown %.12s, number %d of those offered (%v), want number %d or a later one",
				s.Dialled.Format(time.StampMicro), s.Fingerprint, n, known, oldest)
		}
	}
	return nil
}
