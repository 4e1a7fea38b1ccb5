package status

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// served is a certificate that needs no care, of 90 days with 61 left.
func served(name string) Certificate {
	return Certificate{
		Name: name, Fingerprint: strings.Repeat("ab", 32), Names: []string{name}, NotBefore: now.Add(-29 * 24 * time.Hour),
		NotAfter: now.Add(61*24*time.Hour + time.Hour), ChainNotAfter: now.Add(61*24*time.Hour + time.Hour), Disk: "same",
	}
}

// troubled is one certificate of each kind that somebody should look at.
func troubled() []Certificate {
	since := now.Add(-2 * time.Hour)
	changed, unreadable, held, ending, made := served("changed"), served("unreadable"), served("held"), served("ending"), served("made")
	changed.Disk, changed.DiskSince = "changed", &since
	changed.OnDisk = &OnDisk{Fingerprint: strings.Repeat("cd", 32), NotAfter: now.Add(90 * 24 * time.Hour)}
	unreadable.Disk, unreadable.DiskSince = "unreadable", &since
	held.Held, held.Disk = true, "changed"
	ending.ChainNotAfter = now.Add(6 * 24 * time.Hour)
	made.SelfSigned = true
	return []Certificate{served("good"), made, changed, unreadable, held, ending}
}

const shownCerts = `DEGRADED: what lies on disk is not served: key does not match certificate
hint: mend the files, then "handover rotate"

CERTIFICATE  FOR         UNTIL                             SHA256             DISK
changed      changed     2026-07-04 13:00 UTC  in 61 days  abababababababab…  changed since 2026-05-04 10:00 UTC: sha256 cdcdcdcdcdcdcdcd…, until 2026-08-02 12:00 UTC
unreadable   unreadable  2026-07-04 13:00 UTC  in 61 days  abababababababab…  unreadable since 2026-05-04 10:00 UTC
held         held        2026-07-04 13:00 UTC  in 61 days  abababababababab…  held, changed
ending       ending      2026-05-10 12:00 UTC  in 6 days   abababababababab…  same
good         good        2026-07-04 13:00 UTC  in 61 days  abababababababab…  same
made         made        2026-07-04 13:00 UTC  in 61 days  abababababababab…  made on the spot

deferred: what waits on disk is taken by itself when it becomes valid: 2026-05-04 12:05 UTC, in 5 min

hint: "handover certs rollback --undo" serves what lies on disk again
`

func TestCertsShowsAllWithWhatNeedsCareFirst(t *testing.T) {
	t.Parallel()
	soon := now.Add(5 * time.Minute)
	s := &Status{Certificates: troubled(), Deferred: &soon, Degraded: "key does not match certificate"}
	var b strings.Builder
	WriteCerts(&b, s.Certs(), now, Look{})
	if got := b.String(); got != shownCerts {
		t.Errorf("got\n%s\nwant\n%s", got, shownCerts)
	}
	b.Reset()
	WriteCerts(&b, CertsResult{Certificates: troubled()[2:3]}, now, Look{})
	if !strings.Contains(b.String(), `hint: "handover check" says whether what lies on disk would be taken`) {
		t.Errorf("got %q, want how to take what changed", b.String())
	}
	b.Reset()
	key := troubled()[2]
	key.OnDisk.Fingerprint = key.Fingerprint
	WriteCerts(&b, CertsResult{Certificates: []Certificate{key}}, now, Look{})
	if want := "changed since 2026-05-04 10:00 UTC: another key or chain\n"; !strings.Contains(b.String(), want) {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	b.Reset()
	WriteCerts(&b, CertsResult{}, now, Look{})
	if got := b.String(); got != "no certificates\n" {
		t.Errorf("got %q, want none", got)
	}
}

func TestColoursOfCertificatesSayWhoMustAct(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	WriteCerts(&b, CertsResult{Certificates: troubled(), Degraded: "x"}, now, Look{Colour: true})
	for _, want := range []string{
		red + "DEGRADED:", red + "unreadable since", yellow + "changed since", yellow + "held, changed", green + "same", yellow + "in 6 days", plain + "in 61 days",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("got %q, want %q in it", b.String(), want)
		}
	}
}

