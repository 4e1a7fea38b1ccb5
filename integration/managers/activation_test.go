package managers

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// soon bounds a wait on a machine that has other work too.
const soon = 30 * time.Second

// clients are the load of every test of sockets.
var clients = harness.Load{New: 2, Kept: 2, Think: 10 * time.Millisecond, Rest: 10 * time.Millisecond}

// tenant is an instance that a unit of a machine runs, with socket units beside it.
type tenant struct {
	*harness.Instance
	t       *testing.T
	m       *Machine
	service string
}

// lodge prepares an instance, and writes nothing yet.
func lodge(t *testing.T, release string, c harness.Config) *tenant {
	t.Helper()
	m := Share(t, release)
	i := harness.Prepare(t, c)
	s := &tenant{Instance: i, t: t, m: m, service: "tenant-" + filepath.Base(i.Dir) + ".service"}
	t.Cleanup(func() {
		text := m.Journal(s.service)
		if strings.Contains(text, "DATA RACE") || strings.Contains(text, "BUG:") {
			t.Errorf("the instance found a fault in itself:\n%s", text)
		}
	})
	return s
}

// runs writes the service, with lines of its own.
func (s *tenant) runs(lines ...string) {
	s.t.Helper()
	text := fmt.Sprintf(`[Unit]
StartLimitIntervalSec=0
[Service]
Type=notify
Environment=GORACE=atexit_sleep_ms=0
ExecStart=%[1]s run -c %[2]s
ExecReload=%[1]s reload -c %[2]s
TimeoutStopSec=45
Restart=on-failure
RestartPreventExitStatus=64 65 78
`, harness.Binary(s.t), s.ConfigFile())
	s.m.Unit(s.service, text+strings.Join(lines, "\n")+"\n")
}

// socket writes and starts a socket unit of the service, and returns its name.
func (s *tenant) socket(kind string, lines ...string) string {
	s.t.Helper()
	name := strings.TrimSuffix(s.service, ".service") + kind + ".socket"
	s.m.Unit(name, "[Socket]\nService="+s.service+"\n"+strings.Join(lines, "\n")+"\n")
	s.m.Must("systemctl", "start", name)
	return name
}

func (s *tenant) do(verb string) {
	s.t.Helper()
	s.m.Must("systemctl", verb, s.service)
}

// is waits for a property of the service.
func (s *tenant) is(name, want string) {
	s.t.Helper()
	harness.Until(s.t, name, soon, func() error {
		got := s.m.Property(s.service, name)
		return harness.Unless(got == want, "%q, want %q", got, want)
	})
}

// comes is a client that connects now; its answer comes through the channel.
func (s *tenant) comes(network, address string) <-chan error {
	answer := make(chan error, 1)
	ask := s.Answers(network, address)
	go func() { answer <- ask() }()
	return answer
}

// meets requires that a client has been answered.
func (s *tenant) meets(who string, answer <-chan error) {
	s.t.Helper()
	select {
	case err := <-answer:
		if err != nil {
			s.t.Errorf("%s: %v, want an answer", who, err)
		}
	case <-time.After(soon):
		s.t.Errorf("%s: no answer within %v", who, soon)
	}
}

// refuses requires that nobody listens.
func (s *tenant) refuses(network, address string) {
	s.t.Helper()
	harness.Until(s.t, "nobody listens", soon, func() error {
		c, err := harness.Dial(network, address, nil)
		if err == nil {
			c.Close()
		}
		return harness.Unless(err != nil, "a connection to %s", address)
	})
}

// killAnchor kills the process that systemd started, and waits until it has
// started another one that is ready.
func (s *tenant) killAnchor() {
	s.t.Helper()
	lost := s.m.Property(s.service, "MainPID")
	s.m.Must("kill", "-KILL", lost)
	harness.Until(s.t, "another anchor", soon, func() error {
		now, state := s.m.Property(s.service, "MainPID"), s.m.Property(s.service, "ActiveState")
		return harness.Unless(now != lost && now != "0" && state == "active", "process %s, %s", now, state)
	})
}

// shows requires a certificate to be what the next client meets.
func (s *tenant) shows(want harness.Pair) {
	s.t.Helper()
	got, err := s.Served()
	if err != nil || got != want.Fingerprint {
		s.t.Errorf("served %q, %v, want %q", got, err, want.Fingerprint)
	}
}

