package master

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/config"
)

func TestTheNextTicketKeyIsKnownForAPeriodBeforeItEncrypts(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	r := newRing(12*time.Hour, now)
	encrypting := [][]byte{r.Keys[0]}
	for n := range 6 {
		next := r.Keys[1]
		r = r.turn(now)
		if !bytes.Equal(r.Keys[0], next) {
			t.Fatalf("turn %d: encrypts with a key that was not known before", n)
		}
		encrypting = append(encrypting, r.Keys[0])
		// What was encrypted one and two periods ago is still decrypted.
		for back := range min(3, len(encrypting)) {
			old := encrypting[len(encrypting)-1-back]
			found := false
			for _, k := range r.Keys {
				found = found || bytes.Equal(k, old)
			}
			if !found {
				t.Errorf("turn %d: the key of %d periods ago is gone", n, back)
			}
		}
		if len(r.Keys) > ringSize {
			t.Errorf("turn %d: got %d keys, want at most %d", n, len(r.Keys), ringSize)
		}
	}
}

func TestWithoutAPeriodThereAreNoTickets(t *testing.T) {
	t.Parallel()
	if r := newRing(0, time.Now()); r.keys() != nil {
		t.Errorf("got %d keys, want none", len(r.keys()))
	}
}

// ringed is a master with tickets of its own, or those of a file.
func ringed(t *testing.T, file string, past *ring) *master {
	t.Helper()
	c := config.Default()
	r := cert.Request{Sources: c.Certificate, TLS: c.TLS}
	if file != "" {
		r.TLS.TicketKeys = filepath.Join(t.TempDir(), "keys")
		if err := os.WriteFile(r.TLS.TicketKeys, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, checks, err := cert.Take(t.Context(), r)
	if err != nil {
		t.Fatalf("%v: %+v", err, checks)
	}
	t.Cleanup(b.Close)
	c.TLS = r.TLS
	return &master{config: c, bundle: b, past: state{Tickets: past}, current: &reload{}}
}

func TestTheRingIsThatOfTheFileOrGoesOnOrBeginsAnew(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	key := newKey()
	file := base64.StdEncoding.EncodeToString(key) + "\n"
	own, foreign := newRing(time.Hour, now), &ring{Keys: [][]byte{newKey(), newKey()}, Turned: now, File: true}
	for name, s := range map[string]struct {
		file string
		past *ring
		want [][]byte // nil: others than before
	}{
		"a file":                         {file, nil, [][]byte{key}},
		"a file, after own keys":         {file, own, [][]byte{key}},
		"another file":                   {file, foreign, [][]byte{key}},
		"own keys":                       {"", own, own.Keys},
		"own keys, after those of files": {"", foreign, nil},
		"nothing before":                 {"", nil, nil},
	} {
		m := ringed(t, s.file, s.past)
		m.takeRing(now)
		got := m.past.Tickets
		same := func(keys [][]byte) bool { return slices.EqualFunc(got.Keys, keys, bytes.Equal) }
		if s.want != nil && !same(s.want) || s.want == nil && (len(got.Keys) != 2 || s.past != nil && same(s.past.Keys)) {
			t.Errorf("%s: got other keys than wanted", name)
		}
		if got.File != (s.file != "") || (len(got.prints()) > 0) != got.File {
			t.Errorf("%s: said to be of a file: %v, %q", name, got.File, got.prints())
		}
	}
}

func TestNobodyButTheFileChangesItsKeys(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	one, two := base64.StdEncoding.EncodeToString(newKey())+"\n", base64.StdEncoding.EncodeToString(newKey())+"\n"
	m := ringed(t, one, nil)
	m.takeRing(now)
	if late := now.Add(1000 * time.Hour); m.past.Tickets.due(time.Hour, late) || !newRing(time.Hour, now).due(time.Hour, late) {
		t.Error("after a thousand hours: want own keys to turn, and those of the file not to")
	}
	if err := m.refuseNewTickets(); err == nil || !strings.Contains(err.Error(), m.config.TLS.TicketKeys) {
		t.Errorf("new tickets: got %v, want them refused for the file", err)
	}
	m.current.NewTickets = true // asked for before the file was
	if got := m.otherTickets(m.bundle); got != nil {
		t.Error("the same file: got another ring")
	}
	if got := m.otherTickets(ringed(t, two+one, nil).bundle); got == nil || !got.File || len(got.Keys) != 2 {
		t.Errorf("another file: got %+v, want its two keys", got)
	}
	bare := ringed(t, "", nil)
	bare.takeRing(now)
	if identityOf(m.bundle) == identityOf(bare.bundle) {
		t.Error("a bundle with ticket keys is known by what one without is")
	}
	if bare.refuseNewTickets() != nil || bare.otherTickets(bare.bundle) != nil {
		t.Error("without a file: want new tickets when they are asked for, and only then")
	}
	bare.current.NewTickets = true
	if got := bare.otherTickets(bare.bundle); got == nil || got.File {
		t.Errorf("new tickets without a file: got %+v", got)
	}
}

func TestTheKeysOfAFileAreSpokenOfAfterAllCertificates(t *testing.T) {
	t.Parallel()
	m := ringed(t, base64.StdEncoding.EncodeToString(newKey())+"\n", nil)
	r := cert.Request{TLS: m.config.TLS}
	for n := range described + 2 {
		r.Sources = append(r.Sources, config.Certificate{SelfSigned: []string{fmt.Sprintf("n%d.test", n)}})
	}
	b, checks, err := cert.Take(t.Context(), r)
	if err != nil {
		t.Fatalf("%v: %+v", err, checks)
	}
	defer b.Close()
	j := judgement{bundle: b}
	j.describe(nil)
	var names []string
	for _, s := range j.steps {
		names = append(names, s.Name)
	}
	if at := slices.Index(names, "tickets"); at < 0 || at != len(names)-1 {
		t.Errorf("got the steps %q, want the tickets last", names)
	}
}
