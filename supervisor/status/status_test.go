package status

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func sample() *Status {
	return &Status{
		Pid: 100, Generation: 4, State: "serving", Started: now.Add(-3 * time.Hour), Config: "/etc/handover/config.toml",
		Master: Master{Pid: 230, Version: "v1.2.3"},
		Workers: []Worker{
			{Slot: 1, Pid: 231, Generation: 4, State: "serving", Requests: 912, Connections: 3, RSS: 9 << 20},
			{Slot: 2, Pid: 232, Generation: 4, State: "starting", Restarts: 11},
		},
		Draining: []Draining{{
			Generation: 3, Since: now.Add(-2 * time.Second), Deadline: now.Add(28 * time.Second),
			Workers: []DrainingWorker{{Pid: 201, Connections: 1}},
		}},
		Listeners: []Listener{{Address: "127.0.0.1:8443", TLS: true}, {Address: "unix:/run/x.sock"}},
		Certificates: []Certificate{{
			Name: "example.org", Fingerprint: strings.Repeat("ab", 32), Names: []string{"a", "b", "c", "d", "e"},
			ChainNotAfter: now.Add(61*24*time.Hour + time.Hour), Disk: "same",
		}},
		LastReload: &Reload{Outcome: OutcomeDone, AskedBy: "signal", Started: now.Add(-time.Hour), Finished: now.Add(-time.Hour + 412*time.Millisecond)},
	}
}

const shown = `state        serving
generation   4
pid          100, up 3 h
master       pid 230, version v1.2.3
config       /etc/handover/config.toml
listeners    https 127.0.0.1:8443
             http unix:/run/x.sock
last reload  done 59 min ago, after 412 ms, asked for by signal

WORKER  PID  GENERATION  STATE     REQUESTS  CONNECTIONS  MEMORY   RESTARTS
1       231  4           serving   912       3            9.0 MiB  0
2       232  4           starting  0         0            -        11

DRAINING      PID  CONNECTIONS  SINCE    CUT
generation 3  201  1            2 s ago  in 28 s

CERTIFICATE  FOR              UNTIL                             DISK  SHA256
example.org  a, b, c, 2 more  2026-07-04 13:00 UTC  in 61 days  same  abababababababab…
`

func TestAStatusIsShownInAlignedTables(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	Write(&b, sample(), now, Look{})
	if got := b.String(); got != shown {
		t.Errorf("got\n%s\nwant\n%s", got, shown)
	}
}

func TestColoursLeaveTheTablesAligned(t *testing.T) {
	t.Parallel()
	var with, without strings.Builder
	Write(&with, sample(), now, Look{Colour: true})
	Write(&without, sample(), now, Look{})
	if !strings.Contains(with.String(), green+"serving") {
		t.Errorf("got %q, want a green state", with.String())
	}
	stripped := regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(with.String(), "")
	if stripped != without.String() {
		t.Errorf("without its colours it is\n%s\nwant\n%s", stripped, without.String())
	}
}

func TestOnlyATerminalGetsColours(t *testing.T) {
	t.Parallel()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	if Coloured(null) {
		t.Error("got colours on /dev/null")
	}
}

func TestARefusedReloadNamesTheCheckAndHowToMendIt(t *testing.T) {
	t.Parallel()
	r := &Reload{
		Outcome: OutcomeRefused, Generation: 4, ExitCode: ExitRefused, Started: now, Finished: now.Add(20 * time.Millisecond),
		Checks: []Check{
			{Name: "time.remaining", Severity: severityWarn, Certificate: "example.org", Message: "ends in 3 days", Hint: "renew it"},
			{Name: "pair.mismatch", Severity: severityRefuse, Certificate: "example.org", File: "/k.pem", Message: "key does not match certificate", Hint: "/k.pem belongs to another"},
		},
	}
	var out, errs strings.Builder
	WriteReload(&out, r, false)
	f := r.Failure()
	f.Write(&errs, false)
	wantOut := "warn: certificate \"example.org\": ends in 3 days (time.remaining)\nhint: renew it\n" +
		"refused after 20 ms, nothing has changed: generation 4 serves on\n"
	wantErrs := "error: certificate \"example.org\": key does not match certificate (pair.mismatch)\nhint: /k.pem belongs to another\n"
	if out.String() != wantOut || errs.String() != wantErrs || f.Code != ExitRefused {
		t.Errorf("got\n%s%scode %d, want\n%s%scode %d", out.String(), errs.String(), f.Code, wantOut, wantErrs, ExitRefused)
	}
}

func TestAFailedReloadIsNeverASuccess(t *testing.T) {
	t.Parallel()
	for _, r := range []Reload{
		{Outcome: OutcomeFailed},
		{Outcome: OutcomeFailed, Error: "worker 1 died", Hint: "see the log"},
		{Outcome: OutcomeRefused},
	} {
		if f := r.Failure(); f == nil || f.Code == 0 || f.Error() == "" {
			t.Errorf("%+v: got %+v, want a code and a reason", r, f)
		}
	}
	if f := (&Reload{Outcome: OutcomeDone}).Failure(); f != nil {
		t.Errorf("done: got %+v, want none", f)
	}
}

func TestWhatOthersWroteCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	s := sample()
	s.Certificates[0].Names = []string{"\x1b[31mevil\t\nname"}
	s.Config = "\x1b]0;title\a"
	var b strings.Builder
	Write(&b, s, now, Look{})
	WriteStep(&b, now, Step{Name: "config", At: now, Message: "\x1b[2J"})
	Failed(1, "\x1b[2J", "\x1b[2J").Write(&b, false)
	if strings.ContainsAny(b.String(), "\x1b\a\t") {
		t.Errorf("got control characters in %q", b.String())
	}
}

func TestTimesAreShownInTheUnitThatMatters(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0.0 ms", 412 * time.Microsecond: "0.4 ms", 85 * time.Millisecond: "85 ms", 2300 * time.Millisecond: "2.3 s",
	} {
		if got := elapsed(d); got != want {
			t.Errorf("elapsed %v: got %q, want %q", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-90 * time.Second: "90 s ago", 3 * time.Hour: "in 3 h", 90 * 24 * time.Hour: "in 90 days", -5 * time.Minute: "5 min ago",
	} {
		if got := relative(now, now.Add(d)); got != want {
			t.Errorf("relative %v: got %q, want %q", d, got, want)
		}
	}
}

func TestAStepSaysWhenItWasDone(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	WriteStep(&b, now, Step{Name: "config", At: now.Add(400 * time.Microsecond), Message: "accepted, 2 listeners"})
	if got, want := b.String(), "   0.4 ms  config        accepted, 2 listeners\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnAcceptedCheckSaysWhatWouldBeServed(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	WriteCheckResult(&b, CheckResult{Accepted: true, Certificates: sample().Certificates}, now, false)
	want := "accepted: certificate \"example.org\" for a, b, c, d, e\n" +
		"          until 2026-07-04 13:00 UTC, in 61 days; sha256 " + strings.Repeat("ab", 32) + "\n"
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
