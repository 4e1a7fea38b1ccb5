package bench

import (
	"regexp"
	"strings"
	"testing"
)

// What the machine's load changes is only looked at for being there; what must be
// so on any machine is required.
func TestEachMeasurementOfABenchMeasures(t *testing.T) {
	t.Parallel()
	b := newBench(t.Output(), chosen(Peers, regexp.MustCompile("^(handover|net/http)$")), tiny)
	b.measure(t, regexp.MustCompile("^(reload|lost|throughput|latency|kill|many|memory|resume|balance)$"))
	own := func(key string) float64 {
		t.Helper()
		samples := b.figures[key].Samples[b.peers[0].Name]
		if len(samples) == 0 {
			t.Fatalf("%q: no sample", strings.TrimSpace(key))
		}
		return samples[0]
	}
	for _, exact := range []struct {
		key  string
		want float64
	}{
		{"failed, 2 workers", 0},
		{"lost new", 0},
		{"lost kept", 0},
		{"reloads", float64(tiny.reloads)},
		{"main refused", 0},
		{"main failed", 0},
		{"worker refused", 0},
		{key("TLS 1.2", "before"), 1},
		{key("TLS 1.2", "after"), 1},
		{key("TLS 1.3", "before"), 1},
		{key("TLS 1.3", "after"), 1},
	} {
		if got := own(exact.key); got != exact.want {
			t.Errorf("%q: got %v, want %v", strings.TrimSpace(exact.key), got, exact.want)
		}
	}
	for key, f := range b.figures {
		if strings.Contains(key, "16 workers") || len(f.Samples) > 0 {
			continue
		}
		t.Errorf("%q: nothing was measured", strings.TrimSpace(key))
	}
	for _, key := range []string{"first new, 2 workers", "asked new", "asked kept", "new", "kept", "h2", "worker back", "main back", "memory", key("one", 3), key("peak", 3)} {
		if got := own(key); got <= 0 {
			t.Errorf("%q: got %v, want more than 0", strings.TrimSpace(key), got)
		}
	}
	if got := b.figures["lost new"].Samples["net/http"]; len(got) != 1 || got[0] == 0 {
		t.Errorf("lost by a server that is restarted: got %v, want some: a count that is always 0 counts nothing", got)
	}
}

func TestABalanceCountsEachConnectionOnce(t *testing.T) {
	t.Parallel()
	s := begin(t, Peers[0], 1, among)
	conns, err := s.client("http/1.1").oneByOne()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, c := range conns {
			c.close()
		}
	}()
	counts, err := s.held(conns)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, n := range counts {
		sum += n
	}
	if len(counts) != among || sum != balanced {
		t.Errorf("connections of the workers: got %v, want %d on %d", counts, balanced, among)
	}
}
