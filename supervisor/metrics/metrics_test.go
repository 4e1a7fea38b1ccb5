package metrics_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/metrics"
	"example.com/handover/supervisor/status"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func text(t *testing.T, s *status.Status) string {
	t.Helper()
	return string(metrics.Text(s, time.Unix(1_800_000_000, 0)))
}

func requires(t *testing.T, got string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+got, "\n"+line+"\n") {
			t.Errorf("no line %q in\n%s", line, got)
		}
	}
}

func TestAStatusIsSaidInPrometheusWords(t *testing.T) {
	t.Parallel()
	until := time.Unix(2_000_000_000, 0)
	got := text(t, &status.Status{
		Generation: 4, Requests: 1000,
		Workers: []status.Worker{{State: "serving", Connections: 3}, {State: "serving", Connections: 1}, {State: "proving"}},
		Draining: []status.Draining{
			{Generation: 2, Workers: []status.DrainingWorker{{Connections: 2}}},
			{Generation: 3, Workers: []status.DrainingWorker{{Connections: 5}, {}}},
		},
		Certificates: []status.Certificate{{Name: "example.org", NotAfter: until, ChainNotAfter: until}},
		Reloads:      status.Tally{"reload": {"done": 3, "refused": 1}},
		Exits:        status.Exits{"crashed": 2},
	})
	requires(t, got,
		"# TYPE handover_generation gauge", "handover_generation 4",
		"# TYPE handover_requests_total counter", "handover_requests_total 1000",
		"handover_connections 11", "handover_draining_generations 2",
		`handover_workers{state="serving"} 2`, `handover_workers{state="proving"} 1`, `handover_workers{state="draining"} 3`,
		`handover_worker_exits_total{reason="crashed"} 2`, `handover_worker_exits_total{reason="oom"} 0`,
		`handover_reloads_total{kind="reload",outcome="done"} 3`, `handover_reloads_total{kind="reload",outcome="refused"} 1`,
		`handover_certificate_not_after_timestamp_seconds{name="example.org"} 2e+09`,
	)
}

// The reference encoder reads what is written, and would write the same.
func TestTheTextIsWhatThePrometheusEncoderWrites(t *testing.T) {
	t.Parallel()
	hostile := full()
	hostile.Certificates[0].Name = "a\"b\\c\nd"
	hostile.Certificates[0].Issuer = "\xff"
	hostile.Counts.Boots.Observe(0.5, 0.1, 1)
	hostile.Counts.Boots.Observe(7, 0.1, 1)
	for name, s := range map[string]*status.Status{"empty": {}, "full": full(), "hostile": hostile} {
		got := text(t, s)
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(got))
		if err != nil {
			t.Fatalf("%s: %v, want the text format; got\n%s", name, err, got)
		}
		var want bytes.Buffer
		encoder := expfmt.NewEncoder(&want, expfmt.NewFormat(expfmt.TypeTextPlain))
		for _, family := range slices.Sorted(maps.Keys(families)) {
			if err := encoder.Encode(families[family]); err != nil {
				t.Fatal(err)
			}
		}
		if got != want.String() {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want.String())
		}
	}
	if string(expfmt.NewFormat(expfmt.TypeTextPlain)) != metrics.ContentType {
		t.Errorf("content type %q, the encoder has %q", metrics.ContentType, expfmt.NewFormat(expfmt.TypeTextPlain))
	}
}

func TestEverySeriesIsThereBeforeAnythingHasHappened(t *testing.T) {
	t.Parallel()
	requires(t, text(t, &status.Status{}),
		"handover_generation 0", "handover_requests_total 0", "handover_connections 0", "handover_draining_generations 0",
		`handover_workers{state="starting"} 0`, `handover_reloads_total{kind="rollback",outcome="failed"} 0`)
}

func TestOfSeveralCertificatesOfANameTheEarliestEndIsSaid(t *testing.T) {
	t.Parallel()
	late, early := time.Unix(2_000_000_000, 0), time.Unix(1_900_000_000, 0)
	got := text(t, &status.Status{Certificates: []status.Certificate{
		{Name: `a"b`, NotAfter: late, ChainNotAfter: late},
		{Name: `a"b`, NotAfter: late, ChainNotAfter: early},
		{Name: "c", NotAfter: late},
	}})
	requires(t, got,
		`handover_certificate_not_after_timestamp_seconds{name="a\"b"} 1.9e+09`,
		`handover_certificate_not_after_timestamp_seconds{name="c"} 2e+09`)
}

func TestANameThatIsNoTextHidesNothing(t *testing.T) {
	t.Parallel()
	late, early := time.Unix(2_000_000_000, 0), time.Unix(1_900_000_000, 0)
	got := text(t, &status.Status{Generation: 4, Certificates: []status.Certificate{
		{Name: "caf\xe9", NotAfter: late}, {Name: "caf\xe8", NotAfter: early},
	}})
	requires(t, got, "handover_generation 4", `handover_certificate_not_after_timestamp_seconds{name="caf�"} 1.9e+09`)
}

