package managers

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// printed is a config for which a unit is printed, and what its processes are then
// to be.
type printed struct {
	plain, low bool
	config     string
	user       string // of the workers; "": one of the moment
	master     string // its effective rights, as proc_pid_status(5) has them
}

var printedUnits = map[string]printed{
	"a user and a port of root": {low: true, user: "www-data", master: "00000000000004e2", config: `
user = "www-data"
pidfile = "/run/site/pid"
state_dir = "/var/lib/handover"
graceful_timeout = "10s"
[[listen]]
address = "{address}"
[[listen]]
address = "unix:/run/site/web.sock"
tls = false
[[certificate]]
{pair}
[app]
{app}
[limits]
files = 4096
[log]
file = "/var/log/handover/handover.log"
access = "/var/log/handover/access.log"
[hooks]
done = ["cat >/var/lib/handover/told"]
refused = ["cat >/var/lib/handover/told-refused"]
`},
	"keys of root and no user": {user: "root", master: "0000000000000000", config: `
state_dir = "/srv/state"
graceful_timeout = "10s"
[[listen]]
address = "{address}"
[[certificate]]
{pair}
[app]
{app}
[log]
access = "-"
`},
	"plaintext and no user": {plain: true, master: "0000000000000000", config: `
state_dir = "/var/lib/handover"
graceful_timeout = "10s"
[[listen]]
address = "{address}"
tls = false
[[listen]]
address = "unix:/run/handover/web.sock"
tls = false
[app]
{app}
[log]
file = "/var/log/handover/handover.log"
`},
}

func TestThePrintedUnitIsTightAndEverythingWorksInIt(t *testing.T) {
	t.Parallel()
	eachRelease(t, func(t *testing.T, release string) {
		for name, p := range printedUnits {
			if p.user == "root" && release != Distribution {
				continue // nothing in it is between the two others
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := lay(t, Boot(t, release), p.plain)
				if p.low {
					s.low()
				}
				s.configure(p.config)
				s.install()
				s.underLoad(p)
				s.confined(p)
				s.stopped()
			})
		}
	})
}

// install writes the printed unit, has systemd judge it, and starts it.
func (s *site) install() {
	s.t.Helper()
	s.m.Unit(s.unit, s.m.Must(s.program, "unit", "-c", s.config()))
	for _, words := range [][]string{{"verify", s.unit}, {"security", "--threshold=20", s.unit}} {
		got := s.m.Run(append([]string{"systemd-analyze", "--no-pager"}, words...)...)
		if got.Exit != 0 || words[0] == "verify" && got.Stdout+got.Stderr != "" {
			s.t.Errorf("systemd-analyze %q: %v, want no complaint, and at most 2.0", words, got)
		}
		if words[0] == "security" {
			s.t.Log(got.Stdout[strings.LastIndex(strings.TrimSpace(got.Stdout), "\n")+1:])
		}
	}
	s.ordered("start", s.unit)
}

// underLoad does everything that the sandbox might be in the way of.
func (s *site) underLoad(p printed) {
	t := s.t
	t.Helper()
	pid, pair := s.property("MainPID"), s.first
	load := s.Load(t, harness.Load{New: 2, Kept: 2})
	for range 3 {
		if !p.plain {
			pair = s.renew()
		}
		s.ordered("reload", s.unit)
		if !p.plain {
			s.meets(pair)
		}
		load.More(t, 20)
	}
	s.refused(p, pair)
	s.killed()
	if !p.plain {
		pair = s.renew()
		if got := s.do("rotate"); got.Exit != 0 {
			t.Errorf("rotate: %v", got)
		}
		s.meets(pair)
	}
	for _, words := range [][]string{{"reopen"}, {"scale", "3"}, {"scale", "2"}} {
		if got := s.do(words...); got.Exit != 0 {
			t.Errorf("%q: %v", words, got)
		}
	}
	load.More(t, 20)
	unharmed(t, load)
	if got := s.property("MainPID"); got != pid {
		t.Errorf("MainPID %s, want %s as at the start", got, pid)
	}
	if got := s.property("NRestarts"); got != "0" {
		t.Errorf("%s restarts, want none", got)
	}
}

