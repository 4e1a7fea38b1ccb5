package integration

import (
	"crypto/tls"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// resumptions makes a full handshake and then as many that may resume, and
// counts those that did. Each keeps the newest session, as a client does.
func resumptions(t *testing.T, i *harness.Instance, version uint16, cache tls.ClientSessionCache, attempts int) int {
	t.Helper()
	config := i.Certs.Trust("http/1.1")
	config.MinVersion, config.MaxVersion, config.ClientSessionCache = version, version, cache
	resumed := 0
	for range attempts {
		conn, err := tls.Dial("tcp", i.Addr, config)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(within))
		// TLS 1.3 sends its tickets after the handshake: with the first answer they are here.
		if _, err := conn.Write([]byte("GET /health HTTP/1.1\r\nHost: " + harness.Name + "\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if conn.ConnectionState().DidResume {
			resumed++
		}
		_ = conn.Close()
	}
	return resumed
}

func TestSessionsAreResumedByEveryWorkerOfEveryGeneration(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 4})
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		cache := tls.NewLRUClientSessionCache(8)
		resumptions(t, i, version, cache, 1)
		want := func(when string, n int) {
			t.Helper()
			if got := resumptions(t, i, version, cache, 50); got != n {
				t.Errorf("%s %s: got %d of 50 resumed, want %d", name, when, got, n)
			}
		}
		want("at first", 50)
		renew(t, i)
		want("after a reload", 50)
		i.Certs.Renew()
		rotate(t, i)
		want("after a rotation", 50)
		rotate(t, i, "--new-tickets")
		want("with dropped keys", 49) // the first one makes a new session
	}
}

func TestWithoutTicketsNothingIsResumed(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1, Tables: "[tls]\ntickets = \"0s\""})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		if got := resumptions(t, i, version, tls.NewLRUClientSessionCache(8), 5); got != 0 {
			t.Errorf("%s: got %d of 5 resumed, want none", tls.VersionName(version), got)
		}
	}
}
