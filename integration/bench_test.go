package integration

import (
	"slices"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// The benchmarks print figures of what no other server does; nothing asserts them,
// since a figure of a busy machine is no fact about the program. Run them by
// go test -run '^$' -bench . without -race; package bench has the others.

// BenchmarkWatch sets the time from a rename over a pair's folder link to the
// first handshake with the new certificate, with [tls] reload = "watch". Wanted:
// 20 ms or less.
func BenchmarkWatch(b *testing.B) {
	quiet(b)
	i := harness.Start(b, harness.Config{Tables: watching})
	var watched []time.Duration
	for b.Loop() {
		folder := i.Certs.Folder()
		pair := i.Certs.Issue(harness.Leaf{})
		i.Certs.Fill(folder, pair)
		begun := time.Now()
		i.Certs.Switch(folder)
		asked(b, begun, func() bool {
			got, err := i.Served()
			if err != nil {
				b.Fatal(err)
			}
			return got == pair.Fingerprint
		})
		watched = append(watched, time.Since(begun))
	}
	b.ReportMetric(milliseconds(median(watched)), "rename-ms")
	b.ReportMetric(milliseconds(slowest(watched)), "slowest-ms")
}

// asked asks a thousand times a second until the answer is yes.
func asked(b *testing.B, begun time.Time, yes func() bool) {
	b.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !yes() {
		if time.Since(begun) > within {
			b.Fatalf("no answer within %v", within)
		}
		<-tick.C
	}
}

// quiet keeps meaningless figures from being printed.
func quiet(b *testing.B) {
	b.Helper()
	if harness.Race {
		b.Skip("figures of a race-built program mean nothing")
	}
}

func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)/2]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func slowest(d []time.Duration) time.Duration {
	var most time.Duration
	for _, one := range d {
		most = max(most, one)
	}
	return most
}
