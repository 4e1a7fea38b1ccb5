package managers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// setup is a way to run the program that systemd knows.
type setup struct {
	name, kind, reload string
	waits              bool // systemctl reload returns when the reload has ended
	release            string
}

var setups = []setup{
	{"notify with the command", "Type=notify", byCommand, true, Distribution},
	{"notify with the command", "Type=notify", byCommand, true, Trixie},
	{"notify with a signal", "Type=notify", bySignal, false, Distribution},
	{"notify with a signal", "Type=notify", bySignal, false, Trixie},
	{"simple with the command", "Type=simple", byCommand, true, Distribution},
	{"simple with a signal", "Type=simple", bySignal, false, Distribution},
	{"simple with a signal", "Type=simple", bySignal, false, Trixie},
	{"notify-reload", "Type=notify-reload", "", true, Trixie},
}

// each runs a test in several ways to run the program, side by side.
func each(t *testing.T, ways []setup, test func(t *testing.T, of setup)) {
	t.Helper()
	for _, of := range ways {
		t.Run(strings.TrimSpace(of.name+" "+of.release), func(t *testing.T) {
			t.Parallel()
			test(t, of)
		})
	}
}

// up starts a service, of whatever type.
func up(t *testing.T, of setup, c harness.Config, lines ...string) *service {
	t.Helper()
	s := install(t, Share(t, of.release), c, append(lines, of.kind, of.reload)...)
	s.start()
	s.Until(t, "serving", within, harness.Serving)
	return s
}

func TestReloadsBySystemdLoseNothingAndKeepTheMainPID(t *testing.T) {
	t.Parallel()
	each(t, setups, func(t *testing.T, of setup) {
		s := up(t, of, harness.Config{}, "Restart=on-failure")
		unchanged := s.steady()
		load := s.Load(t, light)
		for n := range 10 {
			pair := s.Certs.Renew()
			asked := time.Now()
			s.reloaded()
			if of.waits {
				s.serves(pair)
			}
			s.Until(t, "reload", within, harness.Ended("done", asked))
			s.serves(pair)
			if got, _ := s.Status(); got.Generation != n+2 {
				t.Fatalf("generation %d after %d reloads, want one for each", got.Generation, n+1)
			}
		}
		load.More(t, 20)
		load.Stop().NothingLost(t)
		unchanged()
		s.stop()
	})
}

func TestAUnitIsReadyWhenItsWorkersServeAndNotBefore(t *testing.T) {
	t.Parallel()
	eachRelease(t, func(t *testing.T, release string) {
		s := install(t, Share(t, release), harness.Config{HealthPath: "/health"}, "Type=notify")
		s.Behave("health", "block")
		s.m.Must("systemctl", "start", "--no-block", s.name)
		harness.Until(t, "workers", within, func() error {
			n := 0
			for _, p := range s.m.Processes(s.name) {
				if p.Name == "echo" {
					n++
				}
			}
			return harness.Unless(n == 2, "%d", n)
		})
		s.is("ActiveState=activating", "SubState=start")
		s.Behave("health", "")
		s.becomes("ActiveState", "active")
		s.serves(s.First)
		s.says("generation 1 serves " + harness.Name + " until " + s.First.NotAfter.UTC().Format(time.DateOnly))
	})
}

func TestARefusedReloadFailsTheJobWithItsReasonAndTheUnitServesOn(t *testing.T) {
	t.Parallel()
	each(t, []setup{setups[0], setups[1], setups[4]}, func(t *testing.T, of setup) {
		s := up(t, of, harness.Config{})
		unchanged := s.steady()
		load := s.Load(t, light)
		s.Certs.Install(s.mismatched())
		if got := s.reload(); got.Exit != 1 || !strings.Contains(got.Stderr, s.name) {
			t.Errorf("systemctl reload: %v, want exit 1 and the unit's name", got)
		}
		unchanged()
		s.serves(s.First)
		s.explains("(pair.mismatch)", "hint: ", "nothing has changed: generation 1 serves on", "Reload failed")
		told := of.kind == "Type=notify"
		if told {
			s.says("generation 1 serves", "last reload refused", "pair.mismatch")
		}
		pair := s.Certs.Renew()
		s.reloaded()
		s.serves(pair)
		unchanged()
		if told {
			if s.says("generation 2 serves"); strings.Contains(s.m.Property(s.name, "StatusText"), "refused") {
				t.Error("the status speaks of a refusal after a good reload")
			}
		}
		load.Stop().NothingLost(t)
		s.stop()
	})
}

