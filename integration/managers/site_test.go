package managers

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// site is a service that lies in a machine as an administrator lays it out: the
// program in /usr, the rest in /etc, /run and /var. The clients' side of it is an
// instance that nobody starts.
type site struct {
	*harness.Instance
	t       *testing.T
	m       *Machine
	unit    string
	program string
	folder  string   // of the config
	keys    string   // of the certificates; empty: tls in that folder
	as      []string // words before a command: whose service it is; none: root's
	first   harness.Pair
}

// lay copies program and certificates into a machine of the test's own.
func lay(t *testing.T, m *Machine, plain bool) *site {
	t.Helper()
	s := &site{
		Instance: harness.Prepare(t, harness.Config{Plain: plain}), t: t, m: m,
		unit: "handover.service", program: "/usr/local/bin/handover", folder: "/etc/handover",
	}
	s.put(s.program, harness.Binary(t))
	s.put("/usr/local/bin/echo-program", harness.Program(t, "echo"))
	s.first = s.renew()
	return s
}

// put copies a program into the machine.
func (s *site) put(to, from string) {
	s.t.Helper()
	in, err := os.Open(from)
	if err != nil {
		s.t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(s.m.Root()+to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err == nil {
		_, err = io.Copy(out, in)
	}
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) config() string { return s.folder + "/config.toml" }
func (s *site) pairs() string {
	if s.keys != "" {
		return s.keys
	}
	return s.folder + "/tls"
}

// renew puts a new pair where the config names it, and the key for root alone.
func (s *site) renew() harness.Pair {
	s.t.Helper()
	p := s.Certs.Issue(harness.Leaf{})
	s.fill(p)
	return p
}

func (s *site) fill(p harness.Pair) {
	s.t.Helper()
	if err := os.MkdirAll(s.m.Root()+s.pairs(), 0o755); err != nil {
		s.t.Fatal(err)
	}
	s.Certs.Fill(s.m.Root()+s.pairs(), p)
	if s.as != nil {
		s.m.Must("chown", "-R", person, s.folder)
	}
}

// configure writes the config. {address}, {pair} and {app} stand for what is this
// site's.
func (s *site) configure(text string) {
	s.t.Helper()
	text = strings.NewReplacer(
		"{address}", s.Addr,
		"{pair}", fmt.Sprintf("certfile = %q\nkeyfile = %q", s.pairs()+"/fullchain.pem", s.pairs()+"/privkey.pem"),
		"{app}", `command = ["/usr/local/bin/echo-program"]`,
	).Replace(text)
	path := filepath.Join(s.m.Root(), s.config())
	if err := os.WriteFile(path+".next", []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(path+".next", path); err != nil {
		s.t.Fatal(err)
	}
}

// do runs a command of the program in the machine.
func (s *site) do(words ...string) harness.Result {
	s.t.Helper()
	return s.run(append([]string{s.program, words[0], "-c", s.config()}, words[1:]...)...)
}

// run runs a command as whoever has the service.
func (s *site) run(words ...string) harness.Result {
	s.t.Helper()
	return s.m.Run(append(append([]string{}, s.as...), words...)...)
}

func (s *site) must(words ...string) string {
	s.t.Helper()
	return s.m.Must(append(append([]string{}, s.as...), words...)...)
}

// ctl is systemctl with the manager of the service.
func (s *site) ctl(words ...string) harness.Result {
	s.t.Helper()
	if s.as != nil {
		words = append([]string{"--user"}, words...)
	}
	return s.run(append([]string{"systemctl"}, words...)...)
}

func (s *site) property(name string) string {
	s.t.Helper()
	return strings.TrimSpace(s.ctl("show", "-P", name, s.unit).Stdout)
}

// ordered is ctl for what must succeed.
func (s *site) ordered(words ...string) {
	s.t.Helper()
	if got := s.ctl(words...); got.Exit != 0 {
		s.t.Fatalf("systemctl %q: %v\n%s", words, got, s.journal())
	}
}

// journal is what everybody in the machine has said.
func (s *site) journal() string {
	s.t.Helper()
	s.m.Must("journalctl", "--sync")
	return s.m.Must("journalctl", "-o", "cat", "--no-pager")
}

// status is what the service says of itself.
func (s *site) status() harness.Status {
	s.t.Helper()
	status, err := s.asked()
	if err != nil {
		s.t.Fatal(err)
	}
	return status
}

func (s *site) asked() (status harness.Status, err error) {
	s.t.Helper()
	got := s.do("status", "--json")
	if err := json.Unmarshal([]byte(got.Stdout), &status); err != nil {
		return status, fmt.Errorf("status: %v: %v", err, got)
	}
	return status, nil
}

// low moves the site to a port that is root's, on its own address.
func (s *site) low() {
	host, _, _ := net.SplitHostPort(s.Addr)
	s.Addr = net.JoinHostPort(host, "443")
}

// meets waits until new clients meet the pair.
func (s *site) meets(p harness.Pair) {
	s.t.Helper()
	s.WaitServed(p, 10*time.Second)
}

// unharmed ends a load of which nothing may be lost.
func unharmed(t *testing.T, load *harness.Running) {
	t.Helper()
	got := load.Stop()
	if len(got.Losses) > 0 {
		t.Errorf("lost: %v", got.Losses)
	}
	t.Logf("%d of %d requests lost", len(got.Losses), got.Requests)
}
