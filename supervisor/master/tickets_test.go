package master

import (
	"bytes"
	"testing"
	"time"
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
