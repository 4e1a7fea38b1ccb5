package page

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/status"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func sample() *status.Status {
	since := now.Add(-2 * time.Second)
	done := status.Reload{
		ID: "b1", Kind: status.KindReload, Outcome: status.OutcomeDone, AskedBy: "signal", Generation: 4, Confirmed: "yes",
		Started: now.Add(-3 * time.Second), Finished: since, Steps: []status.Step{{Name: "config", At: now.Add(-2990 * time.Millisecond), Message: "accepted"}},
	}
	return &status.Status{
		Pid: 100, Generation: 4, State: "serving", Started: now.Add(-76 * time.Hour), Config: "/etc/handover/config.toml",
		Master: status.Master{Pid: 230, Version: "v1.2.3"}, Since: &since, Requests: 1234567,
		Workers: []status.Worker{
			{Slot: 1, Pid: 231, Generation: 4, State: "serving", Requests: 912, Connections: 3, RSS: 9 << 20},
			{Slot: 2, Pid: 232, Generation: 4, State: "starting", Restarts: 11, LastEnd: &status.End{Reason: "crashed", Text: "exit status 3", At: now.Add(-time.Minute)}},
		},
		Draining: []status.Draining{{
			Generation: 3, Since: since, Deadline: now.Add(28 * time.Second),
			Workers: []status.DrainingWorker{{Pid: 201, Connections: 1}},
		}},
		Listeners: []status.Listener{{Address: "127.0.0.1:8443", TLS: true}},
		Certificates: []status.Certificate{{
			Name: "example.org", Fingerprint: strings.Repeat("ab", 32), Names: []string{"a", "b", "c", "d", "e", "f"}, Issuer: "CN=issuer",
			NotBefore: now.Add(-29 * day), NotAfter: now.Add(61*day + time.Hour), ChainNotAfter: now.Add(61*day + time.Hour), Disk: "same",
		}},
		LastReload: &done, Recent: []status.Reload{done},
	}
}

// shown returns the sections of a status as a reader without colours has them:
// text alone, in one line each.
func shown(t *testing.T, s *status.Status) map[string]string {
	t.Helper()
	sections, err := Of(s, now).sections()
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for _, section := range sections {
		text := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(section.HTML, " ")
		list[section.ID] = strings.Join(strings.Fields(text), " ")
	}
	return list
}

func expect(t *testing.T, got map[string]string, id string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(got[id], part) {
			t.Errorf("%s: got %q, want %q in it", id, got[id], part)
		}
	}
}

func TestAStatusIsShownWithAllThatItSays(t *testing.T) {
	t.Parallel()
	got := shown(t, sample())
	expect(t, got, "now", "Serving", "Up 3 d 4 h, 1 of 2 workers serving", "Generation 4 serves. The last reload was done.", "1 234 567")
	expect(t, got, "timeline", "Generation 4 serves since 2 s ago", "Generation 3 drains since 2 s ago Still holds 1 connection on 1 worker. cut in 28 s, of 30 s pid 201: 1 connection")
	expect(t, got, "reloads", "Reload done: generation 4 2 s ago asked for by a signal, took 1.0 s", "config &#43;10 ms accepted", "Clients of the public addresses get what was taken.")
	expect(t, got, "workers", "1 serving 231 3 912 9.0 MiB 0 no complaint none", "2 starting 232 0 0 – 11 no complaint crashed: exit status 3, 1 min ago")
	expect(t, got, "certificates", "example.org valid 61 days of 90 days left, ends 2026-07-04 13:00:00 UTC", "a, b, c, d and 2 more", "CN=issuer", "the same as served")
	expect(t, got, "service", "v1.2.3", "pid 230", "/etc/handover/config.toml", "https 127.0.0.1:8443")
	if got["attention"] != "Needs attention" {
		t.Errorf("attention: got %q, want nothing in it", got["attention"])
	}
}

