package integration

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// askAdmin sends one request to the admin address.
func askAdmin(t *testing.T, admin, method, path string) harness.Answer {
	t.Helper()
	c, err := harness.Dial("tcp", admin, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	a, err := c.Do(method, path, nil)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func TestTheStatusPageAnswersWhatItShouldAndNothingElse(t *testing.T) {
	t.Parallel()
	admin := harness.FreeAddress(t)
	i := harness.Start(t, harness.Config{Workers: 1, Tables: watched(admin)})
	page := askAdmin(t, admin, "GET", "/")
	if got := page.Header.Get("Content-Type"); page.Status != 200 || got != "text/html; charset=utf-8" || !strings.Contains(string(page.Body), i.First.Fingerprint[:32]) {
		t.Errorf("got %d, %q, want the page with the certificate\n%s", page.Status, got, page.Body)
	}
	for key, want := range map[string]string{"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"} {
		if got := page.Header.Get(key); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
	if inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<form|<button|<input`).FindString(string(page.Body)); inline != "" {
		t.Errorf("got %q in the page, want no style or script in it and nothing to press", inline)
	}
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"HEAD", "/", 200},
		{"HEAD", "/events", 200},
		{"POST", "/", 405},
		{"DELETE", "/events", 405},
		{"GET", "/index.html", 404},
		{"GET", "/assets/", 404},
		{"GET", "/assets/page.css", 404},
		{"GET", "/assets/..%2fpage.html", 404},
	} {
		if got := askAdmin(t, admin, c.method, c.path); got.Status != c.status || c.method == "HEAD" && len(got.Body) > 0 {
			t.Errorf("%s %s: got %d with %d bytes, want %d", c.method, c.path, got.Status, len(got.Body), c.status)
		}
	}
	names := regexp.MustCompile(`assets/([a-z]+)\.([0-9a-f]+)\.(css|js|svg)`).FindAllStringSubmatch(string(page.Body), -1)
	if len(names) != 3 {
		t.Fatalf("got %q, want a stylesheet, a script and an icon", names)
	}
	for _, n := range names {
		now, before := askAdmin(t, admin, "GET", "/"+n[0]), askAdmin(t, admin, "GET", "/assets/"+n[1]+".0123456789ab."+n[3])
		if now.Status != 200 || !strings.Contains(now.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: got %d, %q, want 200 and to be kept for ever", n[0], now.Status, now.Header.Get("Cache-Control"))
		}
		if before.Status != 200 || before.Header.Get("Cache-Control") != "no-store" || len(before.Body) != len(now.Body) {
			t.Errorf("%s under another hash: got %d, %q, want 200 and not to be kept", n[0], before.Status, before.Header.Get("Cache-Control"))
		}
	}
}

// most is how many may follow the page at once.
const most = 16

// followers open so many streams and wait until each has begun.
func followers(t *testing.T, admin string) []*harness.Conn {
	t.Helper()
	list := make([]*harness.Conn, 0, most)
	for range most {
		c, err := harness.Dial("tcp", admin, nil)
		if err == nil {
			err = c.Send("GET", "/events", nil)
		}
		if err == nil {
			err = c.Begun()
		}
		if err != nil {
			t.Fatalf("stream %d: %v", len(list), err)
		}
		t.Cleanup(c.Close)
		list = append(list, c)
	}
	return list
}

// ended requires each stream to have come to its proper end.
func ended(t *testing.T, streams []*harness.Conn) {
	t.Helper()
	for n, c := range streams {
		a, err := c.Receive("GET")
		if err != nil || a.Status != 200 || !strings.HasPrefix(string(a.Body), "retry: ") || !strings.Contains(string(a.Body), "data: ") {
			t.Errorf("stream %d: %d, %v, %.100q; want to have seen the page, and a proper end", n, a.Status, err, a.Body)
		}
	}
}

func TestThoseWhoFollowThePageHoldNothingUp(t *testing.T) {
	t.Parallel()
	admin := harness.FreeAddress(t)
	i := harness.Start(t, harness.Config{Workers: 1, Tables: watched(admin)})
	streams := followers(t, admin)
	if a := askAdmin(t, admin, "GET", "/events"); a.Status != 503 || a.Header.Get("Retry-After") == "" || !strings.Contains(string(a.Body), "too many") {
		t.Errorf("one more: got %d %q, want 503 and why", a.Status, a.Body)
	}
	for path, want := range map[string]int{"/": 200, "/healthz": 200, "/readyz": 200, "/metrics": 200} {
		if a := askAdmin(t, admin, "GET", path); a.Status != want {
			t.Errorf("%s beside all streams: got %d, want %d", path, a.Status, want)
		}
	}
	hup(t, i, "done")
	ended(t, streams)
	exactly(t, i) // the master of before is gone

	streams = followers(t, admin) // none of the places is lost
	streams[0].Close()
	harness.Until(t, "a place is free", within, func() error {
		c, err := harness.Dial("tcp", admin, nil)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.Send("GET", "/events", nil); err != nil {
			return err
		}
		a, err := c.Receive("HEAD") // the body has no end
		return harness.Unless(err == nil && a.Status == 200, "%d, %v", a.Status, err)
	})
	i.Signal(syscall.SIGTERM)
	if got := i.WaitExit(within); got != 0 {
		t.Errorf("stop: exit %d, want 0", got)
	}
	ended(t, streams[1:])
}

func TestTheLastReloadsAreRememberedAcrossHandoversAndKilledMasters(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1})
	hup(t, i, "done")
	misplace(i)
	hup(t, i, "refused")
	i.Certs.Renew()
	hup(t, i, "done")
	old := master(t, i)
	kill(t, old)
	s := i.Until(t, "next master", within, func(s harness.Status) error {
		return harness.Unless(s.Master.Pid != old && harness.Settled(s) == nil, "master %d", s.Master.Pid)
	})
	if got := outcomes(s.Recent); got != "done refused done" {
		t.Fatalf("got %q, want the newest first: done refused done", got)
	}
	if !harness.Refused(s.Recent[1].Checks, "pair.mismatch") {
		t.Errorf("got %v, want the refusal with its check", harness.Names(s.Recent[1].Checks))
	}
	for range 12 {
		if got := i.Do("rotate"); got.Exit != 0 {
			t.Fatal(got)
		}
	}
	s = i.Until(t, "status", within, func(harness.Status) error { return nil })
	if got := outcomes(s.Recent); got != strings.TrimSpace(strings.Repeat("done ", 10)) || s.LastReload.ID != s.Recent[0].ID {
		t.Errorf("got %q, the last one is %s; want the last ten and no more", got, s.LastReload.ID)
	}
}

func outcomes(list []harness.Reload) string {
	words := make([]string, len(list))
	for n, r := range list {
		words[n] = r.Outcome
	}
	return strings.Join(words, " ")
}

func TestTheStatusNamesTheReloadUnderWay(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1, HealthPath: "/health"})
	i.Behave("health", "block")
	asked := time.Now()
	i.Signal(syscall.SIGHUP)
	s := i.Until(t, "under way", within, func(s harness.Status) error {
		return harness.Unless(s.CurrentReload != nil && s.State == "reloading", "state %q", s.State)
	})
	if r := s.CurrentReload; r.Outcome != "" || r.AskedBy != "signal" || r.Kind != "reload" {
		t.Errorf("got %+v, want a reload by signal that has not ended", r)
	}
	i.Behave("health", "200")
	s = i.Until(t, "done", within, harness.Ended("done", asked))
	if s.CurrentReload != nil {
		t.Errorf("got %+v after the end, want none", s.CurrentReload)
	}
}

func TestAPageOfManyCertificatesIsSmall(t *testing.T) {
	t.Parallel()
	admin := harness.FreeAddress(t)
	i := harness.Prepare(t, harness.Config{Workers: 1, Tables: watched(admin)})
	pair := i.Certs.Issue(harness.Leaf{Names: []string{"many.test"}})
	dir := i.Certs.Folder()
	i.Certs.Fill(dir, pair)
	var tables strings.Builder
	for n := range 100 {
		fmt.Fprintf(&tables, "[[certificate]]\nname = \"many-%d\"\ncertfile = \"%s/fullchain.pem\"\nkeyfile = \"%s/privkey.pem\"\n", n, dir, dir)
	}
	c := i.Config
	c.Tables += "\n" + tables.String()
	i.Configure(c)
	i.Launch()
	i.WaitServing()
	page := askAdmin(t, admin, "GET", "/")
	if page.Status != 200 || len(page.Body) > 64<<10 || !strings.Contains(string(page.Body), "more, none of them nearer to trouble") {
		t.Errorf("got %d with %d bytes, want at most 64 KiB that say how many more there are", page.Status, len(page.Body))
	}
}

func TestThePageOfAMasterInPlaceOfAKilledOneSaysWhoServes(t *testing.T) {
	t.Parallel()
	admin := harness.FreeAddress(t)
	i := harness.Start(t, harness.Config{Workers: 1, Tables: watched(admin)})
	hup(t, i, "done")
	i.Until(t, "settled", within, harness.Settled)
	i.Behave("boot", "sleep 5s") // of the next one, which has to be seen meanwhile
	kill(t, master(t, i))
	harness.Until(t, "page", within, func() error {
		c, err := harness.Dial("tcp", admin, nil)
		if err != nil {
			return err
		}
		defer c.Close()
		a, err := c.Do("GET", "/", nil)
		for _, part := range []string{"A new master is starting. Generation 2 serves on.", "done: generation 2"} {
			if err == nil && !strings.Contains(string(a.Body), part) {
				err = fmt.Errorf("got %s, want %q in it", a.Body, part)
			}
		}
		return err
	})
	i.Behave("boot", "")
	i.Until(t, "settled", within, harness.Settled)
}
