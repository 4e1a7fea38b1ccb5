package control

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"example.com/handover/supervisor/status"
)

func FuzzRequest(f *testing.F) {
	f.Add("POST", "reload", []byte(`{"allow":["time.remaining"]}`))
	f.Add("POST", "scale", []byte(`{"workers":3}`))
	f.Add("POST", "stop", []byte(`{"quick":true}`))
	f.Add("POST", "reopen", []byte(nil))
	f.Add("GET", "reload/r1?after=2", []byte(nil))
	f.Add("POST", "rotate", []byte(`{"allow":["name.lost"],"new_tickets":true}`))
	f.Add("POST", "rollback", []byte(`{"name":"*.example.org","undo":true,"allow":["time.expired"]}`))
	f.Add("POST", "rollback", []byte(`{"name":"ex\u0000\u2028ample"}`))
	f.Add("GET", "status", []byte("{"))
	events := make(chan status.Event)
	close(events)
	h := routes(&instance{events: events})
	f.Fuzz(func(t *testing.T, method, target string, body []byte) {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://handover/"+target, bytes.NewReader(body))
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 && !strings.Contains(w.Body.String(), "disk full") {
			t.Errorf("%s /%s %q: got %d %s", method, target, body, w.Code, w.Body)
		}
		reload, errReload := decodeReload(body)
		rotate, errRotate := decodeRotate(body)
		back, errBack := decodeRollback(body)
		for _, taken := range []struct {
			allow []string
			err   error
		}{{reload, errReload}, {rotate.Allow, errRotate}, {back.Allow, errBack}} {
			if taken.err == nil && (len(taken.allow) > maxAllow || slices.ContainsFunc(taken.allow, func(n string) bool { return !wellFormed(n) })) {
				t.Errorf("%q: got checks %q", body, taken.allow)
			}
		}
		if n := back.Name; errBack == nil && (len(n) > 255 || !utf8.ValidString(n) || strings.ContainsFunc(n, unicode.IsControl)) {
			t.Errorf("%q: got name %q", body, n)
		}
		if n, err := decodeScale(body); err == nil && n < 1 {
			t.Errorf("%q: got %d workers", body, n)
		}
	})
}