func TestAReloadUnderWayIsShownAsTheGenerationThatItBrings(t *testing.T) {
	t.Parallel()
	s := sample()
	s.State = "reloading"
	s.CurrentReload = &status.Reload{ID: "c1", Kind: status.KindReload, AskedBy: "control", Started: now.Add(-90 * time.Millisecond), Steps: []status.Step{
		{Name: "config", At: now.Add(-89 * time.Millisecond), Message: "accepted"}, {Name: "generation", At: now.Add(-40 * time.Millisecond), Message: "5: starting 2 workers"},
	}}
	got := shown(t, s)
	expect(t, got, "now", "Reloading", "A reload is under way. Generation 4 serves.")
	expect(t, got, "timeline", "Generation 5 prepares", "asked for by a command, just now No client has met it yet.", "generation &#43;50 ms 5: starting 2 workers", "Workers start, and prove themselves")
}

func TestWhatNeedsAttentionIsSaidTheWorstFirst(t *testing.T) {
	t.Parallel()
	s := sample()
	s.Workers[1].Health = "answers 500"
	s.Failing = []status.Failing{{Slot: 3, Failures: 4, Reason: "exit status 9", Again: now.Add(3 * time.Second)}}
	s.Degraded = "files are broken"
	until, seen := now.Add(time.Hour), now.Add(-time.Minute)
	s.Deferred = &until
	c := s.Certificates[0]
	c.ChainNotAfter = now.Add(-time.Hour)
	ends, held, unread, next := c, s.Certificates[0], s.Certificates[0], s.Certificates[0]
	ends.ChainNotAfter = now.Add(8 * day)
	held.Held, unread.Disk, next.Disk, next.DiskSince = true, "unreadable", "changed", &seen
	next.OnDisk = &status.OnDisk{Fingerprint: strings.Repeat("cd", 32), NotBefore: until, NotAfter: now.Add(90 * day)}
	s.Certificates = append(s.Certificates, next, held, unread, ends, c)
	got := shown(t, s)
	expect(t, got, "attention", "Degraded", "files are broken", "Workers fail", "1 slot has no worker", "Expired", "Ends soon", "Rolled back", "Not readable on disk", "Waits on disk", "Not yet valid", "Worker 2 is unwell", "answers 500")
	expect(t, got, "workers", "Slot 3 fails exit status 9 4 in a row; the next one is started in 3 s")
	expect(t, got, "certificates", "Degraded. What lies on disk is not served: files are broken", "seen 1 min ago", "not valid until 2026-05-04 13:00:00 UTC , in 1 h ;")
	order := []string{"expired", "ends soon", "not readable on disk", "another waits on disk", "rolled back", "example.org valid"}
	for i := 1; i < len(order); i++ {
		if a, b := strings.Index(got["certificates"], order[i-1]), strings.Index(got["certificates"], order[i]); a < 0 || b < a {
			t.Errorf("certificates: %q at %d and %q at %d, want that order", order[i-1], a, order[i], b)
		}
	}
	if worst, least := strings.Index(got["attention"], "Expired"), strings.Index(got["attention"], "Rolled back"); worst > least {
		t.Error("attention: what is expired comes after what was rolled back")
	}
}

func TestARefusalIsShownWithItsCheckAndHint(t *testing.T) {
	t.Parallel()
	s := sample()
	r := status.Reload{
		ID: "d1", Kind: status.KindRotate, Outcome: status.OutcomeRefused, AskedBy: "watch", Error: "refused", Started: now.Add(-time.Second), Finished: now, Omitted: 7,
		Checks: []status.Check{{Name: "pair.mismatch", Severity: "refuse", Certificate: "example.org", File: "/k.pem", Message: "key does not match certificate", Hint: "/k.pem belongs to another"}},
	}
	s.LastReload, s.Recent = &r, append([]status.Reload{r}, s.Recent...)
	got := shown(t, s)
	expect(t, got, "now", "Generation 4 serves. The last rotation was refused: Certificate &#34;example.org&#34;: key does not match certificate (pair.mismatch).")
	expect(t, got, "attention", "Rotation refused", "Hint: /k.pem belongs to another")
	expect(t, got, "reloads", "Rotation refused just now asked for by a change of the files", "pair.mismatch refused example.org key does not match certificate Hint: /k.pem belongs to another /k.pem", "and 7 findings more")
}

