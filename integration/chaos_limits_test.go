package integration

import (
	"errors"
	"syscall"

	"example.com/handover/integration/chaos"
	"example.com/handover/integration/harness"
	"golang.org/x/sys/unix"
)

// exhaust leaves processes only so many descriptors beyond those that are open:
// then accept, memfd_create, pipe and what is sent along with a message fail. A
// child of theirs starts with the limit they were born with.
func (o *ordeal) exhaust(s chaos.Step) {
	o.t.Helper()
	var pids []int
	if s.On == "workers" {
		for _, w := range o.i.Until(o.t, "status", patient, harness.Serving).Workers {
			pids = append(pids, w.Pid)
		}
	} else if pid := o.find(s.On); pid != 0 {
		pids = append(pids, pid)
	}
	for _, pid := range pids {
		var before unix.Rlimit
		limit := func(set, got *unix.Rlimit) {
			o.t.Helper()
			if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, set, got); err != nil && !errors.Is(err, syscall.ESRCH) {
				o.t.Fatalf("limit the descriptors of %d: %v", pid, err)
			}
		}
		limit(nil, &before)
		limit(&unix.Rlimit{Cur: uint64(room(pid, s.Count)), Max: before.Max}, nil)
		o.lasts(func() { limit(&before, nil) })
	}
}

// room is the limit under which so many numbers are free: a new descriptor gets
// the lowest, and a limit says nothing of how many there are.
func room(pid, spare int) int {
	taken := harness.Descriptors(pid)
	n := 0
	for {
		if _, used := taken[n]; !used {
			if spare == 0 {
				return n
			}
			spare--
		}
		n++
	}
}

// reach opens more connections than the workers have descriptors for. All of
// them are answered in the end.
func (o *ordeal) reach(s chaos.Step) string {
	o.t.Helper()
	const clients = 40
	ended := make(chan error, clients)
	for range clients {
		go func() { // ends within a client's patience
			a, err := o.i.Get("/health")
			if err == nil {
				err = harness.Unless(a.Status == 200, "status %d", a.Status)
			}
			ended <- err
		}()
	}
	harness.After(s.For)
	o.lift()
	for range clients {
		if err := <-ended; err != nil {
			o.t.Errorf("%s: %v, want an answer in the end", s, err)
		}
	}
	return ""
}

// inventory is what an instance at rest holds: descriptors of the anchor, of the
// master, and of each worker besides its clients.
type inventory struct{ anchor, master, worker int }

// holds counts. Each worker must hold the same.
func (o *ordeal) holds(s harness.Status) (inventory, error) {
	h := inventory{anchor: o.i.Holds(s.Pid), master: o.i.Holds(s.Master.Pid)}
	for n, w := range s.Workers {
		held := o.i.Holds(w.Pid)
		if n > 0 && held != h.worker {
			return h, errors.New("one worker holds more than another")
		}
		h.worker = held
	}
	return h, nil
}

// measure counts until the same was counted often enough: each question for the
// status costs the master a descriptor for a moment.
func (o *ordeal) measure() inventory {
	o.t.Helper()
	s := o.i.Until(o.t, "settled", patient, harness.Settled)
	var last inventory
	same := 0
	harness.Until(o.t, "a steady count", patient, func() error {
		h, err := o.holds(s)
		if same++; h != last || err != nil {
			last, same = h, 0
		}
		return harness.Unless(same >= 10, "%+v, %v", h, err)
	})
	return last
}
