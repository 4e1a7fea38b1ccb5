package master

import (
	"testing"
	"time"

	"example.com/handover/supervisor/cert"
)

func TestHowNearTheEndIsAFractionOfTheLifetime(t *testing.T) {
	t.Parallel()
	begin := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, lifetime := range []time.Duration{time.Hour, 160 * time.Hour, 90 * 24 * time.Hour} {
		c := cert.Certificate{NotBefore: begin, NotAfter: begin.Add(lifetime), ChainNotAfter: begin.Add(lifetime)}
		for _, at := range []struct {
			percent int64
			want    int
		}{{0, far}, {66, far}, {74, far}, {76, near}, {89, near}, {91, last}, {99, last}, {100, over}, {150, over}} {
			now := begin.Add(lifetime * time.Duration(at.percent) / 100)
			if got := nearness(c, now); got != at.want {
				t.Errorf("%d %% of %v: got %d, want %d", at.percent, lifetime, got, at.want)
			}
		}
		c.ChainNotAfter = begin.Add(lifetime / 2) // an issuer that ends first
		if got := nearness(c, begin.Add(lifetime*51/100)); got != over {
			t.Errorf("chain of %v expired: got %d, want %d", lifetime, got, over)
		}
	}
}
