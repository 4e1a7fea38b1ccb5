package managers

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// within bounds a wait on a machine that has other work too.
const within = 30 * time.Second

// light is a load that leaves the machine to the tests beside it.
var light = harness.Load{New: 2, Kept: 2, Think: 10 * time.Millisecond, Rest: 10 * time.Millisecond, H2: 1, Streams: 2}

// Ways to have a unit reload.
const (
	byCommand = "ExecReload=%[1]s reload -c %[2]s"
	bySignal  = "ExecReload=/bin/kill -HUP $MAINPID"
)

// service is an instance that runs as a unit of a machine.
type service struct {
	*harness.Instance
	t    *testing.T
	m    *Machine
	name string
}

// install writes the unit of an instance, with lines of its own in [Service]; in
// those %[1]s is the program and %[2]s the config. Nothing is started.
func install(t *testing.T, m *Machine, c harness.Config, lines ...string) *service {
	t.Helper()
	i := harness.Prepare(t, c)
	s := &service{Instance: i, t: t, m: m, name: "handover-" + filepath.Base(i.Dir) + ".service"}
	s.write(lines...)
	t.Cleanup(func() {
		journal := m.Journal(s.name)
		if strings.Contains(journal, "DATA RACE") || strings.Contains(journal, "BUG:") {
			t.Errorf("the instance found a fault in itself:\n%s", journal)
		}
	})
	return s
}

func (s *service) write(lines ...string) {
	s.t.Helper()
	text := "[Service]\nExecStart=%[1]s run -c %[2]s\n" + strings.Join(lines, "\n") + "\n"
	s.m.Unit(s.name, fmt.Sprintf(text+"#%[1]s%[2]s\n", harness.Binary(s.t), s.ConfigFile()))
}

// start starts the unit, which returns when it is ready. Type=simple is not asked.
func (s *service) start() {
	s.t.Helper()
	s.m.Must("systemctl", "start", s.name)
}

// reload has systemd reload the unit.
func (s *service) reload() harness.Result {
	s.t.Helper()
	return s.m.Run("systemctl", "reload", s.name)
}

// reloaded has the unit reloaded, which must succeed.
func (s *service) reloaded() {
	s.t.Helper()
	if got := s.reload(); got.Exit != 0 {
		s.t.Errorf("systemctl reload: %v, want exit 0", got)
	}
}

// serves requires a certificate to be what the next client meets.
func (s *service) serves(want harness.Pair) {
	s.t.Helper()
	got, err := s.Served()
	if err != nil || got != want.Fingerprint {
		s.t.Errorf("served %.12s…, %v; want %.12s…", got, err, want.Fingerprint)
	}
}

// is requires properties of the unit, as NAME=VALUE.
func (s *service) is(want ...string) {
	s.t.Helper()
	for _, w := range want {
		name, value, _ := strings.Cut(w, "=")
		if got := s.m.Property(s.name, name); got != value {
			s.t.Errorf("%s=%s, want %s", name, got, value)
		}
	}
}

// between lies between two questions to systemd: each starts three programs, and
// asking all the time would take a core from what is waited for.
const between = 50 * time.Millisecond

// becomes waits for a property of the unit.
func (s *service) becomes(name, value string) {
	s.t.Helper()
	harness.Until(s.t, name+"="+value, within, func() error {
		got := s.m.Property(s.name, name)
		if got != value {
			harness.After(between)
		}
		return harness.Unless(got == value, "%s", got)
	})
}

// says waits for a status text that has all the words.
func (s *service) says(words ...string) {
	s.t.Helper()
	harness.Until(s.t, fmt.Sprintf("StatusText with %q", words), within, func() error {
		got := s.m.Property(s.name, "StatusText")
		for _, w := range words {
			if !strings.Contains(got, w) {
				return fmt.Errorf("%q", got)
			}
		}
		return nil
	})
}

// explains requires words in the unit's journal.
func (s *service) explains(words ...string) {
	s.t.Helper()
	journal := s.m.Journal(s.name)
	for _, w := range words {
		if !strings.Contains(journal, w) {
			s.t.Errorf("journal without %q:\n%s", w, journal)
		}
	}
}

// steady returns the unit's main process, and requires that it has not changed
// when it is called.
func (s *service) steady() func() {
	s.t.Helper()
	before := s.m.Property(s.name, "MainPID")
	return func() {
		s.t.Helper()
		s.is("MainPID="+before, "NRestarts=0", "ActiveState=active", "SubState=running")
	}
}

// stop has systemd stop the unit, and requires a good end: nobody was killed and
// nothing is left.
func (s *service) stop() {
	s.t.Helper()
	s.m.Must("systemctl", "stop", s.name)
	s.ended()
}

// ended requires a good end.
func (s *service) ended() {
	s.t.Helper()
	s.is("ActiveState=inactive", "Result=success", "ExecMainCode=1", "ExecMainStatus=0")
	s.gone()
	// What systemd killed before it started the service again is no part of this end.
	journal := s.m.Journal(s.name)
	if last := journal[max(strings.LastIndex(journal, "Scheduled restart job"), 0):]; strings.Contains(last, "with signal SIGKILL") {
		s.t.Errorf("somebody was killed:\n%s", journal)
	}
}

// gone requires that nothing is left of the instance.
func (s *service) gone() {
	s.t.Helper()
	if left := s.m.Processes(s.name); len(left) > 0 {
		s.t.Errorf("processes left: %v", left)
	}
	for _, path := range []string{s.ControlSocket(), s.PidFile()} {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			s.t.Errorf("%q is left: %v", path, err)
		}
	}
	l, err := net.Listen("tcp", s.Addr)
	if err != nil {
		s.t.Errorf("after the end: %v", err)
		return
	}
	_ = l.Close()
}

// kill signals a process of the unit by its number inside.
func (s *service) kill(signal string, pid any) {
	s.t.Helper()
	s.m.Must("kill", "-"+signal, fmt.Sprint(pid))
}

// mismatched is a pair whose key is another one's.
func (s *service) mismatched() harness.Pair {
	p := s.Certs.Issue(harness.Leaf{})
	p.Key = s.Certs.Issue(harness.Leaf{}).Key
	return p
}
