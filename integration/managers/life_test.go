package managers

import (
	"strings"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// held is a request that ends when it is told to; on a generation that drains it
// holds the drain.
func (s *service) held(path string) *harness.Conn {
	s.t.Helper()
	c, err := s.Dial()
	if err == nil {
		s.t.Cleanup(c.Close)
		err = c.Send("GET", path, nil)
	}
	if err == nil {
		err = c.Begun()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func TestAStopBySystemdInTheMiddleOfADrainCompletesWhatRuns(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string][]string{
		"control-group": nil,
		"mixed":         {"KillMode=mixed"},
		"ExecStop":      {"ExecStop=%[1]s stop -c %[2]s"},
		"ExecStop mixed": {
			"ExecStop=%[1]s stop -c %[2]s",
			"KillMode=mixed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachRelease(t, func(t *testing.T, release string) {
				s := up(t, setup{kind: "Type=notify", reload: byCommand, release: release}, harness.Config{GracefulTimeout: "30s"},
					append(lines, "TimeoutStopSec=45s")...)
				old := s.held("/slow?d=4s")
				s.Certs.Renew()
				s.reloaded()
				current := s.held("/slow?d=3s")
				s.m.Must("systemctl", "stop", "--no-block", s.name)
				s.becomes("ActiveState", "deactivating")
				for _, c := range []*harness.Conn{old, current} {
					if a, err := c.Receive("GET"); err != nil || !strings.HasSuffix(string(a.Body), "ended\n") {
						t.Errorf("answer %q, %v; want it whole", a.Body, err)
					}
				}
				s.becomes("ActiveState", "inactive")
				s.ended()
			})
		})
	}
}

// The sum that the unit's TimeoutStopSec is chosen by: shutdown_delay, then
// graceful_timeout, and 10 s.
func TestTheTimeToStopThatIsAdvisedIsEnough(t *testing.T) {
	t.Parallel()
	eachRelease(t, func(t *testing.T, release string) {
		c := harness.Config{GracefulTimeout: "2s", Keys: `shutdown_delay = "1s"`}
		s := up(t, setup{kind: "Type=notify", reload: byCommand, release: release}, c, "TimeoutStopSec=13s")
		old := s.held("/slow?d=10m")
		s.Certs.Renew()
		s.reloaded()
		current := s.held("/slow?d=10m")
		begun := time.Now()
		s.stop()
		t.Logf("stopped within %v", time.Since(begun))
		for _, c := range []*harness.Conn{old, current} {
			if _, err := c.Receive("GET"); err == nil {
				t.Error("a request of ten minutes was answered")
			}
		}
	})
}

func TestUnderSystemdAKilledMasterCostsNothing(t *testing.T) {
	t.Parallel()
	each(t, []setup{setups[0], setups[1], setups[5], setups[7]}, func(t *testing.T, of setup) {
		s := up(t, of, harness.Config{}, "Restart=on-failure")
		unchanged := s.steady()
		load := s.Load(t, light)
		for n := range 2 {
			before := s.Until(t, "settled", within, harness.Settled)
			s.kill("KILL", before.Master.Pid)
			s.Until(t, "another master", within, func(got harness.Status) error {
				if err := harness.Settled(got); err != nil {
					return err
				}
				return harness.Unless(got.Master.Pid != before.Master.Pid && got.Generation > before.Generation, "%d still", got.Master.Pid)
			})
			unchanged()
			if n == 0 && of.kind != "Type=simple" {
				s.says("generation 2 serves")
			}
		}
		pair := s.Certs.Renew()
		s.reloaded()
		s.WaitServed(pair, within)
		load.Stop().NothingLost(t)
		unchanged()
		s.stop()
	})
}

func TestSystemdStartsAKilledAnchorAgainOnce(t *testing.T) {
	t.Parallel()
	eachRelease(t, func(t *testing.T, release string) {
		s := up(t, setup{kind: "Type=notify", reload: byCommand, release: release}, harness.Config{}, "Restart=on-failure")
		pair := s.Certs.Renew()
		s.reloaded()
		before := s.Until(t, "settled", within, harness.Settled)
		load := s.Load(t, light)
		s.kill("KILL", before.Pid)
		after := s.Until(t, "another anchor", within, func(got harness.Status) error {
			return harness.Unless(got.Pid != before.Pid && harness.Settled(got) == nil, "%d, %v", got.Pid, harness.Settled(got))
		})
		s.becomes("ActiveState", "active")
		s.is("NRestarts=1")
		if got := s.m.Property(s.name, "MainPID"); got == "" || after.Generation != 1 {
			t.Errorf("MainPID=%s, generation %d; want a fresh start", got, after.Generation)
		}
		s.serves(pair)
		s.exactly()
		load.More(t, 20)
		// Its connections drain; while nobody listens, others are refused.
		load.Stop().LostOnly(t, 1<<20, func(l harness.Loss) bool { return l.Stage == "dial" || l.Stage == "handshake" })
		pair = s.Certs.Renew()
		s.reloaded()
		s.serves(pair)
		s.stop()
	})
}

// exactly requires anchor, master and the workers that the status names, and no
// process besides.
func (s *service) exactly() {
	s.t.Helper()
	harness.Until(s.t, "no process besides", within, func() error {
		got, err := s.Status()
		if err != nil {
			return err
		}
		alive := s.m.Processes(s.name)
		return harness.Unless(len(alive) == 2+len(got.Workers), "%v besides %d workers", alive, len(got.Workers))
	})
}

func TestAReloadWhoseMasterIsKilledEndsForSystemdToo(t *testing.T) {
	t.Parallel()
	each(t, []setup{setups[0], setups[2], setups[7]}, func(t *testing.T, of setup) {
		s := up(t, of, harness.Config{HealthPath: "/health"})
		unchanged := s.steady()
		before := s.Until(t, "settled", within, harness.Settled)
		load := s.Load(t, light)
		s.Behave("health", "block") // holds the proof of the next generation
		pair := s.Certs.Renew()
		s.m.Must("systemctl", "reload", "--no-block", s.name)
		harness.Until(t, "the next generation", within, func() error {
			n := len(s.m.Processes(s.name))
			return harness.Unless(n >= 6, "%d processes, want two masters with two workers each", n)
		})
		s.is("ActiveState=reloading")
		s.kill("KILL", before.Master.Pid)
		s.Behave("health", "")
		s.becomes("SubState", "running")
		s.WaitServed(pair, within)
		s.Until(t, "settled", within, harness.Settled)
		load.Stop().NothingLost(t)
		unchanged()
		s.exactly()
		s.stop()
	})
}