func TestAUnitThatCannotStartOnItsCertificateIsNotStartedAgain(t *testing.T) {
	t.Parallel()
	eachRelease(t, func(t *testing.T, release string) {
		s := install(t, Share(t, release), harness.Config{}, "Type=notify", "Restart=on-failure", "RestartPreventExitStatus=64 65 78")
		s.Certs.Install(s.mismatched())
		if got := s.m.Run("systemctl", "start", s.name); got.Exit != 1 {
			t.Errorf("systemctl start: %v, want exit 1", got)
		}
		s.is("ActiveState=failed", "Result=exit-code", "ExecMainStatus=65", "NRestarts=0")
		s.explains("(pair.mismatch)", "hint: ")
		s.gone()
		pair := s.Certs.Renew()
		s.start()
		s.serves(pair)
		s.stop()
	})
}

// systemd knows no answer to a reload by signal but READY=1, so the job succeeds:
// what matters is that it ends.
func TestARefusedReloadBySignalEndsAtOnceAndIsSaidInTheStatus(t *testing.T) {
	t.Parallel()
	each(t, []setup{setups[2], setups[7]}, func(t *testing.T, of setup) {
		s := up(t, of, harness.Config{}, "TimeoutStartSec=20s")
		unchanged := s.steady()
		s.Certs.Install(s.mismatched())
		s.reloaded()
		s.says("generation 1 serves", "last reload refused", "pair.mismatch")
		s.explains("(pair.mismatch)", "hint=")
		s.becomes("SubState", "running")
		unchanged()
		s.serves(s.First)
		pair := s.Certs.Renew()
		s.reloaded()
		s.WaitServed(pair, within)
		s.says("generation 2 serves")
		unchanged()
		s.stop()
	})
}

func TestASignalBySystemdToEveryProcessIsOneReload(t *testing.T) {
	t.Parallel()
	eachRelease(t, func(t *testing.T, release string) {
		s := up(t, setup{kind: "Type=notify", release: release}, harness.Config{})
		unchanged := s.steady()
		load := s.Load(t, light)
		for n := range 3 {
			pair := s.Certs.Renew()
			asked := time.Now()
			s.m.Must("systemctl", "kill", "-s", "HUP", s.name)
			s.Until(t, "reload", within, harness.Ended("done", asked))
			s.serves(pair)
			s.Until(t, "settled", within, func(got harness.Status) error {
				if got.Generation != n+2 {
					return fmt.Errorf("generation %d, want %d", got.Generation, n+2)
				}
				return harness.Settled(got)
			})
		}
		load.Stop().NothingLost(t)
		unchanged()
		s.stop()
	})
}

func TestARestartUnderLoadServesWhatLiesOnDisk(t *testing.T) {
	t.Parallel()
	eachRelease(t, func(t *testing.T, release string) {
		s := up(t, setup{kind: "Type=notify", release: release}, harness.Config{})
		load := s.Load(t, light)
		for range 3 {
			before := s.m.Property(s.name, "MainPID")
			pair := s.Certs.Renew()
			s.m.Must("systemctl", "restart", s.name)
			if after := s.m.Property(s.name, "MainPID"); after == before {
				t.Errorf("MainPID=%s, want another", after)
			}
			s.serves(pair)
			s.is("ActiveState=active", "NRestarts=0")
		}
		load.More(t, 20)
		// While nobody listens a client is refused, and what was queued then is reset.
		load.Stop().LostOnly(t, 1<<20, func(l harness.Loss) bool { return l.Stage == "dial" || l.Stage == "handshake" })
		s.stop()
	})
}