func TestWhatOthersWroteIsNeverMarkup(t *testing.T) {
	t.Parallel()
	const hostile = "</section><script>alert(1)</script>\"'><img src=x onerror=alert(1)>\r\n\r\ndata: evil\r"
	s := sample()
	s.Config, s.Degraded, s.Master.Version, s.State = hostile, hostile, hostile, "serving"
	s.Listeners[0].Address = hostile
	s.Workers[0].Health, s.Workers[1].LastEnd.Text = hostile, hostile
	s.Failing = []status.Failing{{Slot: 3, Reason: hostile}}
	c := &s.Certificates[0]
	c.Name, c.Names, c.Issuer, c.Fingerprint, c.Disk = hostile, []string{hostile}, hostile, hostile, hostile
	s.LastReload.Outcome, s.LastReload.Error, s.LastReload.Hint, s.LastReload.AskedBy, s.LastReload.ID = hostile, hostile, hostile, hostile, hostile
	s.LastReload.Checks = []status.Check{{Name: hostile, Severity: hostile, Certificate: hostile, File: hostile, Message: hostile, Hint: hostile}}
	s.LastReload.Steps = []status.Step{{Name: hostile, Message: hostile}}
	s.LastReload.Confirmed = hostile
	s.Recent = []status.Reload{*s.LastReload}
	v := Of(s, now)
	var whole, stream strings.Builder
	if err := Write(&whole, v); err != nil {
		t.Fatal(err)
	}
	if err := NewStream(&stream).Send(v); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{whole.String(), stream.String()} {
		if strings.Contains(text, "<img") || strings.Contains(text, "<script>") || strings.Count(text, "</section>") != len(parts) {
			t.Errorf("got markup of others in\n%s", text)
		}
	}
	for line := range strings.Lines(strings.TrimSuffix(stream.String(), "\n\n")) {
		if !strings.HasPrefix(line, "data: ") || strings.Contains(line, "\r") {
			t.Errorf("got %q in the stream, want fields of ours alone", line)
		}
	}
}

func TestThousandsOfCertificatesAndWorkersMakeABoundedPage(t *testing.T) {
	t.Parallel()
	s := sample()
	for n := range 5000 {
		c := s.Certificates[0]
		c.Name = fmt.Sprint("certificate ", n)
		if n == 4321 {
			c.Disk = "changed"
		}
		s.Certificates = append(s.Certificates, c)
		s.Workers = append(s.Workers, s.Workers[1])
		s.Draining[0].Workers = append(s.Draining[0].Workers, s.Draining[0].Workers[0])
		s.Failing = append(s.Failing, status.Failing{Slot: n})
	}
	var b strings.Builder
	if err := Write(&b, Of(s, now)); err != nil || b.Len() > 1<<20 {
		t.Errorf("got %d bytes, %v; want at most 1 MiB", b.Len(), err)
	}
	expect(t, shown(t, s), "certificates", "certificate 4321 another waits on disk", "and 4 977 more")
	expect(t, shown(t, s), "workers", "and 4 746 more")
}

