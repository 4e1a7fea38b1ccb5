package control

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
)

// answering serves a control socket as another release would.
func answering(t *testing.T, answer http.HandlerFunc) *Client {
	t.Helper()
	path := socket(t)
	l, err := net.FileListener(listenAt(t, path))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: answer, ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return Dial(path)
}

func TestACommandOfADistantReleaseIsRefusedBeforeItDoesAnything(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]int{"": 200, "1": 200, "2": 200, "3": 200, "0": 409, "4": 409, "x": 409} {
		b := &instance{}
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/stop", strings.NewReader(`{"quick":true}`))
		r.Header.Set(versionHeader, said)
		onlyNeighbours(routes(b)).ServeHTTP(w, r)
		if w.Code != want || (b.notes() == "quick stop") != (want == 200) {
			t.Errorf("command of version %q: got %d and %q asked, want %d", said, w.Code, b.notes(), want)
		}
		if got := w.Header().Get(versionHeader); got != strconv.Itoa(wire.Version) {
			t.Errorf("command of version %q: the answer is of version %q, want %d", said, got, wire.Version)
		}
		if want != 200 && !strings.Contains(w.Body.String(), hintDistant) {
			t.Errorf("command of version %q: got %s, want what to do", said, w.Body)
		}
	}
}

func TestAnInstanceOfADistantReleaseIsNotBelieved(t *testing.T) {
	t.Parallel()
	c := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(versionHeader, "4")
		write(w, http.StatusOK, &status.Status{})
	})
	_, err := c.Status(patience(t))
	var answer *Error
	if !errors.As(err, &answer) || answer.Hint != hintDistant || !strings.Contains(answer.Message, `version "4", here 2 is spoken and 1 to 3 are understood`) {
		t.Errorf("status of a distant release: got %v, want both versions and what to do", err)
	}
}

func TestWhatANeighbourDoesNotKnowIsSaidWithAHint(t *testing.T) {
	t.Parallel()
	// The answers of the release before, to a request and to a field of later.
	for text, code := range map[string]int{
		`no request "POST /rotate"`:                      http.StatusNotFound,
		`decode body: json: unknown field "new_tickets"`: http.StatusBadRequest,
	} {
		c := answering(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, &Error{Code: code, Message: text}) })
		_, err := c.Rotate(patience(t), RotateRequest{NewTickets: true}, nil)
		var answer *Error
		if !errors.As(err, &answer) || answer.Hint != hintStrange || answer.Message != text {
			t.Errorf("answer %q: got %v, want it with a hint", text, err)
		}
	}
}

func TestEventsThatANeighbourAddedArePassedOver(t *testing.T) {
	t.Parallel()
	c := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"id":"r1","weather":{"wind":1}}
{"mood":"merry"}
{"step":{"name":"config","message":"read","depth":3}}
{"kind":"chorus","step":null}
{"end":{"id":"r1","outcome":"done","generation":3,"shoes":[9]}}
`))
	})
	var steps []string
	got, err := c.Reload(patience(t), nil, func(s status.Step) { steps = append(steps, s.Name) })
	if err != nil || got.Generation != 3 || strings.Join(steps, " ") != "config" {
		t.Errorf("reload: got %+v (%v) and steps %q, want generation 3 after config", got, err, steps)
	}
}

// Whatever an instance says, the client counts the steps that it was shown.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(`{"id":"r1"}` + "\n" + `{"step":{"name":"config"}}` + "\n" + `{"end":{"outcome":"done"}}`))
	f.Add([]byte(`{"mood":1}{"moved":true}`))
	f.Add([]byte(`{"step":{"name":5}}`))
	f.Add([]byte(`{"end":null}{"step":{}} {"end":{}}`))
	f.Fuzz(func(t *testing.T, stream []byte) {
		shown := 0
		follower := &follower{step: func(status.Step) { shown++ }}
		err := follower.read(strings.NewReader(string(stream)))
		if follower.steps != shown {
			t.Errorf("%q: got %d steps, %d were shown", stream, follower.steps, shown)
		}
		if follower.end != nil && err != nil {
			t.Errorf("%q: got an end and %v", stream, err)
		}
	})
}
