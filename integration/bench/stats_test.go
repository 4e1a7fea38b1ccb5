package bench

import (
	"slices"
	"testing"
)

func TestTheMedianOfAnEvenNumberIsBetweenTheMiddleTwo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		samples []float64
		want    float64
	}{{[]float64{7}, 7}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 9}, 3}, {[]float64{0, 0}, 0}} {
		given := slices.Clone(c.samples)
		if got := median(c.samples); got != c.want {
			t.Errorf("median of %v: got %v, want %v", c.samples, got, c.want)
		}
		if !slices.Equal(given, c.samples) {
			t.Errorf("the rounds were put in another order: %v, want %v", c.samples, given)
		}
	}
}

func TestTheSpreadIsTheLeastAndTheMost(t *testing.T) {
	t.Parallel()
	f := &Figure{Samples: map[string][]float64{"a": {3, 10, 1}, "none": {}}}
	if got, want := f.Of("a"), (Spread{Median: 3, Least: 1, Most: 10, Rounds: 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, peer := range []string{"none", "unknown"} {
		if got := f.Of(peer); got != (Spread{}) {
			t.Errorf("%s: got %+v, want nothing", peer, got)
		}
	}
}

func TestTheRatioIsFormedInEachRoundSoThatDriftCancels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		ours, other []float64
		want        float64
		none        bool
	}{
		// The machine grew slower: the medians' ratio would be 20/100.
		{"drift", []float64{10, 20, 100}, []float64{20, 40, 200}, 0.5, false},
		{"drift, other order", []float64{100, 10, 20}, []float64{200, 20, 40}, 0.5, false},
		{"a round that was disturbed", []float64{10, 10, 90}, []float64{20, 20, 20}, 0.5, false},
		{"counts differ", []float64{10, 20}, []float64{30}, 0.5, false},
		{"a round of zero", []float64{10, 20, 30}, []float64{0, 40, 50}, 0.5, false},
		{"nothing but zero", []float64{10, 20}, []float64{0, 0}, 0, true},
		{"nobody", []float64{10, 20}, nil, 0, true},
		{"not measured", nil, []float64{1}, 0, true},
	} {
		f := &Figure{Against: "other", Samples: map[string][]float64{"ours": c.ours, "other": c.other}}
		if got, ok := f.Ratio("ours"); got != c.want || ok == c.none {
			t.Errorf("%s: got %v, %v, want %v, %v", c.name, got, ok, c.want, !c.none)
		}
	}
	if _, ok := (&Figure{Samples: map[string][]float64{"": {1}}}).Ratio(""); ok {
		t.Error("got a ratio to nobody")
	}
}

func TestAGoalIsMetMissedOrUnknown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		figure Figure
		ours   []float64
		want   Verdict
	}{
		{"less, at the bound", Figure{Goal: "g", Bound: 2}, []float64{2, 2, 9}, Met},
		{"less, above it", Figure{Goal: "g", Bound: 2}, []float64{1, 2.1, 9}, Missed},
		{"more, at the bound", Figure{Goal: "g", Bound: 2, More: true}, []float64{1, 2, 2}, Met},
		{"more, below it", Figure{Goal: "g", Bound: 2, More: true}, []float64{1, 1.9, 3}, Missed},
		{"never, and it was", Figure{Goal: "g", Every: true}, []float64{0, 0, 1}, Missed},
		{"never, and it was not", Figure{Goal: "g", Every: true}, []float64{0, 0, 0}, Met},
		{"always more", Figure{Goal: "g", Every: true, More: true, Bound: 1}, []float64{2, 2, 0.5}, Missed},
		{"ratio", Figure{Goal: "g", OfRatio: true, Bound: 0.5, Against: "x"}, []float64{5, 5, 5}, Met},
		{"ratio, missed", Figure{Goal: "g", OfRatio: true, Bound: 0.4, Against: "x"}, []float64{5, 5, 5}, Missed},
		{"ratio of every round", Figure{Goal: "g", OfRatio: true, Every: true, Bound: 0.5, Against: "x"}, []float64{5, 5, 6}, Missed},
		{"ratio to nobody", Figure{Goal: "g", OfRatio: true, Bound: 0.5, Against: "y"}, []float64{5}, Unknown},
		{"not measured", Figure{Goal: "g", Bound: 0.5}, nil, Unknown},
		{"no goal", Figure{Bound: 0.5}, []float64{1}, Unknown},
	} {
		c.figure.Samples = map[string][]float64{"handover": c.ours, "x": {10, 10, 10}}
		if got := c.figure.Verdict(); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestNumbersHaveThreeDigitsAndWholeOnesAllOfThem(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{
		0: "0", 1: "1", 12.345: "12.3", 1.2345: "1.23", 0.43: "0.43", 0.01234: "0.0123", 0.001: "0.001",
		100: "100", 90951: "90951", 2433.4: "2433", 1e6: "1000000", 1e9: "1e+09", 0.0001: "0.0001", -2.5: "-2.5", 10: "10", 99.96: "100",
	} {
		if got := number(v); got != want {
			t.Errorf("%v: got %q, want %q", v, got, want)
		}
	}
}
