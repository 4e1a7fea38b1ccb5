package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// Peers is who is measured, Handover first. Each is configured as its own
// documentation does it, with the number of workers and no access log.
var Peers = []Peer{
	answering(Peer{Name: "handover", Version: described, Start: startHandover, HTTP2: true}),
	answering(Peer{Name: "net/http", Version: goVersion, Start: startPlain, HTTP2: true, OneByOne: true}),
	answering(Peer{Name: "tableflip", Version: required("github.com/cloudflare/tableflip"), Start: startFlip, HTTP2: true, OneByOne: true}),
	answering(Peer{Name: "nginx", Version: installed("nginx", "-v"), Start: startNginx, HTTP2: true}),
	answering(Peer{Name: "haproxy", Version: installed("haproxy", "-v"), Start: startHAProxy, HTTP2: true}),
	answering(Peer{Name: "caddy", Version: installed("caddy", "version"), Start: startCaddy, HTTP2: true, OneByOne: true}),
	answering(Peer{Name: "gunicorn", Version: installed("gunicorn", "--version"), Start: startGunicorn, MaxSites: 1}), // reads the files for each connection, whatever it was told
	answering(Peer{Name: "hitch", Version: installed("hitch", "--version"), Start: startHitch}),                       // its backend is not counted
}

// answering has a peer's Start return when each of its processes is there and
// the last site has answered.
func answering(p Peer) Peer {
	start := p.Start
	p.Start = func(t testing.TB, setup Setup) *Server {
		t.Helper()
		s := start(t, setup)
		s.Peer = p
		trust := setup.Certs.Trust("http/1.1")
		trust.ServerName = harness.Site(setup.Sites - 1)
		// nginx takes 4 ms of CPU for each pair.
		s.until(t, p.Name+" answers", 3*time.Minute, func() error {
			c, err := harness.Dial("tcp", s.Addr, trust)
			if err != nil {
				return err
			}
			defer c.Close()
			if _, err := c.Do("GET", "/", nil); err != nil {
				return err
			}
			return s.Settled()
		})
		return s
	}
	return p
}

// site returns the files of the n-th pair.
func (s Setup) site(n int) (certfile, keyfile string) {
	stem := filepath.Join(s.Dir, harness.Site(n))
	return stem + ".crt", stem + ".key"
}

// look finds a program; without it the test is skipped.
func look(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("SKIPPED, NOT PASSED: %v: make bench-deps installs it", err)
	}
	return path
}

// write writes a file of a server.
func write(t testing.TB, folder, name, text string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