func TestStatusShowsTwentyCertificatesOfThousandsTheUrgentFirst(t *testing.T) {
	t.Parallel()
	s := sample()
	s.Certificates = nil
	for i := range 3000 {
		s.Certificates = append(s.Certificates, served(fmt.Sprintf("c%04d", i)))
	}
	s.Certificates = append(s.Certificates, troubled()...)
	var b strings.Builder
	Write(&b, s, now, Look{})
	_, table, _ := strings.Cut(b.String(), "\nCERTIFICATE ")
	lines := strings.Split(strings.TrimSuffix(table, "\n"), "\n")
	if len(lines) != 22 || lines[21] != `and 2986 more: "handover certs" shows all` {
		t.Fatalf("got %d lines, the last %q; want 20 certificates and how many more", len(lines), lines[len(lines)-1])
	}
	for i, name := range []string{"changed", "unreadable", "held", "ending", "c0000", "c0001"} {
		if !strings.HasPrefix(lines[1+i], name+" ") {
			t.Errorf("line %d: got %q, want %s", i, lines[1+i], name)
		}
	}
	if !strings.Contains(lines[3], "changed, held") {
		t.Errorf("got %q, want it held", lines[3])
	}
	b.Reset()
	WriteCheckResult(&b, CheckResult{Accepted: true, Certificates: s.Certificates}, now, false)
	if got := b.String(); strings.Count(got, "certificate \"") != 20 || !strings.HasSuffix(got, "accepted: 2986 more certificates: --json lists all\n") {
		t.Errorf("got %q, want 20 and how many more", got)
	}
}

func TestStatusIsLoudAboutADegradedService(t *testing.T) {
	t.Parallel()
	s := sample()
	soon := now.Add(5 * time.Minute)
	s.Degraded, s.Deferred = "/c.pem is\n\x1b[2Jbroken", &soon
	var b strings.Builder
	Write(&b, s, now, Look{})
	if got := b.String(); !strings.HasPrefix(got, "DEGRADED: what lies on disk is not served: /c.pem is??[2Jbroken\nhint: ") ||
		!strings.Contains(got, "\ndeferred     what waits on disk is taken by itself when it becomes valid: 2026-05-04 12:05 UTC, in 5 min\n") {
		t.Errorf("got %q, want degraded on top and what is deferred", got)
	}
}

func TestStatusNamesTheKindOfTheLastReload(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]Reload{
		"last reload  done 119 min ago, after 5.0 ms, asked for by x\n":                       {Kind: "", Outcome: OutcomeDone},
		"last rotation  unchanged 119 min ago, after 5.0 ms, asked for by x\n":                {Kind: KindRotate, Outcome: OutcomeDone, Unchanged: true},
		"last rollback  done 119 min ago, after 5.0 ms, asked for by x, confirmed\n":          {Kind: KindRollback, Outcome: OutcomeDone, Confirmed: "yes"},
		"last rotation  done 119 min ago, after 5.0 ms, asked for by x, not confirmed: y?z\n": {Kind: KindRotate, Outcome: OutcomeDone, Confirmed: "y\nz"},
		"last rotation  runs for 7200.0 s, asked for by x\n":                                  {Kind: KindRotate},
		"\nthe last rollback was not done:\nerror: the rollback was not done: failed\n":       {Kind: KindRollback, Outcome: OutcomeFailed},
		"\nthe last rotation was not done:\nerror: no worker proved it\nhint: see the log\n":  {Kind: KindRotate, Outcome: OutcomeFailed, Error: "no worker proved it", Hint: "see the log"},
	} {
		s := sample()
		r.AskedBy, r.Started, r.Finished = "x", now.Add(-2*time.Hour), now.Add(-2*time.Hour+5*time.Millisecond)
		s.LastReload = &r
		var b strings.Builder
		Write(&b, s, now, Look{})
		if got := b.String(); !strings.Contains(got, want) {
			t.Errorf("%+v: got %q, want %q in it", r, got, want)
		}
	}
}

