package master

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/handover/signals"
	"example.com/handover/supervisor/config"
	"example.com/handover/worker/wire"
)

// before is what a master of the release before left, captured from the anchor's
// store while a generation drained; paths and keys are changed.
func before(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/state_before.json")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheStateOfTheReleaseBeforeIsUnderstood(t *testing.T) {
	t.Parallel()
	s, err := decodeState(before(t))
	if err != nil {
		t.Fatal(err)
	}
	if s.Generation != 2 || s.Want != 3 || !s.Scaled || s.Graceful != 20*time.Second || len(s.Workers) != 3 || s.Workers[2].Slot != 3 {
		t.Errorf("state: got generation %d, %d workers wanted and %+v, want 2, 3 by hand, and three", s.Generation, s.Want, s.Workers)
	}
	if len(s.Draining) != 1 || s.Draining[0].Generation != 1 || s.Draining[0].Deadline.IsZero() || len(s.Draining[0].Workers) != 3 {
		t.Errorf("draining: got %+v, want generation 1 with its three workers and its deadline", s.Draining)
	}
	if len(s.Ended) != 2 || s.Ended[0].get().Committed == "" || s.Ended[1].get().Record.Outcome != "done" || len(s.Ended[1].get().Record.Steps) != 6 {
		t.Errorf("reloads: got %+v, want a rotation and a reload of six steps", s.Ended)
	}
	if s.Tickets == nil || len(s.Tickets.Keys) != 2 {
		t.Errorf("tickets: got %+v, want the two keys that its workers have", s.Tickets)
	}
}

func TestWhatANeighbourAddedToTheStateIsPassedOver(t *testing.T) {
	t.Parallel()
	text := before(t)
	want, err := decodeState(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, open := range []string{`"workers": [`, `"draining": [`, `"ended": [`} {
		at := bytes.Index(text, []byte(open))
		if at < 0 {
			t.Fatalf("fixture: no %s", open)
		}
		at += bytes.IndexByte(text[at:], '{') + 1
		text = slices.Insert(text, at, []byte(`"moods": {"of": ["all"]},`)...)
	}
	text = bytes.Replace(text, []byte(`"v": 2`), []byte(`"v": 3, "weather": 7`), 1)
	want.Version = 3
	got, err := decodeState(text)
	if reloads := recent(got.Ended); !reflect.DeepEqual(reloads, recent(want.Ended)) {
		t.Errorf("reloads with more in them: got %+v, want %+v", reloads, recent(want.Ended))
	}
	got.Ended, want.Ended = nil, nil
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("state with more in it: got %+v (%v), want %+v", got, err, want)
	}
}

func TestTheStateOfADistantReleaseIsRefused(t *testing.T) {
	t.Parallel()
	// Not even its types need be the same.
	for _, text := range []string{`{"v":4,"generation":"second"}`, `{"v":0}`, `{}`, `{"v":-1}`} {
		_, err := decodeState([]byte(text))
		if err == nil || !strings.Contains(err.Error(), "this program speaks 2") || !strings.Contains(err.Error(), wire.HintRestart) {
			t.Errorf("%s: got %v, want both versions and what to do", text, err)
		}
	}
}

// Not parallel: it sets the environment.
func TestAnAnchorOfADistantReleaseIsRefused(t *testing.T) {
	for said, want := range map[string]bool{"": true, "1": true, "2": true, "3": true, "0": false, "4": false, "x": false} {
		t.Setenv(wire.AnchorVersionVariable, said)
		if err := judgeAnchor(); (err == nil) != want {
			t.Errorf("anchor of version %q: got %v, want it served: %v", said, err, want)
		}
	}
}

func TestWhatANeighbourLeftOfAGenerationThatIsGoneIsAStray(t *testing.T) {
	t.Parallel()
	h := holding{files: map[string]*os.File{}}
	living := new(os.File)
	for _, name := range []string{
		"gone.7", "accepting.7", "counters.7", "thoughts.7.1", "thoughts.7", "counters.5", "serve.5", "words.5.1", "thoughts.8.1", "meters.7", "meters.8",
		"listen.31", "admin.31", "activated.0", "activated.2", "hook.99", "control", "mailbox.read", "mood", "thoughts.x.1",
	} {
		h.files[name] = living
	}
	if got := h.strays(8); got != nil {
		t.Errorf("strays: got %q, want none of what lives", got)
	}
	for _, name := range []string{"thoughts.5.1", "thoughts.6", "moods.1.2.3", "meters.5"} {
		h.files[name] = living
	}
	got := h.strays(8)
	slices.Sort(got)
	if want := []string{"meters.5", "moods.1.2.3", "thoughts.5.1", "thoughts.6"}; !slices.Equal(got, want) {
		t.Errorf("strays: got %q, want %q", got, want)
	}
}