// killed kills the master: another one is started in its place.
func (s *site) killed() {
	s.t.Helper()
	before := s.status()
	s.m.Must("kill", "-9", fmt.Sprint(before.Master.Pid))
	harness.Until(s.t, "another master", 20*time.Second, func() error {
		got, err := s.asked()
		if err != nil {
			return err
		}
		return harness.Unless(got.Master.Pid != before.Master.Pid && got.State == "serving" && len(got.Workers) == 2, "%+v", got)
	})
}

// refused reloads what must be refused, and mends it.
func (s *site) refused(p printed, pair harness.Pair) {
	t := s.t
	t.Helper()
	want, mend := "(pair.mismatch)", func() { s.fill(pair) }
	if p.plain {
		want, mend = `unknown key "nonsense"`, func() { s.configure(p.config) }
		s.configure("nonsense = 1\n" + p.config)
	} else {
		s.fill(harness.Pair{Cert: pair.Cert, Key: s.Certs.Issue(harness.Leaf{}).Key})
	}
	if got := s.ctl("reload", s.unit); got.Exit == 0 {
		t.Errorf("reload of what is broken: %v, want a failure", got)
	}
	if got := s.journal(); !strings.Contains(got, want) {
		t.Errorf("journal:\n%s\nwant the reason %q", got, want)
	}
	if got := s.property("ActiveState"); got != "active" {
		t.Errorf("the unit is %q after a refused reload, want active", got)
	}
	mend()
}

var ownLine = regexp.MustCompile(`(?m)^(Uid|CapEff|NoNewPrivs|Seccomp|Groups):\s*(.*)$`)

// facts reads what the kernel says of a process in the machine.
func (s *site) facts(pid int) map[string]string {
	s.t.Helper()
	found := map[string]string{}
	for _, line := range ownLine.FindAllStringSubmatch(s.m.Must("cat", fmt.Sprintf("/proc/%d/status", pid)), -1) {
		found[line[1]] = strings.Join(strings.Fields(line[2]), " ")
	}
	return found
}

// confined looks at who the processes are, and at what they have written.
func (s *site) confined(p printed) {
	t := s.t
	t.Helper()
	var status harness.Status
	harness.Until(t, "two workers", 20*time.Second, func() error { // the third one of scale may drain
		var err error
		if status, err = s.asked(); err != nil {
			return err
		}
		return harness.Unless(len(status.Workers) == 2, "%+v", status.Workers)
	})
	master := s.facts(status.Master.Pid)
	if master["CapEff"] != p.master || master["NoNewPrivs"] != "1" || master["Seccomp"] != "2" {
		t.Errorf("the master is %v, want the rights %s, no new ones, and a filter", master, p.master)
	}
	s.shutIn(status.Master.Pid)
	uid := strings.Fields(master["Uid"])[0]
	if p.user != "" {
		uid = strings.TrimSpace(s.m.Must("id", "-u", p.user))
	} else if uid == "0" {
		t.Error("the master is root, want a user of the moment")
	}
	for _, w := range status.Workers {
		worker := s.facts(w.Pid)
		if !strings.HasPrefix(worker["Uid"], uid+" "+uid) || strings.Trim(worker["CapEff"], "0") != "" {
			t.Errorf("a worker is %v, want uid %s and no rights", worker, uid)
		}
		if w.RSS <= 0 {
			t.Error("the master does not see how much memory a worker has")
		}
		if got := strings.TrimSpace(s.m.Must("cat", fmt.Sprintf("/proc/%d/oom_score_adj", w.Pid))); got != "200" {
			t.Errorf("oom_score_adj of a worker is %s, want 200", got)
		}
	}
	s.written(p)
}

