package managers

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/handover/integration/harness"
)

// reader is a user and group that every root folder has: www-data.
const reader = 33

// reissue installs a fresh pair that the group may read, as a renewal hook would
// leave it.
func (s *service) reissue() harness.Pair {
	s.t.Helper()
	pair := s.Certs.Issue(harness.Leaf{})
	dir := s.Certs.Folder()
	s.Certs.Fill(dir, pair)
	for _, name := range []string{"fullchain.pem", "privkey.pem"} {
		path := filepath.Join(dir, name)
		if err := os.Chown(path, 0, reader); err != nil {
			s.t.Fatal(err)
		}
		if err := os.Chmod(path, 0o640); err != nil {
			s.t.Fatal(err)
		}
	}
	s.Certs.Switch(dir)
	return pair
}

// asUnitsUser moves what the instance writes to the folders that systemd makes for
// the unit's user, and leaves the control socket to its default.
func (s *service) asUnitsUser() {
	s.t.Helper()
	s.WriteConfig(strings.NewReplacer(
		fmt.Sprintf("pidfile = %q", s.PidFile()), "pidfile = \"/run/handover/pid\"\nstate_dir = \"/var/lib/handover\"",
		fmt.Sprintf("socket = %q", s.ControlSocket()), "",
	).Replace(s.ConfigText()))
}

// command runs a command of the program inside, as root in no unit.
func (s *service) command(words ...string) harness.Result {
	s.t.Helper()
	return s.m.Run(append([]string{harness.Binary(s.t), words[0], "-c", s.ConfigFile()}, words[1:]...)...)
}

func TestAsTheUnitsOwnUserReloadsWorkAndRootFindsTheInstance(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string][]string{
		"User":        {"User=www-data"},
		"DynamicUser": {"DynamicUser=yes", "SupplementaryGroups=www-data", "BindReadOnlyPaths=" + harness.Home()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachRelease(t, func(t *testing.T, release string) {
				m := Boot(t, release) // of its own: /run/handover is one folder
				s := install(t, m, harness.Config{}, append(lines,
					"Type=notify", byCommand, "Restart=on-failure", "RuntimeDirectory=handover", "StateDirectory=handover", "StateDirectoryMode=0700")...)
				s.asUnitsUser()
				s.reissue()
				s.start()
				unchanged := s.steady()
				load := s.Load(t, light)
				var pair harness.Pair
				for range 3 {
					pair = s.reissue()
					s.reloaded()
					s.serves(pair)
				}
				s.Certs.Install(s.mismatched()) // and nobody but root may read it
				if got := s.reload(); got.Exit != 1 {
					t.Errorf("systemctl reload: %v, want exit 1", got)
				}
				s.says("generation 4 serves", "last reload refused", "file.unreadable")
				s.serves(pair)
				s.reissue()
				if got := s.command("reload"); got.Exit != 0 {
					t.Errorf("reload by root outside of the unit: %v, want exit 0", got)
				}
				if got := s.command("certs", "rollback"); got.Exit != 0 {
					t.Errorf("rollback: %v, want exit 0", got)
				}
				s.serves(pair)
				load.Stop().NothingLost(t)
				for _, p := range s.m.Processes(s.name) {
					if uid := owner(t, p.Pid); uid == 0 {
						t.Errorf("%v runs as root", p)
					}
				}
				unchanged()
				s.stop()
			})
		})
	}
}

func owner(t *testing.T, pid int) uint32 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nUid:")
	var uid uint32
	if _, err := fmt.Sscan(rest, &uid); err != nil {
		t.Fatal(err)
	}
	return uid
}
