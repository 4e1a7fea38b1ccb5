package integration

import (
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

func TestSoakTwoHundredReloadsAndAMillionRequestsLoseNothing(t *testing.T) {
	soak(t)
	const reloads, requests = 200, 1_000_000
	i := harness.Start(t, harness.Config{Keys: "max_draining = 50"})
	load := i.Load(t, harness.Load{New: 2, Kept: 10, H2: 2, Streams: 4})
	issued := map[string]bool{i.First.Fingerprint: true}
	for n := range reloads {
		pair := i.Certs.Issue(harness.Leaf{})
		issued[pair.Fingerprint] = true
		i.Certs.Install(pair)
		if got := i.Do("reload"); got.Exit != 0 {
			t.Fatalf("reload %d: %v, want exit 0", n+1, got)
		}
		served(t, i, pair)
		load.Reached(t, requests/reloads*(n+1), 5*time.Minute)
		if len(load.SoFar().Losses) > 0 {
			break
		}
	}
	report := load.Stop()
	report.NothingLost(t)
	report.Only(t, issued)
	t.Logf("soak: %d reloads, %d requests over %d connections, %d lost", reloads, report.Requests, report.Connections, len(report.Losses))
	reloadWorks(t, i)
}