func TestTheCountsOfWorkersAndMastersAreSaid(t *testing.T) {
	t.Parallel()
	s := full()
	s.Recent = []status.Reload{
		{Outcome: "refused"}, {Outcome: "done", Unchanged: true}, // which change nothing
		{Outcome: "done", Confirmed: "127.0.0.1:443: handshake: no"}, {Outcome: "done", Confirmed: "yes"},
	}
	s.Degraded, s.Counts.Failed, s.Counts.MasterRestarts, s.Counts.LogLost, s.Counts.ConnectionsLost = "files were refused", "rotate", 3, 4, 5
	s.Counts.Attempt, s.Counts.Success = s.Started.Add(2*time.Second), s.Started.Add(1500*time.Millisecond)
	s.Counts.Boots.Observe(0.05, 0.1, 1)
	s.Counts.Boots.Observe(0.1, 0.1, 1)
	s.Counts.Boots.Observe(7, 0.1, 1)
	s.Exits = status.Exits{"asked": 9, "recycled": 8, "crashed": 2, "silent": 1}
	s.Traffic = status.Traffic{
		Responses: map[string]uint64{"2xx": 7}, Handshakes: map[string]uint64{"1.3": 2}, Resumed: map[string]uint64{"1.2": 1},
		HandshakeErrors: map[string]uint64{"protocol": 6}, Cut: 8, AccessLost: 9, Duration: s.Traffic.Duration,
	}
	requires(t, text(t, s),
		`handover_build_info{goversion="go1.26",version="v1"} 1`, "handover_start_time_seconds 1.79e+09", "handover_degraded 1",
		`handover_generations{state="starting"} 1`, `handover_generations{state="serving"} 1`, `handover_generations{state="draining"} 1`,
		"handover_master_restarts_total 3", `handover_log_lines_lost_total{log="log"} 4`, `handover_log_lines_lost_total{log="access"} 9`,
		"handover_workers_wanted 2", "handover_worker_restarts_total 3",
		`handover_worker_boot_duration_seconds_bucket{le="0.1"} 2`, `handover_worker_boot_duration_seconds_bucket{le="1"} 2`,
		`handover_worker_boot_duration_seconds_bucket{le="+Inf"} 3`, "handover_worker_boot_duration_seconds_sum 7.15", "handover_worker_boot_duration_seconds_count 3",
		`handover_connections_cut_total{reason="graceful_timeout"} 8`, `handover_connections_cut_total{reason="worker_ended"} 5`,
		`handover_responses_total{class="2xx"} 7`, `handover_tls_handshakes_total{resumed="no",version="1.3"} 2`,
		`handover_tls_handshakes_total{resumed="yes",version="1.2"} 1`, `handover_tls_handshake_errors_total{reason="protocol"} 6`,
		"handover_reload_in_progress 1", "handover_last_reload_successful 0", "handover_last_reload_unconfirmed 1",
		"handover_last_reload_timestamp_seconds 1.790000002e+09", "handover_last_reload_success_timestamp_seconds 1.7900000015e+09",
		`handover_certificate_findings_total{check="pair.mismatch",severity="refuse"} 1`,
		`handover_certificate_info{fingerprint_sha256="ab",issuer="CN=x",name="example.org",serial="0a"} 1`,
		`handover_certificate_pending{name="example.org"} 1`, "handover_certificates_pending 1",
		`handover_certificates{left="nothing"} 1`, `handover_certificates{left="ample"} 0`,
	)
}

// Thousands of certificates must not be thousands of series: of those alike the ones
// that end first have their own.
func TestOfManyCertificatesThoseThatEndFirstAreSaidByName(t *testing.T) {
	t.Parallel()
	s := full()
	first := s.Certificates[0]
	for n := range 5000 {
		c := first
		c.Name, c.NotAfter = fmt.Sprint("n", n), first.NotAfter.Add(time.Duration(5000-n)*time.Hour)
		s.Certificates = append(s.Certificates, c)
	}
	got := text(t, s)
	requires(t, got, "handover_certificates_pending 5001", fmt.Sprintf("handover_certificates_earliest_not_after_timestamp_seconds %v", float64(first.NotAfter.Unix())))
	if n := strings.Count(got, "handover_certificate_held{"); n != 100 || !strings.Contains(got, `_held{name="n4901"}`) || strings.Contains(got, `_held{name="n4900"}`) {
		t.Errorf("got %d certificates by name, want the 100 that end first", n)
	}
	if len(got) > 100_000 {
		t.Errorf("a scrape has %d bytes", len(got))
	}
}

// What an alert is about is said by name, however many others end before it.
func TestOfManyCertificatesThoseThatAnAlertIsAboutAreSaidByName(t *testing.T) {
	t.Parallel()
	now, day := time.Unix(1_800_000_000, 0), 24*time.Hour
	s := &status.Status{Certificates: []status.Certificate{
		{Name: "ample", NotBefore: now, NotAfter: now.Add(360 * day), Disk: "same"},
		{Name: "waits", NotBefore: now, NotAfter: now.Add(360 * day), Disk: "changed"},
		{Name: "quarter", NotBefore: now.Add(-75 * day), NotAfter: now.Add(20 * day), Disk: "same"},
		{Name: "tenth", NotBefore: now.Add(-350 * day), NotAfter: now.Add(21 * day), Disk: "same"},
	}}
	for n := range 200 {
		s.Certificates = append(s.Certificates, status.Certificate{Name: fmt.Sprint("short", n), NotBefore: now.Add(-day), NotAfter: now.Add(5 * day), Disk: "same"})
	}
	got := text(t, s)
	for name, want := range map[string]bool{"ample": false, "waits": true, "quarter": true, "tenth": true} {
		if strings.Contains(got, fmt.Sprintf("handover_certificate_pending{name=%q}", name)) != want {
			t.Errorf("%s: want it said by name: %v", name, want)
		}
	}
	requires(t, got, fmt.Sprintf("handover_certificates_earliest_not_after_timestamp_seconds %v", float64(now.Add(5*day).Unix())))
}

func TestTheSameCertificateTwiceUnderOneNameIsNoError(t *testing.T) {
	t.Parallel()
	s := full()
	s.Certificates = append(s.Certificates, s.Certificates[0])
	requires(t, text(t, s), `handover_certificates{left="nothing"} 2`)
}