// shutIn requires that a process finds what the system is made of read-only, and a
// /tmp of its own.
func (s *site) shutIn(pid int) {
	s.t.Helper()
	mounts := s.m.Must("cat", fmt.Sprintf("/proc/%d/mountinfo", pid))
	for what, want := range map[string]string{"/ read-only": ` / / ro,`, "a /tmp of its own": `/systemd-private-\S+ /tmp `} {
		if !regexp.MustCompile(want).MatchString(mounts) {
			s.t.Errorf("mounts of process %d: want %s\n%s", pid, what, mounts)
		}
	}
}

// written looks for the files that the config asks for.
func (s *site) written(p printed) {
	t := s.t
	t.Helper()
	expect := func(path, want string) {
		b, err := os.ReadFile(s.m.Root() + path)
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %v, %d bytes, want %q in it", path, err, len(b), want)
		}
	}
	if strings.Contains(p.config, "handover.log") {
		expect("/var/log/handover/handover.log", "log files reopened")
	}
	if strings.Contains(p.config, "access.log") {
		expect("/var/log/handover/access.log", `"POST / HTTP/1.1" 200`)
	}
	if strings.Contains(p.config, "[hooks]") {
		expect("/var/lib/handover/told", `"event"`)
		expect("/var/lib/handover/told-refused", "pair.mismatch")
	}
	if strings.Contains(p.config, "pidfile") {
		expect("/run/site/pid", s.property("MainPID"))
	}
	if !p.plain {
		if got := s.do("certs", "rollback"); got.Exit != 0 {
			t.Errorf("rollback: %v, want the pair before from state_dir", got)
		}
	}
	if p.user == "www-data" {
		if got, err := s.Get("/open?path=" + s.pairs() + "/privkey.pem"); err != nil || got.Status != 403 {
			t.Errorf("the key, asked for as a worker: %v, %v, want it forbidden", got.Status, err)
		}
	}
}

// stopped stops the unit.
func (s *site) stopped() {
	t := s.t
	t.Helper()
	s.ordered("stop", s.unit)
	for property, want := range map[string]string{"Result": "success", "ExecMainStatus": "0", "ActiveState": "inactive"} {
		if got := s.property(property); got != want {
			t.Errorf("after a stop: %s=%s, want %s", property, got, want)
		}
	}
	if s.as != nil {
		return
	}
	if left := s.m.Processes(s.unit); len(left) > 0 {
		t.Errorf("left after a stop: %v", left)
	}
}

func TestAUnitOfABadConfigOrForABadPathIsNotPrinted(t *testing.T) {
	t.Parallel()
	bad := harness.Prepare(t, harness.Config{Keys: "wrokers = 2"})
	good := harness.Prepare(t, harness.Config{})
	returned := harness.Prepare(t, harness.Config{Keys: `state_dir = "/srv/a\rb"`})
	for _, c := range []struct {
		words []string
		exit  int
		want  string
	}{
		{[]string{"unit", "-c", bad.ConfigFile()}, 78, `unknown key "wrokers"`},
		{[]string{"unit", "-c", bad.ConfigFile() + ".none"}, 78, "no such file"},
		{[]string{"unit", "-c", returned.ConfigFile()}, 78, "control character"},
		{[]string{"unit"}, 78, "found no configuration"},
		{[]string{"unit", "-c", good.ConfigFile(), "--at", "config.toml"}, 64, "--at"},
		{[]string{"unit", "-c", good.ConfigFile(), "--binary", "handover"}, 64, "--binary"},
	} {
		got := harness.Do(t, harness.Binary(t), c.words...)
		if got.Exit != c.exit || !strings.Contains(got.Stderr, c.want) || got.Stdout != "" {
			t.Errorf("%q: %v, want exit %d and %q", c.words, got, c.exit, c.want)
		}
	}
}
