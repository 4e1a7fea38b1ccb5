package status

import (
	"testing"
	"time"
)

func TestHowNearTheEndIsAFractionOfTheLifetime(t *testing.T) {
	t.Parallel()
	begin := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, lifetime := range []time.Duration{time.Hour, 160 * time.Hour, 90 * 24 * time.Hour} {
		end := begin.Add(lifetime)
		for _, at := range []struct {
			percent int64
			want    int
		}{{0, LeftAmple}, {66, LeftAmple}, {74, LeftAmple}, {76, LeftQuarter}, {89, LeftQuarter}, {91, LeftTenth}, {99, LeftTenth}, {100, LeftNothing}, {150, LeftNothing}} {
			now := begin.Add(lifetime * time.Duration(at.percent) / 100)
			if got := Left(begin, end, end, now); got != at.want {
				t.Errorf("%d %% of %v: got %d, want %d", at.percent, lifetime, got, at.want)
			}
		}
		issuer := begin.Add(lifetime / 2) // ends first
		if got := Left(begin, end, issuer, begin.Add(lifetime*51/100)); got != LeftNothing {
			t.Errorf("chain of %v expired: got %d, want %d", lifetime, got, LeftNothing)
		}
	}
}
