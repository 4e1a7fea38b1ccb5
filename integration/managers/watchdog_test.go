package managers

import (
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// A master that hangs is replaced by its anchor, within five seconds; systemd has
// nothing to do.
func TestUnderSystemdAWedgedMasterIsReplacedAndTheUnitIsNotRestarted(t *testing.T) {
	t.Parallel()
	eachRelease(t, func(t *testing.T, release string) {
		s := up(t, setup{kind: "Type=notify", reload: byCommand, release: release}, harness.Config{}, "WatchdogSec=15s", "Restart=on-failure")
		unchanged := s.steady()
		load := s.Load(t, light)
		before := s.Until(t, "settled", within, harness.Settled)
		s.kill("STOP", before.Master.Pid)
		s.Until(t, "another master", time.Minute, func(got harness.Status) error {
			return harness.Unless(got.Master.Pid != before.Master.Pid && harness.Settled(got) == nil, "%d still", got.Master.Pid)
		})
		pair := s.Certs.Renew()
		s.reloaded()
		s.serves(pair)
		load.Stop().NothingLost(t)
		s.exactly()
		unchanged()
		s.stop()
	})
}

func TestTheWatchdogOfSystemdRestartsAWedgedAnchor(t *testing.T) {
	t.Parallel()
	eachRelease(t, func(t *testing.T, release string) {
		restartedByWatchdog(t, release, func(s harness.Status) int { return s.Pid })
	})
}

// The anchor lives, and would replace the master after five seconds: that systemd is
// faster here shows that nobody but a master that works feeds its watchdog.
func TestAWatchdogOfSystemdThatIsShorterThanTheAnchorsRestartsAWedgedMaster(t *testing.T) {
	t.Parallel()
	eachRelease(t, func(t *testing.T, release string) {
		restartedByWatchdog(t, release, func(s harness.Status) int { return s.Master.Pid })
	})
}

// restartedByWatchdog stops a process and expects systemd to start the service
// again, once.
func restartedByWatchdog(t *testing.T, release string, wedged func(harness.Status) int) {
	t.Helper()
	s := up(t, setup{kind: "Type=notify", reload: byCommand, release: release}, harness.Config{}, "WatchdogSec=3s", "Restart=on-failure")
	before := s.Until(t, "settled", within, harness.Settled)
	s.kill("STOP", wedged(before))
	s.Until(t, "another anchor", time.Minute, func(got harness.Status) error {
		return harness.Unless(got.Pid != before.Pid && harness.Settled(got) == nil, "%d still", got.Pid)
	})
	s.becomes("ActiveState", "active")
	s.is("NRestarts=1")
	s.explains("Watchdog timeout (limit 3s)", "Failed with result 'watchdog'")
	s.exactly()
	pair := s.Certs.Renew()
	s.reloaded()
	s.serves(pair)
	s.stop()
}

func TestTheWatchdogOfSystemdLetsAHealthyServiceBe(t *testing.T) {
	t.Parallel()
	each(t, []setup{setups[0], setups[7]}, func(t *testing.T, of setup) {
		const period = 3 * time.Second
		s := up(t, of, harness.Config{HealthPath: "/health"}, "WatchdogSec=3s", "Restart=on-failure")
		unchanged := s.steady()
		harness.After(2 * period) // idle
		load := s.Load(t, light)
		s.Behave("boot", "sleep 4s")
		pair := s.Certs.Renew()
		s.reloaded() // slower than a period
		s.serves(pair)
		s.Behave("boot", "")
		s.Until(t, "settled", within, harness.Settled)
		load.Stop().NothingLost(t)
		unchanged()
		s.stop()
	})
}