func TestAConfigAcceptedByTheReleaseBeforeHasTheDefaultsOfThisOne(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../config/testdata/accepted_before.json")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := wire.Seal(nameConfig, text)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sealed.Close() }()
	c, err := readAccepted(sealed)
	if err != nil {
		t.Fatal(err)
	}
	preset := config.Default()
	if c.Limits != preset.Limits || c.Timeout != preset.Timeout || c.Workers != 2 {
		t.Errorf("got limits %+v, timeout %v and %d workers, want %+v, %v and 2", c.Limits, c.Timeout, c.Workers, preset.Limits, preset.Timeout)
	}
}

func FuzzDecodeState(f *testing.F) {
	f.Add(before(f))
	f.Add([]byte(`{"v":1,"generation":3,"draining":[{"generation":2}],"current":{"record":{}}}`))
	f.Add([]byte(`{"v":3,"weather":7,"workers":[{"moods":[]}]}`))
	f.Add([]byte(`{"v":4,"generation":"second"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeState(b)
		if err != nil {
			return
		}
		if wire.Judge("state", s.Version, "") != nil {
			t.Errorf("accepted version %d", s.Version)
		}
		text, err := s.text()
		if err != nil {
			t.Fatalf("encode again: %v", err)
		}
		if again, err := decodeState(text); err != nil {
			t.Errorf("decode %s again: got %+v, %v", text, again, err)
		}
	})
}

func TestAByteThatOnlyANeighbourKnowsIsPassedOverInTheMailbox(t *testing.T) {
	t.Parallel()
	r, w, err := wire.Pipe("mailbox")
	if err != nil {
		t.Fatal(err)
	}
	box := &mailbox{read: r, write: w}
	heard := make(chan signals.Intent)
	box.start(func(i signals.Intent, quit <-chan struct{}) bool {
		select {
		case heard <- i:
			return true
		case <-quit:
			return false
		}
	})
	code, _ := signals.Reload.Byte()
	if _, err := w.Write([]byte{'Z', 0, code}); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; got != signals.Reload {
		t.Errorf("first intent: got %v, want %v", got, signals.Reload)
	}
	box.stop()
	_ = r.Close()
	_ = w.Close()
}

func TestAGenerationWhoseCountersCannotBeReadIsWatchedWithoutThem(t *testing.T) {
	t.Parallel()
	d := &drainRecord{Generation: 3, Workers: []workerID{{Slot: 1, Pid: 1 << 30, Start: 1}}}
	now := time.Now()
	d.retire(now, time.Minute)
	if d.connections() != 0 || d.killStuck() != nil || len(d.publish().Workers) != 1 || !d.cut.Equal(now.Add(time.Minute+drainMargin)) {
		t.Errorf("got %d connections, %+v and the cut at %v, want none, its worker and its time", d.connections(), d.publish(), d.cut)
	}
}

func TestAKeyOfTheReleaseOnDiskIsToldHowToBeTaken(t *testing.T) {
	t.Parallel()
	err := withRelease(&config.Error{Problems: []config.Problem{
		{Message: `unknown key "weather"`}, {Message: `unknown key "worker"`, Hint: `did you mean "workers"?`}, {Message: "too many", Hint: "fewer"},
	}})
	var got *config.Error
	if !errors.As(err, &got) {
		t.Fatalf("got %v, want the problems", err)
	}
	for i, want := range []string{"if it is a key of the release on disk", `did you mean "workers"?; if it is a key`, "fewer"} {
		if !strings.HasPrefix(got.Problems[i].Hint, want) {
			t.Errorf("hint of %q: got %q, want %q first", got.Problems[i].Message, got.Problems[i].Hint, want)
		}
	}
	if withRelease(nil) != nil {
		t.Error("no error: got one")
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if own, err := os.Executable(); err != nil || replaced(own) || !replaced(other) || replaced(other+"2") {
		t.Errorf("replaced: got %v for %q (%v) and %v for another file", replaced(own), own, err, replaced(other))
	}
}
