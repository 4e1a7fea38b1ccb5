package metrics_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/metrics"
	"example.com/handover/supervisor/status"
)

func text(t *testing.T, s *status.Status) string {
	t.Helper()
	var b bytes.Buffer
	if err := metrics.Write(&b, s); err != nil {
		t.Fatalf("write: %v", err)
	}
	return b.String()
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
