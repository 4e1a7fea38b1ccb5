package harness

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Loss is a request without its answer, or a connection that was refused one.
type Loss struct {
	At     time.Time
	Client string // new, kept or h2
	Stage  string // dial, handshake, write, read, answer
	Err    error
	On     Sighting // of the connection, as far as it had come
}

func (l Loss) String() string {
	text := fmt.Sprintf("%s %s: %s: %v", l.At.Format("15:04:05.000000"), l.Client, l.Stage, l.Err)
	if l.On.From == "" {
		return text
	}
	return fmt.Sprintf("%s (from %s, dialled %s)", text, l.On.From, l.On.Dialled.Format("15:04:05.000000"))
}

// Error makes a Loss what a client returns.
func (l Loss) Error() string { return l.Stage + ": " + l.Err.Error() }

// Reason sorts losses into kinds.
func (l Loss) Reason() string {
	switch {
	case errors.Is(l.Err, syscall.ECONNREFUSED):
		return l.Stage + " refused"
	case errors.Is(l.Err, syscall.ECONNRESET):
		return l.Stage + " reset"
	case errors.Is(l.Err, syscall.EPIPE):
		return l.Stage + " broken pipe"
	case errors.Is(l.Err, io.EOF), errors.Is(l.Err, io.ErrUnexpectedEOF):
		return l.Stage + " end of connection"
	case errors.Is(l.Err, os.ErrDeadlineExceeded):
		return l.Stage + " timeout"
	}
	return l.Stage + " wrong"
}

// Sighting is one certificate that a client was shown.
type Sighting struct {
	Fingerprint string
	From        string    // the client's own address
	Dialled     time.Time // when the dial began
	Shown       time.Time // when the handshake had ended
	Resumed     bool      // an earlier session: the certificate is that one's
}

// Report is what a load has seen.
type Report struct {
	Requests    int
	Connections int
	Losses      []Loss
	Sightings   []Sighting // in the order of Shown
}

// record collects for all clients of a load.
type record struct {
	mu sync.Mutex
	Report
}

func (r *record) answered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Requests++
}

func (r *record) connected(s Sighting) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Connections++
	r.Sightings = append(r.Sightings, s)
}

// lost notes a loss; err is a Loss or means a wrong answer. On says which
// connection it was, if the loss itself does not.
func (r *record) lost(client string, err error, on Sighting) {
	loss := Loss{Stage: "answer", Err: err}
	_ = errors.As(err, &loss)
	if loss.On.Dialled.IsZero() {
		loss.On = on
	}
	loss.At, loss.Client = time.Now(), client
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Losses = append(r.Losses, loss)
}

// Take returns what was seen since it was called last, and forgets it: a load
// that runs for hours must not remember every connection.
func (r *record) Take() Report {
	r.mu.Lock()
	taken := r.Report
	r.Report = Report{}
	r.mu.Unlock()
	return taken.sorted()
}

func (r *record) report() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	copied := r.Report
	copied.Losses = append([]Loss(nil), r.Losses...)
	copied.Sightings = append([]Sighting(nil), r.Sightings...)
	return copied.sorted()
}

func (r Report) sorted() Report {
	sort.Slice(r.Sightings, func(a, b int) bool { return r.Sightings[a].Shown.Before(r.Sightings[b].Shown) })
	return r
}

// Kinds counts the losses by reason.
func (r Report) Kinds() string {
	count := map[string]int{}
	for _, l := range r.Losses {
		count[l.Client+" "+l.Reason()]++
	}
	var lines []string
	for kind, n := range count {
		lines = append(lines, fmt.Sprintf("%d × %s", n, kind))
	}
	sort.Strings(lines)
	return strings.Join(lines, ", ")
}

// NothingLost fails the test for any loss, and for a load that was none.
func (r Report) NothingLost(t testing.TB) {
	t.Helper()
	r.LostOnly(t, 0, nil)
}

// LostOnly allows up to limit losses of those that allowed accepts.
func (r Report) LostOnly(t testing.TB, limit int, allowed func(Loss) bool) {
	t.Helper()
	t.Logf("%d requests over %d connections, %d lost", r.Requests, r.Connections, len(r.Losses))
	if r.Requests == 0 {
		t.Error("0 requests, want a load")
	}
	shown, tolerated := 0, 0
	for _, l := range r.Losses {
		if allowed != nil && tolerated < limit && allowed(l) {
			tolerated++
			continue
		}
		if shown++; shown <= 10 {
			t.Errorf("lost: %v", l)
		}
	}
	if shown > 0 {
		t.Errorf("%d of %d requests lost, want 0 (%s)", shown, r.Requests, r.Kinds())
	}
}

// Shown says whether a certificate was ever seen.
func (r Report) Shown(fingerprint string) bool {
	for _, s := range r.Sightings {
		if s.Fingerprint == fingerprint {
			return true
		}
	}
	return false
}

// Only fails the test if a certificate outside the list was ever seen.
func (r Report) Only(t testing.TB, good map[string]bool) {
	t.Helper()
	for _, s := range r.Sightings {
		if !good[s.Fingerprint] {
			t.Errorf("served %s… at %s, want only accepted certificates", s.Fingerprint[:12], s.Shown.Format(time.StampMicro))
			return
		}
	}
}