func TestTheEndOfEachKindIsToldInItsWords(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]Reload{
		"done: generation 4 serves, after 2.0 ms\n":                                                     {Outcome: OutcomeDone},
		"done: generation 4 serves with other certificates, after 2.0 ms\n":                             {Kind: KindRollback, Outcome: OutcomeDone, Confirmed: "yes"},
		"unchanged: generation 4 serves on what was rolled back to, seen after 2.0 ms\n":                {Kind: KindRotate, Outcome: OutcomeDone, Unchanged: true, Checks: []Check{{Name: "change.held", Severity: "info", Message: "held"}}},
		"unchanged: generation 4 serves what lies on disk, seen after 2.0 ms\n":                         {Kind: KindRotate, Outcome: OutcomeDone, Unchanged: true},
		"done: generation 4 serves with other certificates, after 2.0 ms\nwarn: not confirmed: ?[2Jx\n": {Kind: KindRotate, Outcome: OutcomeDone, Confirmed: "\x1b[2Jx"},
		"refused after 2.0 ms, nothing has changed: generation 4 serves on\n":                           {Kind: KindRotate, Outcome: OutcomeRefused},
	} {
		r.Generation, r.Started, r.Finished = 4, now, now.Add(2*time.Millisecond)
		var b strings.Builder
		WriteReload(&b, &r, false)
		if got := b.String(); got != want {
			t.Errorf("%+v: got %q, want %q", r, got, want)
		}
	}
}

func TestNamesOfOthersAreBoundedAndCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	evil := served("\x1b[31m\u202e" + strings.Repeat("é", 5000) + "\t\n")
	evil.Names = slices.Repeat([]string{strings.Repeat("\u2028n", 3000)}, 1000)
	evil.Disk = "\x1b]0;title\a"
	var b strings.Builder
	r := CertsResult{Certificates: []Certificate{evil}}
	WriteCerts(&b, r, now, Look{})
	s := sample()
	s.Certificates = r.Certificates
	Write(&b, s, now, Look{})
	WriteCheckResult(&b, CheckResult{Accepted: true, Certificates: r.Certificates}, now, false)
	WriteCatalogue(&b, []CheckEntry{{Name: "\x1b", Reason: "\a"}}, Look{})
	if strings.ContainsAny(b.String(), "\x1b\a\t\u202e\u2028") {
		t.Errorf("got control characters in %q", b.String())
	}
	for line := range strings.Lines(b.String()) {
		if len(line) > 3000 {
			t.Errorf("got a line of %d bytes, want it bounded: %.200q", len(line), line)
		}
	}
}

func TestTheCatalogueHasALineForEachCheck(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	WriteCatalogue(&b, []CheckEntry{{"pair.mismatch", "refuse", true, "no handshake succeeds"}, {"chain.untrusted", "off", false, "ask for it"}}, Look{})
	want := "CHECK            SEVERITY         WHY\n" +
		"pair.mismatch    refuse    fixed  no handshake succeeds\n" +
		"chain.untrusted  off              ask for it\n"
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// fieldsOfJSON are the fields that others script against. To take one away or to
// rename it breaks them; a new one is added here.
var fieldsOfJSON = map[string]string{
	"Status":      "pid generation state started config master workers draining listeners certificates last_reload current_reload degraded deferred_until",
	"Certificate": "name fingerprint_sha256 names not_before not_after chain_not_after chain_length issuer serial chain_sha256 key_sha256 source held disk disk_since on_disk self_signed",
	"OnDisk":      "fingerprint_sha256 not_before not_after",
	"Check":       "name severity certificate file message hint",
	"Reload":      "id kind outcome asked_by started finished generation unchanged confirmed error hint exit_code checks steps",
	"Step":        "name at message",
	"CheckResult": "accepted checks certificates",
	"CertsResult": "certificates deferred_until degraded",
	"CheckEntry":  "name severity fixed reason",
}

func TestNoFieldOfTheJSONIsEverTakenAway(t *testing.T) {
	t.Parallel()
	for _, v := range []any{Status{}, Certificate{}, OnDisk{}, Check{}, Reload{}, Step{}, CheckResult{}, CertsResult{}, CheckEntry{}} {
		kind := reflect.TypeOf(v)
		var got []string
		for i := range kind.NumField() {
			name, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
			got = append(got, name)
		}
		for _, want := range strings.Fields(fieldsOfJSON[kind.Name()]) {
			if !slices.Contains(got, want) {
				t.Errorf("%s has the fields %q, want %s among them", kind.Name(), got, want)
			}
		}
	}
	text, err := json.Marshal((&Status{}).Certs())
	if want := `{"certificates":[],"deferred_until":null,"degraded":""}`; err != nil || string(text) != want {
		t.Errorf("got %s, %v; want %s", text, err, want)
	}
}
