package cert

import (
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

const (
	day = 24 * time.Hour

	// Below a tenth of its life a certificate should have been renewed: tools do
	// that at a third, and at half of a short one.
	remainingPart  = 10
	remainingLeast = day
	shortLife      = 10 * day // one of six days is renewed within its last day, rightly

	publicLife = 398 * day // what browsers accept of public authorities at most

	// Clients' clocks differ from this one.
	skewPart = 1000
	skewMost = time.Minute
)

// correct is the hint where time decides.
func (c *candidate) correct(what string) string {
	return fmt.Sprintf("%s, or correct this machine's clock: it says %s", what, moment(c.now))
}

func timeExpired(c *candidate) []problem {
	leaf := c.server()
	if leaf == nil || !c.now.After(leaf.NotAfter) {
		return nil
	}
	return c.found(fmt.Sprintf("%s expired at %s, %s ago", c.subject(), moment(leaf.NotAfter), c.now.Sub(leaf.NotAfter).Round(time.Second)),
		c.correct("renew it"))
}

func timeNotYet(c *candidate) []problem {
	leaf := c.server()
	if leaf == nil || !c.now.Before(leaf.NotBefore) {
		return nil
	}
	found := c.found(fmt.Sprintf("%s is not valid before %s, %s from now", c.subject(), moment(leaf.NotBefore), leaf.NotBefore.Sub(c.now).Round(time.Second)),
		c.correct("an instance that runs takes it by itself when its time has come"))
	until := leaf.NotBefore.Add(skew(leaf.NotAfter.Sub(leaf.NotBefore)))
	found[0].until = &until
	return found
}

// skew is how long after its NotBefore a certificate is taken, so that clients
// whose clocks are behind accept it too.
func skew(life time.Duration) time.Duration { return min(max(life/skewPart, 0), skewMost) }

func timeInverted(c *candidate) []problem {
	leaf := c.server()
	if leaf == nil || leaf.NotAfter.After(leaf.NotBefore) {
		return nil
	}
	return c.found(fmt.Sprintf("%s ends at %s and begins at %s: it is never valid", c.subject(), moment(leaf.NotAfter), moment(leaf.NotBefore)),
		"have it issued anew: the tool that issued it computes its time wrongly")
}

// timeRemaining is silent on what has expired: that is said already.
func timeRemaining(c *candidate) []problem {
	leaf := c.server()
	if leaf == nil || c.now.After(leaf.NotAfter) || !leaf.NotAfter.After(leaf.NotBefore) || len(c.source.SelfSigned) > 0 {
		return nil
	}
	var found []problem
	life, left := leaf.NotAfter.Sub(leaf.NotBefore), leaf.NotAfter.Sub(c.now)
	least := life / remainingPart
	if life >= shortLife {
		least = max(least, remainingLeast)
	}
	if left < least {
		found = c.found(fmt.Sprintf("%s ends at %s: %s are left of %s, expected at least %s", c.subject(), moment(leaf.NotAfter),
			left.Round(time.Second), life.Round(time.Second), least.Round(time.Second)),
			"renew it now, and find out why the renewal tool has not done so (certbot: certbot renew --dry-run)")
	}
	if before := c.replaced(); before != nil && leaf.NotAfter.Before(before.NotAfter) {
		found = append(found, c.found(fmt.Sprintf("%s ends at %s, what is served now at %s", c.subject(), moment(leaf.NotAfter), moment(before.NotAfter)),
			"if shorter lives are not meant, look whether this is the newest issue")...)
	}
	return found
}

func timeLongLived(c *candidate) []problem {
	leaf := c.server()
	if leaf == nil || leaf.NotAfter.Sub(leaf.NotBefore) <= publicLife {
		return nil
	}
	return c.found(fmt.Sprintf("%s is valid from %s to %s, longer than %d days", c.subject(), moment(leaf.NotBefore), moment(leaf.NotAfter), publicLife/day),
		"browsers refuse that of public authorities; a private one may do so")
}

// built is when this program was built, as far as its maker has noted it.
var built = sync.OnceValue(func() time.Time {
	var at time.Time
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, s := range build.Settings {
			if s.Key == "vcs.time" {
				at, _ = time.Parse(time.RFC3339, s.Value)
			}
		}
	}
	return at
})

func clockSane(c *candidate) []problem { return clockAfter(c, built()) }

// clockAfter finds a clock that stands before something that has happened.
func clockAfter(c *candidate, built time.Time) []problem {
	hint := "set this machine's clock (timedatectl status): every judgement on time depends on it"
	if c.now.Before(built) {
		return c.found(fmt.Sprintf("this machine's clock says %s, but this program was made at %s", moment(c.now), moment(built)), hint)
	}
	if before := c.replaced(); before != nil && c.now.Before(before.NotBefore) {
		return c.found(fmt.Sprintf("this machine's clock says %s, but what is served now is valid from %s", moment(c.now), moment(before.NotBefore)), hint)
	}
	return nil
}