func TestAStreamSendsWhatHasChangedAlone(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	stream := NewStream(&b)
	send := func(s *status.Status) string {
		b.Reset()
		if err := stream.Send(Of(s, now)); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if got := send(sample()); strings.Count(got, "<section") != len(parts) {
		t.Errorf("first got %s, want every section", got)
	}
	if got := send(sample()); got != "data:\n\n" {
		t.Errorf("the same again: got %q, want no section", got)
	}
	s := sample()
	s.Workers[0].Requests++
	if got := send(s); strings.Count(got, "<section") != 1 || !strings.Contains(got, `id="workers"`) || !strings.HasSuffix(got, "\n\n") {
		t.Errorf("one more request: got %s, want the workers alone", got)
	}
}

func TestOfACertificateWhoseKeyAloneHasChangedNoOtherIsSaidToWait(t *testing.T) {
	t.Parallel()
	s := sample()
	c := &s.Certificates[0]
	c.Disk, c.OnDisk = "changed", &status.OnDisk{Fingerprint: c.Fingerprint, NotBefore: c.NotBefore, NotAfter: c.NotAfter}
	got := shown(t, s)
	expect(t, got, "certificates", "its files have changed", "the same certificate with another key or chain")
	if strings.Contains(got["certificates"], "Waits") {
		t.Errorf("certificates: got %q, want no other that waits", got["certificates"])
	}
}

func TestAServiceThatBootsOrStopsIsShown(t *testing.T) {
	t.Parallel()
	expect(t, shown(t, &status.Status{State: "booting", Generation: 1}), "now", "Starting", "The service is starting.")
	expect(t, shown(t, &status.Status{State: "stopping", Generation: 1}), "now", "Stopping", "The service is stopping.")
	again := shown(t, &status.Status{State: "booting", Generation: 5, Draining: []status.Draining{{Generation: 4, Workers: []status.DrainingWorker{{Pid: 7}}}}})
	expect(t, again, "now", "Starting", "A new master is starting. Generation 4 serves on.")
	expect(t, again, "timeline", "Generation 5 starts", "Generation 4 serves until it is relieved 1 worker.")
	quiet := sample()
	quiet.Workers = nil
	expect(t, shown(t, quiet), "now", "Not serving", "No worker serves. The last reload was done.", "Generation 4 does not serve")
	expect(t, shown(t, quiet), "attention", "No worker serves")
	quiet.State, quiet.CurrentReload = "reloading", &status.Reload{ID: "e1", Kind: status.KindReload}
	expect(t, shown(t, quiet), "now", "A reload is under way. No worker serves.")
	leaving := sample()
	leaving.State = "stopping"
	expect(t, shown(t, leaving), "now", "Stopping", "The service is stopping. Clients are served until it drains.")
	expect(t, shown(t, leaving), "timeline", "Generation 4 serves until it drains for a stop")
	leaving.Workers[0].State = "draining"
	expect(t, shown(t, leaving), "now", "Stopping", "The service is stopping. Generation")
	expect(t, shown(t, leaving), "timeline", "Generation 4 drains for a stop")
}

func TestABarShowsTheShareOfLongLivesToo(t *testing.T) {
	t.Parallel()
	for years, want := range map[int]int{1: 50, 5: 50, 10: 50, 100: 50} {
		half := time.Duration(years) * 365 * day / 2
		c := status.Certificate{NotBefore: now.Add(-half), NotAfter: now.Add(half), ChainNotAfter: now.Add(half)}
		if got := lifetime(c, well, now); got.Percent != want {
			t.Errorf("%d years, half of them left: got %d %%, want %d", years, got.Percent, want)
		}
	}
}

func TestALongErrorMakesABoundedPage(t *testing.T) {
	t.Parallel()
	s := sample()
	s.LastReload.Outcome, s.LastReload.Error = status.OutcomeFailed, strings.Repeat("every problem of a config ", 1<<16)
	s.Recent[0] = s.LastReload.Brief()
	var b strings.Builder
	if err := Write(&b, Of(s, now)); err != nil || b.Len() > 64<<10 {
		t.Errorf("got %d bytes, %v; want at most 64 KiB", b.Len(), err)
	}
}

func TestTimesAreShownInTheUnitsThatMatter(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		500 * time.Millisecond: "just now", 42 * time.Second: "42 s ago", 62 * time.Second: "1 min 2 s ago", 3 * time.Hour: "3 h ago",
		50 * time.Hour: "2 d 2 h ago", 300 * day: "300 days ago", -90 * time.Second: "in 1 min 30 s",
	} {
		if got := ago(now.Add(-d), now); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}
