package worker

import (
	"bytes"
	"crypto/tls"
	"testing"

	"example.com/handover/worker/wire"
)

// ring returns keys that are made of these bytes.
func ring(keys ...byte) [][]byte {
	var list [][]byte
	for _, b := range keys {
		list = append(list, bytes.Repeat([]byte{b}, wire.TicketSize))
	}
	return list
}

// anyHost is a session cache that offers its last session to every host.
type anyHost struct{ last *tls.ClientSessionState }

func (c *anyHost) Get(string) (*tls.ClientSessionState, bool) { return c.last, c.last != nil }
func (c *anyHost) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		c.last = s
	}
}

func eachVersion(t *testing.T, f func(t *testing.T, config *tls.Config)) {
	t.Helper()
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := client("localhost")
			config.MinVersion, config.MaxVersion, config.ClientSessionCache = version, version, &anyHost{}
			f(t, config)
		})
	}
}

// resumed visits the sites in turn and counts the sessions that were resumed.
func resumed(t *testing.T, visits int, config *tls.Config, sites ...*site) int {
	t.Helper()
	n := 0
	for i := range visits {
		state, err := sites[i%len(sites)].visit(config)
		check(t, err)
		if state.DidResume {
			n++
		}
	}
	return n
}

func expectResumed(t *testing.T, when string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("sessions resumed %s: got %d, want %d", when, got, want)
	}
}

func TestSessionsAreResumedAcrossWorkersAndRotations(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, config *tls.Config) {
		settings := wire.Settings{Tickets: ring(1)}
		b := bundleOf(t, newPair(t, "localhost"))
		sites := []*site{newSite(t, settings, b), newSite(t, settings, b)}
		resumed(t, 1, config, sites[0])
		expectResumed(t, "by two workers with one ring", resumed(t, 50, config, sites...), 50)

		renewed := bundleOf(t, newPair(t, "localhost"))
		sites[0].rotate(1, renewed)
		expectResumed(t, "with one of two rotated", resumed(t, 50, config, sites...), 50)
		sites[1].rotate(1, renewed)
		expectResumed(t, "after a rotation", resumed(t, 50, config, sites...), 50)

		for _, s := range sites {
			s.obey(order{Message: wire.Message{Kind: wire.KindTickets, Tickets: ring(2, 1)}})
		}
		expectResumed(t, "with a key more", resumed(t, 50, config, sites...), 50)
		for _, s := range sites {
			s.obey(order{Message: wire.Message{Kind: wire.KindTickets, Tickets: ring(2)}})
		}
		expectResumed(t, "with the oldest key gone", resumed(t, 50, config, sites...), 50)

		session := config.ClientSessionCache.(*anyHost).last
		for _, s := range sites {
			s.rotate(2, renewed, ring(3)...)
			config.ClientSessionCache = &anyHost{session}
			expectResumed(t, "after a rotation that dropped the ring", resumed(t, 1, config, s), 0)
			expectResumed(t, "with the new ring", resumed(t, 5, config, s), 5)
		}
		for _, s := range sites {
			s.obey(order{Message: wire.Message{Kind: wire.KindTickets}})
			expectResumed(t, "without a key", resumed(t, 5, config, s), 0)
		}
	})
}

func TestWithoutAKeyNoTicketIsGiven(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, config *tls.Config) {
		s := newSite(t, wire.Settings{}, bundleOf(t, newPair(t, "localhost")))
		expectResumed(t, "without tickets", resumed(t, 5, config, s), 0)
		if config.ClientSessionCache.(*anyHost).last != nil {
			t.Error("session: got one, want none to resume")
		}
	})
}

func TestAKeyThatComesBetweenPrepareAndSwapIsUsed(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, config *tls.Config) {
		b := bundleOf(t, newPair(t, "localhost"))
		s := newSite(t, wire.Settings{Tickets: ring(1)}, b)
		s.obey(order{Message: wire.Message{Kind: wire.KindPrepare, Rotation: 1}, bundle: sealBundle(t, b)})
		s.obey(order{Message: wire.Message{Kind: wire.KindTickets, Tickets: ring(2)}})
		resumed(t, 1, config, s)
		s.obey(order{Message: wire.Message{Kind: wire.KindSwap, Rotation: 1}})
		expectResumed(t, "after the swap", resumed(t, 5, config, s), 5)
	})
}

func TestARefusedNameIsRefusedInAResumedSessionToo(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, config *tls.Config) {
		s := newSite(t, wire.Settings{SNI: "strict", Tickets: ring(1)}, bundleOf(t, newPair(t, "localhost"), newPair(t, "other.example")))
		resumed(t, 1, config, s)
		for host, want := range map[string]string{"localhost": "localhost", "unknown": refused, "": refused} {
			config := config.Clone()
			config.ServerName = host
			if got := s.name(config); got != want {
				t.Errorf("session of %q: got %q, want %q", host, got, want)
			}
		}
	})
}

