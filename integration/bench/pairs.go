package bench

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// pairs is what a server serves: as many pairs in each of two folders, of which
// one is live. It belongs to the test's goroutine.
type pairs struct {
	certs   *harness.Certs
	count   int
	folders [2]string
	last    [2]string // the last name's fingerprint in each
	live    int
}

func newPairs(t testing.TB, count int) *pairs {
	t.Helper()
	p := &pairs{certs: harness.NewCerts(t, filepath.Join(harness.Folder(t), "certs")), count: count}
	for n := range p.folders {
		p.folders[n] = p.certs.Folder()
		fingerprints := p.certs.Many(p.folders[n], count)
		p.last[n] = fingerprints[count-1]
	}
	p.certs.Switch(p.folders[0])
	return p
}

// dir is where the servers look.
func (p *pairs) dir() string { return filepath.Dir(p.certs.CertFile()) }

// site is the name that clients ask for: the last one.
func (p *pairs) site() string { return harness.Site(p.count - 1) }

// current is the fingerprint of the last name's certificate on disk.
func (p *pairs) current() string { return p.last[p.live] }

// changeOne renews the last pair where it lies.
func (p *pairs) changeOne() {
	p.last[p.live] = p.certs.Put(p.folders[p.live], p.site())
}

// changeAll renews every pair in the other folder and makes that one live. Those that
// lie there were served before: to go back to them is another thing than a renewal.
func (p *pairs) changeAll() {
	p.live = 1 - p.live
	fingerprints := p.certs.Many(p.folders[p.live], p.count)
	p.last[p.live] = fingerprints[p.count-1]
	p.certs.Switch(p.folders[p.live])
}

// subject is a server that is measured, with the pairs of its own that it serves.
type subject struct {
	*Server
	*pairs
	failed bool // a measurement of it has failed; it is left out of the rest
}

// name is what the report calls it.
func (s *subject) name() string { return s.Peer.Name }

// begin starts a server on pairs of its own.
func begin(t testing.TB, p Peer, sites, workers int) *subject {
	t.Helper()
	laid := newPairs(t, sites)
	return on(t, p, laid, Setup{Workers: workers})
}

// on starts a server on pairs that are there.
func on(t testing.TB, p Peer, laid *pairs, setup Setup) *subject {
	t.Helper()
	setup.Certs, setup.Dir, setup.Sites = laid.certs, laid.dir(), laid.count
	return &subject{Server: p.Start(t, setup), pairs: laid}
}

// turn is one reload that was asked for.
type turn struct {
	old, fresh string    // fingerprints of the last name before and after
	asked      time.Time // just before the server was asked
}

// attentive waits until the main process is at rest, if it is not one that answers:
// workers may serve before their master hears signals, and haproxy's, which
// executes itself anew at each reload, loses what comes meanwhile.
func (s *Server) attentive() error {
	main := s.Main()
	if slices.ContainsFunc(s.Workers(), func(p harness.Process) bool { return p.Pid == main }) {
		return nil
	}
	return harness.Await(patience, func() error {
		return harness.Unless(harness.Idle(main), "wait for the master to rest: process %d works", main)
	})
}

// ready changes pairs and has them prepared: all that comes before the asking.
func (s *subject) ready(change func()) (turn, error) {
	next := turn{old: s.current()}
	change()
	next.fresh = s.current()
	if s.Prepare != nil {
		if err := s.Prepare(); err != nil {
			return next, err
		}
	}
	return next, s.attentive()
}

// turnOver changes pairs and asks for a reload. The clock starts when only the
// asking is left.
func (s *subject) turnOver(change func()) (turn, error) {
	next, err := s.ready(change)
	if err != nil {
		return next, err
	}
	next.asked = time.Now()
	return next, s.Reload()
}

// served waits until a new connection is shown what is on disk, and returns when
// the handshake of the first that was had ended. What fails meanwhile is others'
// to count.
func (s *subject) served() (time.Time, error) {
	c, want := s.client("http/1.1"), s.current()
	for begun, next := time.Now(), time.Now(); ; {
		sleepUntil(next)
		conn, err := c.dial()
		if err == nil {
			conn.close()
			if conn.fingerprint() == want {
				return conn.shaken, nil
			}
		}
		if time.Since(begun) > time.Minute {
			return time.Time{}, fmt.Errorf("wait for the new certificate: not within a minute: %v", err)
		}
		// The server needs the cores: of seconds two in a hundred are close enough.
		next = time.Now().Add(max(4*time.Millisecond, time.Since(begun)/50))
	}
}

// settle waits until nothing of an older generation is left.
func (s *subject) settle() error { return harness.Await(time.Minute, s.Settled) }
