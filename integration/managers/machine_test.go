package managers

import (
	"os"
	"strings"
	"testing"

	"example.com/handover/integration/harness"
)

// eachRelease runs a test under every release of systemd, side by side.
func eachRelease(t *testing.T, test func(t *testing.T, release string)) {
	t.Helper()
	for name, release := range map[string]string{"distribution": Distribution, "trixie": Trixie} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, release)
		})
	}
}

func TestAMachineRunsUnitsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	eachRelease(t, func(t *testing.T, release string) {
		var group, folder string
		t.Run("up", func(t *testing.T) {
			m := Boot(t, release)
			group, folder = m.group, m.folder
			m.Unit("probe.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'echo said; sleep 1000 & echo $$$$ >/tmp/probe'\n")
			m.Must("systemctl", "start", "probe.service")
			if got := m.Property("probe.service", "ActiveState"); got != "active" {
				t.Errorf("state %q, want active", got)
			}
			if got := m.Journal("probe.service"); !strings.Contains(got, "said\n") {
				t.Errorf("journal %q, want what the unit said", got)
			}
			if got := m.Processes("probe.service"); len(got) != 1 {
				t.Errorf("processes %v, want the one that sleeps", got)
			}
			if _, err := os.Stat(m.Root() + "/tmp/probe"); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat("/tmp/probe"); err == nil {
				t.Error("what was written inside is seen outside")
			}
			want := map[string]string{Distribution: harness.Do(t, "systemctl", "--version").Stdout, Trixie: "systemd 257"}[release]
			if got := m.Must("systemctl", "--version"); !strings.HasPrefix(got, want) {
				t.Errorf("release %q, want %q", got, want)
			}
			if got := m.Run("systemctl", "start", "nothing.service"); got.Exit == 0 {
				t.Errorf("start of no unit: %v, want a failure", got)
			}
		})
		for _, path := range []string{group, folder} {
			if _, err := os.Stat(path); err == nil {
				t.Errorf("%q is left", path)
			}
		}
	})
}

func TestASharedMachineEndsWithItsLastTest(t *testing.T) {
	t.Parallel()
	var first, second *Machine
	t.Run("together", func(t *testing.T) {
		first = Share(t, Distribution)
		t.Run("second", func(t *testing.T) { second = Share(t, Distribution) })
		if first.pid != second.pid || !harness.Alive(first.pid) {
			t.Errorf("machines %d and %d, want one that lives", first.pid, second.pid)
		}
	})
}