// credentials makes a client show p.
func credentials(t *testing.T, config *tls.Config, p wire.Pair) *tls.Config {
	t.Helper()
	cert, err := parse(p)
	check(t, err)
	config = config.Clone()
	// Whether or not the server would take it.
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	return config
}

func TestClientsShowACertificateOfAnAuthority(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, config *tls.Config) {
		ours, foreign := newPair(t, "ours"), newPair(t, "foreign")
		b := bundleOf(t, newPair(t, "localhost"))
		b.ClientCAs = [][]byte{ours.Chain[0]}
		s := newSite(t, wire.Settings{Tickets: ring(1)}, b)
		config.ClientSessionCache = nil
		if _, err := s.visit(config); err == nil {
			t.Error("client without a certificate: got served")
		}
		if _, err := s.visit(credentials(t, config, foreign)); err == nil {
			t.Error("client of a foreign authority: got served")
		}
		if _, err := s.visit(credentials(t, config, ours)); err != nil {
			t.Errorf("client of the authority: %v", err)
		}
		b.ClientCAs = append(b.ClientCAs, foreign.Chain[0])
		s.rotate(1, b)
		if _, err := s.visit(credentials(t, config, foreign)); err != nil {
			t.Errorf("client of an authority that was added: %v", err)
		}
		b.ClientCAs = nil
		s.rotate(2, b)
		if _, err := s.visit(config); err != nil {
			t.Errorf("client when none are asked: %v", err)
		}
	})
}

func TestASessionIsResumedUnderTheSameAuthoritiesOnly(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, config *tls.Config) {
		ours, other := newPair(t, "ours"), newPair(t, "other")
		open := bundleOf(t, newPair(t, "localhost"))
		guarded := open
		guarded.ClientCAs = [][]byte{ours.Chain[0]}
		s := newSite(t, wire.Settings{Tickets: ring(1)}, open)
		resumed(t, 1, config, s)
		s.rotate(1, guarded)
		if state, err := s.visit(config); err == nil {
			t.Errorf("session from before clients were asked: got served, resumed %v", state.DidResume)
		}
		config = credentials(t, config, ours)
		config.ClientSessionCache = &anyHost{}
		resumed(t, 1, config, s)
		s.rotate(2, guarded)
		expectResumed(t, "under the same authority", resumed(t, 5, config, s), 5)
		guarded.ClientCAs = [][]byte{other.Chain[0]}
		s.rotate(3, guarded)
		if state, err := s.visit(config); err == nil {
			t.Errorf("session of an authority that is gone: got served, resumed %v", state.DidResume)
		}
		guarded.ClientCAs = [][]byte{other.Chain[0], ours.Chain[0]}
		s.rotate(4, guarded)
		expectResumed(t, "under one authority more", resumed(t, 5, config, s), 5)
	})
}

func TestWorkersOfOneSocketResumeOneAnothersSessions(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	renewed := bundleOf(t, newPair(t, "localhost"))
	p := plan{sockets: []testSocket{socket}, pairs: []wire.Pair{newPair(t, "localhost")}, settings: wire.Settings{Tickets: ring(1)}}
	workers := []*master{start(t, p).admit(), start(t, p).admit()}
	visit := func(config *tls.Config) bool {
		t.Helper()
		c, err := tls.Dial("tcp", socket.addr.String(), config)
		check(t, err)
		mustPost(t, c, 10) // and reads the tickets
		check(t, c.Close())
		return c.ConnectionState().DidResume
	}
	visits := func(when string, config *tls.Config, n int) {
		t.Helper()
		for i := range n {
			if !visit(config) {
				t.Errorf("%s: session %d of %d was not resumed", when, i+1, n)
			}
		}
	}
	for i, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := clientConfig("http/1.1")
		config.MinVersion, config.MaxVersion, config.ClientSessionCache = version, version, &anyHost{}
		visit(config)
		visits("before a rotation", config, 50)
		for _, m := range workers {
			m.rotate(2*i+1, renewed)
		}
		visits("after a rotation", config, 50)
		for _, m := range workers {
			m.prepare(2*i+2, renewed)
			m.hears(wire.KindPrepared, 2*i+2)
			m.say(wire.Message{Kind: wire.KindSwap, Rotation: 2*i + 2, Tickets: ring(byte(i + 2))})
			m.hears(wire.KindSwapped, 2*i+2)
		}
		if visit(config) {
			t.Error("after a rotation with another ring: got a session resumed")
		}
	}
}
