package managers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// moment is how long to wait for what takes a moment on a machine at rest.
const moment = 25 * time.Second

// keeper is a manager that starts a service again when its process ends, as the
// words that one types.
type keeper struct {
	first                     []string // what runs as PID 1
	hup, stop, start, restart []string
	ask                       []string // what shows the PID
}

// keepers are made from the folder that the manager's own files go to and the
// program that it is to start. Each is set up as its own manual says.
var keepers = map[string]func(t *testing.T, dir, run string) keeper{
	"runit": func(t *testing.T, dir, run string) keeper {
		s := runFolder(t, dir, run)
		return keeper{
			first: typed("runsvdir %s", dir),
			hup:   typed("sv hup %s", s), stop: typed("sv -w 30 stop %s", s), start: typed("sv start %s", s),
			restart: typed("sv -w 30 restart %s", s), ask: typed("sv status %s", s),
		}
	},
	"s6": func(t *testing.T, dir, run string) keeper {
		s := runFolder(t, dir, run)
		return keeper{
			first: typed("s6-svscan %s", dir),
			hup:   typed("s6-svc -h %s", s), stop: typed("s6-svc -wD -T 30000 -d %s", s), start: typed("s6-svc -u %s", s),
			restart: typed("s6-svc -r %s", s), ask: typed("s6-svstat %s", s),
		}
	},
	"daemontools": func(t *testing.T, dir, run string) keeper {
		s := runFolder(t, dir, run)
		return keeper{
			first: typed("svscan %s", dir),
			hup:   typed("svc -h %s", s), stop: typed("svc -d %s", s), start: typed("svc -u %s", s),
			restart: typed("svc -t %s", s), ask: typed("svstat %s", s),
		}
	},
	"supervisord unexpected": func(t *testing.T, dir, run string) keeper { return supervisord(t, dir, run, "unexpected") },
	"supervisord true":       func(t *testing.T, dir, run string) keeper { return supervisord(t, dir, run, "true") },
}

func supervisord(t *testing.T, dir, run, again string) keeper {
	t.Helper()
	file := filepath.Join(dir, "supervisord.conf")
	layOut(t, file, 0o644, fmt.Sprintf(`[supervisord]
nodaemon=true
user=root
logfile=%[1]s/supervisord.log
childlogdir=%[1]s
pidfile=%[1]s/supervisord.pid
[unix_http_server]
file=%[1]s/sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://%[1]s/sock
[program:handover]
command=%[2]s
autorestart=%[3]s
stopsignal=TERM
stopwaitsecs=45
startsecs=1
`, dir, run, again))
	ctl := "supervisorctl -c " + file
	return keeper{
		first: typed("supervisord -c %s", file),
		hup:   typed("%s signal HUP handover", ctl), stop: typed("%s stop handover", ctl), start: typed("%s start handover", ctl),
		restart: typed("%s restart handover", ctl), ask: typed("%s status handover", ctl),
	}
}

// runFolder is a folder with a run script, as runit, s6 and daemontools know it.
func runFolder(t *testing.T, dir, run string) string {
	t.Helper()
	s := filepath.Join(dir, "handover")
	if err := os.Mkdir(s, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(run, filepath.Join(s, "run")); err != nil {
		t.Fatal(err)
	}
	return s
}

func typed(format string, args ...any) []string { return strings.Fields(fmt.Sprintf(format, args...)) }

func layOut(t *testing.T, path string, mode os.FileMode, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// provided requires programs that "make test-deps" installs.
func provided(t *testing.T, programs ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED, NOT PASSED: a PID namespace takes root")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Fatalf("%v: make test-deps installs it", err)
		}
	}
}

// kept is an instance that a manager keeps.
type kept struct {
	keeper
	*harness.Instance
	ward *harness.Ward
	dir  string
}

// keep has a manager start an instance and waits until it serves.
func keep(t *testing.T, of func(t *testing.T, dir, run string) keeper) *kept {
	t.Helper()
	k := &kept{Instance: harness.Prepare(t, harness.Config{}), dir: harness.Folder(t)}
	run := filepath.Join(k.Dir, "run")
	layOut(t, run, 0o755, fmt.Sprintf("#!/bin/sh\necho $$ >>%[1]s/starts\nexec %[2]s run -c %[3]s >>%[1]s/output 2>&1\n",
		k.Dir, harness.Binary(t), k.ConfigFile()))
	k.keeper = of(t, k.dir, run)
	provided(t, k.first[0], k.ask[0])
	k.ward = harness.Enter(t, k.dir, nil, k.first...)
	k.WaitServing()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the manager printed:\n%s\nthe service:\n%s", k.ward.Output(), k.Instance.Output())
		}
	})
	return k
}

// tell gives the manager one of its orders.
func (k *kept) tell(t *testing.T, order []string) {
	t.Helper()
	if got := k.ward.Do(order...); got.Exit != 0 {
		t.Errorf("%q: %v, want exit 0", order, got)
	}
}

// starts counts how often the manager has started the service.
func (k *kept) starts(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(k.Dir, "starts"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), "\n")
}

var known = regexp.MustCompile(`pid (\d+)`)

// knows is the PID that the manager shows, 0 if it says that the service is down.
func (k *kept) knows() int {
	service, _, _ := strings.Cut(k.ward.Do(k.ask...).Stdout, ";") // sv tells of the log service behind it
	m := known.FindStringSubmatch(service)
	if m == nil {
		return 0
	}
	pid, _ := strconv.Atoi(m[1])
	return pid
}

// up waits until the manager and the instance name the same PID, another one
// than before, and requires so many starts.
func (k *kept) up(t *testing.T, before, starts int) (pid int) {
	t.Helper()
	harness.Until(t, "the manager knows the service", moment, func() error {
		s, err := k.Status()
		if err != nil {
			return err
		}
		if err := harness.Serving(s); err != nil {
			return err
		}
		pid = k.knows()
		return harness.Unless(pid == s.Pid && pid != before, "status says pid %d, the manager %d; before it was %d", s.Pid, pid, before)
	})
	k.unnoticed(t, pid, starts)
	k.ward.Exactly(k.Instance)
	return pid
}

// unnoticed requires that the manager has seen nothing of what happened.
func (k *kept) unnoticed(t *testing.T, pid, starts int) {
	t.Helper()
	if got := k.knows(); got != pid {
		t.Errorf("the manager knows pid %d, want %d as before", got, pid)
	}
	if got := k.starts(t); got != starts {
		t.Errorf("started %d times, want %d", got, starts)
	}
}
