package bench

import (
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// soon bounds a wait; it is no measurement.
const soon = 30 * time.Second

func TestEachPeerServesEverySiteReloadsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, p := range Peers {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			if p.Version() == "" {
				missing(t, p)
			}
			t.Logf("version %s", p.Version())
			setup, live, renewed := layOut(t, p)
			var s *Server
			t.Cleanup(func() { ended(t, s) }) // after those of the server
			s = p.Start(t, setup)
			shape(t, s, setup)
			met(t, s, setup, live.fingerprints)
			asks(t, s, setup)
			renew(t, s, setup, renewed)
			met(t, s, setup, renewed.fingerprints)
			asks(t, s, setup)
			shape(t, s, setup)
		})
	}
}

// shape requires the server to have the processes that its peer is said to have.
func shape(t *testing.T, s *Server, setup Setup) {
	t.Helper()
	all, workers := numbers(s.Processes()), numbers(s.Workers())
	if !all[s.Main()] {
		t.Errorf("main process %d is not one of %v", s.Main(), all)
	}
	for pid := range workers {
		if !all[pid] {
			t.Errorf("worker %d is not one of %v", pid, all)
		}
	}
	want := setup.Workers
	if s.Peer.OneByOne || s.Peer.Name == "haproxy" { // whose workers are threads
		want = 1
	}
	if len(workers) != want {
		t.Errorf("workers %v, want %d", s.Workers(), want)
	}
}

// renew makes other pairs live and reloads.
func renew(t *testing.T, s *Server, setup Setup, to issued) {
	t.Helper()
	setup.Certs.Switch(to.folder)
	if s.Prepare != nil {
		if err := s.Prepare(); err != nil {
			t.Fatal(err)
		}
	}
	before := numbers(s.Workers())
	if err := s.attentive(); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	harness.Until(t, "settled", soon, s.Settled)
	if s.Peer.Name == "caddy" { // which goes on as the same process
		return
	}
	for pid := range numbers(s.Workers()) {
		if before[pid] {
			t.Errorf("worker %d is as old as the last generation", pid)
		}
	}
}

// ended requires that nothing is left of a server.
func ended(t *testing.T, s *Server) {
	if s == nil {
		return
	}
	left := s.Processes()
	if s.Beside != nil {
		left = append(left, s.Beside()...)
	}
	if len(left) > 0 {
		t.Errorf("after the end: left: %v", left)
	}
	l, err := net.Listen("tcp", s.Addr)
	if err != nil {
		t.Errorf("after the end: %v", err)
		return
	}
	_ = l.Close()
}

func numbers(processes []harness.Process) map[int]bool {
	found := map[int]bool{}
	for _, p := range processes {
		found[p.Pid] = true
	}
	return found
}

// missing skips the test of a peer that bench-deps installs; the others are
// there wherever the tests are.
func missing(t *testing.T, p Peer) {
	t.Helper()
	switch p.Name {
	case "haproxy", "caddy", "gunicorn", "hitch":
		t.Skipf("SKIPPED, NOT PASSED: no %s: make bench-deps installs it", p.Name)
	}
	t.Fatalf("no %s: make test-deps installs it", p.Name)
}

// issued is a folder of pairs.
type issued struct {
	folder       string
	fingerprints []string
}

// layOut writes three sites, or as many as the peer knows, and others to renew
// them with.
func layOut(t *testing.T, p Peer) (setup Setup, live, renewed issued) {
	t.Helper()
	certs := harness.NewCerts(t, harness.Folder(t))
	setup = Setup{Certs: certs, Dir: filepath.Dir(certs.CertFile()), Sites: 3, Workers: 2}
	if p.MaxSites > 0 {
		setup.Sites = min(setup.Sites, p.MaxSites)
	}
	for _, to := range []*issued{&live, &renewed} {
		to.folder = certs.Folder()
		to.fingerprints = certs.Many(to.folder, setup.Sites)
	}
	certs.Switch(live.folder)
	return setup, live, renewed
}

// met requires a new connection for each site to be shown its certificate.
func met(t *testing.T, s *Server, setup Setup, want []string) {
	t.Helper()
	for n, fingerprint := range want {
		c, err := harness.Dial("tcp", s.Addr, trust(setup, n, "http/1.1"))
		if err != nil {
			t.Fatal(err)
		}
		if c.Close(); c.Fingerprint != fingerprint {
			t.Errorf("site %d: served %.12s…, want %.12s…", n, c.Fingerprint, fingerprint)
		}
	}
}

// asks requires an answer for each site over each protocol.
func asks(t *testing.T, s *Server, setup Setup) {
	t.Helper()
	for n := range setup.Sites {
		c, err := harness.Dial("tcp", s.Addr, trust(setup, n, "http/1.1"))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := c.Do("GET", "/any/path", nil)
		c.Close()
		sound(t, fmt.Sprintf("site %d over HTTP/1.1", n), answer, err)
		if !s.Peer.HTTP2 {
			continue
		}
		h, err := harness.DialH2(s.Addr, trust(setup, n, "h2"))
		if err != nil {
			t.Fatal(err)
		}
		answer, err = h.Do("GET", "/any/path", nil, nil)
		h.Close()
		sound(t, fmt.Sprintf("site %d over HTTP/2", n), answer, err)
	}
}

func sound(t *testing.T, what string, a harness.Answer, err error) {
	t.Helper()
	if err != nil || a.Status != 200 || string(a.Body) != "ok\n" {
		t.Errorf("%s: status %d, %q, %v, want 200, %q", what, a.Status, a.Body, err, "ok\n")
	}
}

func trust(setup Setup, site int, protocol string) *tls.Config {
	c := setup.Certs.Trust(protocol)
	c.ServerName = harness.Site(site)
	return c
}
