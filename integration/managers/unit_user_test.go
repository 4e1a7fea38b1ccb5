package managers

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// person is somebody in the machine who is not root.
const person = "somebody"

// manager is the unit of somebody's own systemd, as user@.service has it but for
// the login.
const manager = `[Service]
Type=notify
User=somebody
Environment=HOME=/home/somebody XDG_RUNTIME_DIR=/run/somebody
RuntimeDirectory=somebody
RuntimeDirectoryMode=0700
Delegate=yes
KillMode=mixed
TasksMax=infinity
ExecStart=/lib/systemd/systemd --user --unit=basic.target
`

// layForUser lays the site out in somebody's home, and starts that one's manager.
func layForUser(t *testing.T, m *Machine) *site {
	t.Helper()
	m.Must("useradd", "-m", person)
	m.Unit("somebody.service", manager)
	m.Must("systemctl", "start", "somebody.service")
	s := lay(t, m, false)
	s.folder = "/home/" + person + "/site"
	id := strings.TrimSpace(m.Must("id", "-u", person))
	s.as = []string{
		"setpriv", "--reuid=" + id, "--regid=" + strings.TrimSpace(m.Must("id", "-g", person)), "--clear-groups",
		"env", "HOME=/home/" + person, "XDG_RUNTIME_DIR=/run/" + person,
	}
	s.first = s.renew()
	return s
}

func TestTheUnitOfAUserWorksInTheUsersOwnManager(t *testing.T) {
	t.Parallel()
	eachRelease(t, func(t *testing.T, release string) {
		s := layForUser(t, Boot(t, release))
		p := printed{config: `
state_dir = "/home/somebody/state"
pidfile = "/home/somebody/site/pid"
graceful_timeout = "10s"
[[listen]]
address = "{address}"
[[listen]]
address = "unix:/run/somebody/web.sock"
tls = false
[[certificate]]
{pair}
[app]
{app}
[log]
access = "/home/somebody/site/access.log"
[hooks]
done = ["cat >/home/somebody/site/told"]
`}
		s.configure(p.config)
		units := "/home/somebody/.config/systemd/user"
		s.must("mkdir", "-p", units)
		text := s.must(s.program, "unit", "--user", "-c", s.config())
		if err := os.WriteFile(s.m.Root()+units+"/"+s.unit, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := s.run("systemd-analyze", "--user", "verify", units+"/"+s.unit); got.Exit != 0 || got.Stdout+got.Stderr != "" {
			t.Errorf("systemd-analyze verify: %v, want no complaint", got)
		}
		s.ordered("daemon-reload")
		s.ordered("enable", "--now", s.unit)
		s.underLoad(p)
		master := s.facts(s.status().Master.Pid)
		if master["NoNewPrivs"] != "1" || master["Seccomp"] != "2" {
			t.Errorf("the master is %v, want no new rights and a filter", master)
		}
		for path, want := range map[string]string{"access.log": "POST / HTTP/1.1", "told": `"event"`, "pid": fmt.Sprint(s.property("MainPID"))} {
			if b, err := os.ReadFile(s.m.Root() + s.folder + "/" + path); err != nil || !strings.Contains(string(b), want) {
				t.Errorf("%s: %v, want %q in it", path, err, want)
			}
		}
		s.stopped()
	})
}
