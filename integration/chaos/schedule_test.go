package chaos

import (
	"strings"
	"testing"
	"time"
)

func deal(seed uint64, n int) []Step {
	s := New(seed)
	steps := make([]Step, n)
	for i := range steps {
		steps[i] = s.Next()
	}
	return steps
}

func text(steps []Step) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString(s.String() + "\n")
	}
	return b.String()
}

func TestTheSameSeedDealsTheSameSteps(t *testing.T) {
	t.Parallel()
	a, b, other := deal(7, 500), deal(7, 500), deal(8, 500)
	if text(a) != text(b) {
		t.Errorf("two schedules of one seed differ")
	}
	if text(a) == text(other) {
		t.Errorf("the schedules of two seeds are the same")
	}
}

func TestAStepIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	steps := deal(1, 1000)
	back, err := Parse(strings.ReplaceAll(text(steps), "\n", "; "))
	if err != nil || text(back) != text(steps) || len(back) != len(steps) {
		t.Errorf("%d steps came back as %d, %v", len(steps), len(back), err)
	}
	for n := range min(len(back), len(steps)) {
		if back[n] != steps[n] {
			t.Fatalf("step %+v came back as %+v", steps[n], back[n])
		}
	}
}

func TestAStepThatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, says string }{
		{"kill", "found 1 words"},
		{"kill time", `found "kill" on "time"`},
		{"stop master for=long", "invalid duration"},
		{"scale command count=many", "invalid syntax"},
		{"scale command until=4s", `found "until"`},
	} {
		if _, err := Parse(c.line); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want %q", c.line, err, c.says)
		}
	}
}

func TestEveryFaultHasHadItsTurnAfterThreeDeals(t *testing.T) {
	t.Parallel()
	s := New(3)
	seen := map[string]int{}
	for s.deals < rarely || len(s.hand) > 0 {
		step := s.Next()
		seen[step.Fault+" "+step.On]++
	}
	for _, c := range Deck {
		for _, on := range c.On {
			switch n := seen[c.Fault+" "+on]; {
			case n == 0:
				t.Errorf("%s %s was never dealt", c.Fault, on)
			case !c.Rare && n < rarely:
				t.Errorf("%s %s was dealt %d times, want %d", c.Fault, on, n, rarely)
			}
		}
	}
}

func TestWhatIsDealtLiesWithinItsCard(t *testing.T) {
	t.Parallel()
	within := func(d time.Duration, s Span) bool { return d >= s[0] && d <= s[1] }
	for _, step := range deal(5, 2000) {
		fits := false
		for _, c := range Deck {
			if c.Fault != step.Fault || !within(step.After, c.After) || !within(step.For, c.For) {
				continue
			}
			fits = fits || step.Count >= c.Count[0] && step.Count <= c.Count[1]
		}
		if !fits {
			t.Errorf("step %q fits no card", step)
		}
	}
}
