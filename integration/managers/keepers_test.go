package managers

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// fewClients is enough for every kind of loss and leaves a small machine the air to
// do something else.
var fewClients = harness.Load{New: 2, Kept: 2, Think: 5 * time.Millisecond, Rest: 5 * time.Millisecond}

func TestManagersThatStartAgainSeeOneProcessThroughReloadsAndKilledMasters(t *testing.T) {
	t.Parallel()
	for name, of := range keepers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := keep(t, of)
			pid := k.up(t, 0, 1)
			load := k.Load(t, fewClients)
			for range 3 {
				pair := k.Certs.Renew()
				k.tell(t, k.hup)
				k.WaitServed(pair, moment)
			}
			k.loseMaster(t)
			pair := k.Certs.Renew()
			k.tell(t, k.hup)
			k.WaitServed(pair, moment)
			k.ward.Exactly(k.Instance)
			k.unnoticed(t, pid, 1)
			load.More(t, 50)
			load.Stop().NothingLost(t)

			k.stops(t)
			k.tell(t, k.start)
			pid = k.up(t, pid, 2)
			k.tell(t, k.restart)
			pid = k.up(t, pid, 3)
			k.ward.Kill(pid, syscall.SIGKILL)
			k.up(t, pid, 4)
			k.stops(t)
		})
	}
}

// loseMaster kills the master and waits for another one.
func (k *kept) loseMaster(t *testing.T) {
	t.Helper()
	before := k.Until(t, "settled", moment, harness.Settled)
	k.ward.Kill(before.Master.Pid, syscall.SIGKILL)
	k.Until(t, "another master", moment, func(s harness.Status) error {
		if err := harness.Settled(s); err != nil {
			return err
		}
		return harness.Unless(s.Master.Pid != before.Master.Pid, "%d still", s.Master.Pid)
	})
}

// stops has the manager stop the service while a client is answered, and
// requires the answer, the manager's word that it is down, and nothing left.
func (k *kept) stops(t *testing.T) {
	t.Helper()
	starts := k.starts(t)
	slow := answering(t, k.Instance, "1s")
	k.tell(t, k.stop)
	completes(t, slow)
	harness.Until(t, "the manager says that it is down", moment, func() error {
		pid := k.knows()
		return harness.Unless(pid == 0, "pid %d", pid)
	})
	k.ward.Empty(k.Instance)
	k.unnoticed(t, 0, starts)
}

// answering is a client that has the first byte of an answer whose last one
// takes a while.
func answering(t *testing.T, i *harness.Instance, takes string) *harness.Conn {
	t.Helper()
	c, err := i.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Send("GET", "/slow?d="+takes, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Begun(); err != nil {
		t.Fatal(err)
	}
	return c
}

func completes(t *testing.T, c *harness.Conn) {
	t.Helper()
	if a, err := c.Receive("GET"); err != nil || !strings.Contains(string(a.Body), "ended") {
		t.Errorf("the request that was being answered: %q, %v; want it answered", a.Body, err)
	}
}