func TestASocketUnitStartsTheServiceAndHoldsConnectionsOverRestarts(t *testing.T) {
	t.Parallel()
	eachRelease(t, func(t *testing.T, release string) {
		s := lodge(t, release, harness.Config{})
		s.runs()
		s.socket("", "ListenStream="+s.Addr)
		s.meets("the client that starts the service", s.comes("tcp", s.Addr))
		load := s.Load(t, clients)
		for range 2 {
			s.do("restart")
			load.More(t, 20)
		}
		pair := s.Certs.Renew()
		s.do("reload")
		s.shows(pair)
		s.killAnchor()
		load.More(t, 20)
		s.do("stop") // which does not last: the next of the clients starts it again
		load.More(t, 20)
		load.Stop().NothingLost(t)
		s.do("stop")
		s.is("ActiveState", "inactive")
		s.meets("a client after a stop", s.comes("tcp", s.Addr))
		if text := s.m.Journal(s.service); strings.Contains(text, "is not served") {
			t.Errorf("journal %q, want no warning of a socket that is served", text)
		}
	})
}

func TestSeveralSocketUnitsServeTheirAddresses(t *testing.T) {
	t.Parallel()
	eachRelease(t, func(t *testing.T, release string) {
		s := lodge(t, release, harness.Config{})
		admin, spare, path := harness.FreeAddress(t), harness.FreeAddress(t), filepath.Join(s.Dir, "s.sock")
		c := s.Config
		c.Tables = fmt.Sprintf("[[listen]]\naddress = %q\ntls = false\nmode = \"0600\"\n[admin]\naddress = %q", "unix:"+path, admin)
		s.Configure(c)
		s.runs()
		s.socket("", "ListenStream="+s.Addr, "ListenStream="+path, "SocketMode=0646", "FileDescriptorName=web")
		s.socket("-admin", "ListenStream="+admin, "ListenStream="+spare, "FileDescriptorName=listen.watch")
		made, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		s.meets("the client that starts the service", s.comes("unix", path))
		load := s.Load(t, clients)
		for n := range 3 {
			var early []<-chan error
			for range 4 {
				early = append(early, s.comes("unix", path))
			}
			s.do([]string{"reload", "restart", "restart"}[n])
			for _, answer := range append(early, s.comes("tcp", s.Addr), s.comes("unix", path)) {
				s.meets("a client", answer)
			}
			harness.Until(t, "the admin address", soon, func() error {
				c, err := harness.Dial("tcp", admin, nil)
				if err != nil {
					return err
				}
				defer c.Close()
				a, err := c.Do("GET", "/healthz", nil)
				if err != nil {
					return err
				}
				return harness.Unless(a.Status == 200, "status %d", a.Status)
			})
			now, err := os.Stat(path)
			if err != nil || !os.SameFile(made, now) || now.Mode().Perm() != 0o646 {
				t.Errorf("got %v, %v, want the file that systemd made, with its mode", now, err)
			}
		}
		load.Stop().NothingLost(t)
		text := s.m.Journal(s.service)
		for _, want := range []string{"is not served", spare, "listen.watch"} {
			if !strings.Contains(text, want) {
				t.Errorf("journal %q, want %q in it", text, want)
			}
		}
		if got := strings.Count(text, "is not served"); got != 3 {
			t.Errorf("warned %d times, want 3: at each start", got)
		}
	})
}

func TestAPortBelow1024NeedsNoRightsThroughASocketUnit(t *testing.T) {
	t.Parallel()
	eachRelease(t, func(t *testing.T, release string) {
		s := lodge(t, release, harness.Config{})
		host, _, _ := strings.Cut(s.Addr, ":")
		s.Addr = host + ":443"
		s.Configure(s.Config)
		err := filepath.WalkDir(s.Dir, func(path string, _ os.DirEntry, err error) error {
			if err == nil {
				err = os.Lchown(path, 65534, 65534)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		s.runs("User=nobody", "CapabilityBoundingSet=", "NoNewPrivileges=yes")
		if got := s.m.Run("systemctl", "start", s.service); got.Exit == 0 {
			t.Error("started without a socket unit: this kernel asks for no rights, and nothing is tested")
		}
		if text := s.m.Journal(s.service); !strings.Contains(text, "socket unit") {
			t.Errorf("journal %q, want a hint at a socket unit", text)
		}
		s.m.Must("systemctl", "reset-failed", s.service)
		s.socket("", "ListenStream="+s.Addr)
		load := s.Load(t, clients)
		for range 2 {
			s.do("reload")
			load.More(t, 20)
		}
		s.do("restart")
		load.More(t, 20)
		load.Stop().NothingLost(t)
		for _, p := range s.m.Processes(s.service) {
			if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid)); err != nil || !strings.Contains(string(text), "Uid:\t65534\t65534") {
				t.Errorf("process %v: %v, want it to be nobody's", p, err)
			}
		}
	})
}
