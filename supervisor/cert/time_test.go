package cert

import (
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
)

// living issues a pair that is valid from began ago until left from now, both
// counted from the hour later at which it is judged.
func (a *authority) living(began, left time.Duration) input {
	now := time.Now().Add(time.Hour)
	i := a.edited(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(-began), now.Add(left) })
	i.at = now
	return i
}

func TestTimesAreHeldAgainstTheLifetime(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	old := newAuthority(t)
	old.outlive(t, 3000*day)
	now := time.Now().Add(time.Hour)
	ends := func(d time.Duration) status.Certificate { return status.Certificate{NotAfter: now.Add(d)} }
	inputs(t, []input{
		a.living(time.Hour, time.Hour).named("in its life"),
		a.living(2*time.Hour, -time.Minute).named("expired", "time.expired").saying("s ago"),
		a.living(-time.Hour, 2*time.Hour).named("not yet", "time.not_yet").saying("from now"),
		a.living(-2*time.Hour, time.Hour).named("both ends in the future, the wrong way", "time.inverted", "time.not_yet"),
		a.living(time.Hour, -2*time.Hour).named("both ends in the past, the wrong way", "time.inverted", "time.expired"),
		a.living(6*day, 14*time.Hour).named("six days, less than a tenth left", "time.remaining").saying("expected at least"),
		a.living(6*day, 17*time.Hour).named("six days, just more than a tenth left"),
		a.living(9*day+12*time.Hour, 23*time.Hour).named("ten days, less than one left", "time.remaining"),
		a.living(10*day, 27*time.Hour).named("ten days, more than one left"),
		old.living(81*day+time.Hour, 9*day-2*time.Hour).named("ninety days, less than a tenth left", "time.remaining"),
		old.living(80*day, 10*day).named("ninety days, more than a tenth left"),
		old.living(time.Hour, 398*day-time.Hour).named("as long as browsers accept"),
		old.living(time.Hour, 398*day).named("longer", "time.long_lived"),
		a.living(day, 9*time.Hour).against(ends(10*time.Hour)).named("ends before what is served", "time.remaining").saying("what is served now"),
		a.living(day, 9*time.Hour).against(ends(8 * time.Hour)).named("ends after what is served"),
		a.living(day, 9*time.Hour).against(status.Certificate{NotAfter: now.Add(day), SelfSigned: true}).named("ends before one made on the spot"),
		a.living(day, 9*time.Hour).against(status.Certificate{NotBefore: now.Add(time.Minute)}).named("clock behind what is served", "clock.sane"),
		a.living(day, 9*time.Hour).against(status.Certificate{NotBefore: now.Add(-time.Minute)}).named("clock ahead of what is served"),
	})
}

// outlive gives the authority an intermediate and a root that live for d.
func (a *authority) outlive(t *testing.T, d time.Duration) {
	t.Helper()
	for _, c := range []**x509.Certificate{&a.root, &a.intermediate} {
		template := **c
		template.NotAfter, template.NotBefore = time.Now().Add(d), time.Now().Add(-1000*day)
		*c = a.sign(&template, a.root, template.PublicKey, a.rootKey)
	}
}

func TestAClockBeforeTheMakingOfTheProgramIsWarnedOf(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for built, want := range map[time.Time]int{now.Add(time.Minute): 1, now.Add(-time.Minute): 0, {}: 0} {
		if found := clockAfter(&candidate{now: now}, built); len(found) != want {
			t.Errorf("built %v, now %v: found %+v; want %d", built, now, found, want)
		}
	}
}

func TestARefusalByTimeAloneIsDeferred(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	soon, later1 := time.Now().Add(3*time.Hour).Truncate(time.Second), time.Now().Add(5*time.Hour).Truncate(time.Second)
	pair := func(from time.Time, life time.Duration) config.Certificate {
		i := a.edited(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, from.Add(life) })
		return pairIn(t, i.cert, i.key)
	}
	lost := pair(soon, day)
	lost.ServerNames = []string{"missing.example.org"}
	good := pair(time.Now().Add(-time.Hour), day)
	for _, s := range []struct {
		name    string
		sources []config.Certificate
		moved   string
		want    time.Time // zero: not deferred
	}{
		{"a day", []config.Certificate{pair(soon, 1000*time.Second)}, "", soon.Add(time.Second)},
		{"ten days: a minute at most", []config.Certificate{pair(soon, 10*day)}, "", soon.Add(time.Minute)},
		{"the later of two, beside a good one", []config.Certificate{pair(soon, day), good, pair(later1, 10*day)}, "", later1.Add(time.Minute)},
		{"a name is missing too", []config.Certificate{lost}, "", time.Time{}},
		{"moved", []config.Certificate{lost}, warn, time.Time{}},
	} {
		r := Request{Sources: s.sources, TLS: config.TLS{Checks: map[string]string{}}}
		if s.moved != "" {
			r.TLS.Checks["time.not_yet"] = s.moved
		}
		_, _, err := Take(t.Context(), r)
		var refusal *Refusal
		if !errors.As(err, &refusal) {
			t.Fatalf("%s: got %v; want a refusal", s.name, err)
		}
		if at, ok := refusal.Deferred(); !at.Equal(s.want) || ok == s.want.IsZero() {
			t.Errorf("%s: deferred to %v (%v); want %v", s.name, at, ok, s.want)
		}
	}
}

func TestARefusalWithoutATimeIsNotDeferred(t *testing.T) {
	t.Parallel()
	for _, r := range []Refusal{{}, {[]status.Check{{Name: "time.not_yet", Severity: refuse}}}} {
		if at, ok := r.Deferred(); ok {
			t.Errorf("%+v is deferred to %v; want it not to be", r, at)
		}
	}
}
