package cert

import (
	"context"
	"slices"
	"time"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
)

const (
	youth       = 2 * time.Second       // files younger than that may have a writer at work
	settleLimit = 10 * time.Second      // of all waits of one Take together
	settlePause = 20 * time.Millisecond // between two looks: writers take 1 to 70 ms
)

// taker is one Take. One goroutine owns it.
type taker struct {
	Request
	now  func() time.Time
	wait func(context.Context, time.Duration) // until the time has passed or the context ends
}

// pair is how far one source has come.
type pair struct {
	candidate *candidate
	verdict   verdict
	settled   bool // no other look would change the verdict
	read      bool // there was a look before
}

// settle looks at every pair until each is settled, one is refused for good, or
// the time is up: all or nothing, so one refusal decides for all.
func (t *taker) settle(ctx context.Context) []*pair {
	pairs := make([]*pair, len(t.Sources))
	for i := range pairs {
		pairs[i] = &pair{}
	}
	began := t.now()
	for {
		open, refused := false, false
		for i, p := range pairs {
			if !p.settled {
				t.look(ctx, i, p)
			}
			open = open || !p.settled
			refused = refused || p.settled && p.verdict.refused
		}
		if !open || refused || ctx.Err() != nil || t.now().Sub(began) >= settleLimit {
			return pairs
		}
		t.wait(ctx, settlePause)
	}
}

// look reads the pair of source i once and judges it, within cryptoLimit.
func (t *taker) look(ctx context.Context, i int, p *pair) {
	ctx, cancel := context.WithTimeout(ctx, cryptoLimit)
	defer cancel()
	source := t.Sources[i]
	now := t.now()
	var c *candidate
	if len(source.SelfSigned) > 0 {
		c = invent(ctx, source.SelfSigned, now)
	} else {
		c = inspect(ctx, read(source.CertFile, source.KeyFile))
	}
	c.source, c.now, c.minimum = source, now, t.MinVersion
	c.name = c.nameFor()
	c.served = t.servedBy(i, c)

	moving := c.young(now, youth) || p.read && !c.same(p.candidate.snapshot)
	for _, f := range c.files() {
		moving = moving || f.err == errUnstable
	}
	p.candidate, p.read = c, true
	p.verdict = judge(ctx, c, t.Moved, t.Allow)
	p.settled = p.verdict.final || !p.verdict.torn || !moving
}

// servedBy returns what c, made from source i, would replace: the certificate
// of the same name, at the same place if several bear it. A name taken from the
// leaf changes with the leaf; then it is the one that shares a name with it, or
// the one at its place.
func (t *taker) servedBy(i int, c *candidate) *status.Certificate {
	if i < len(t.Served) && t.Served[i].Name == c.name {
		return &t.Served[i]
	}
	for j := range t.Served {
		if t.Served[j].Name == c.name {
			return &t.Served[j]
		}
	}
	if named(c.source) || c.leaf() == nil {
		return nil
	}
	borne := bears(c.leaf())
	for j := range t.Served {
		if slices.ContainsFunc(t.Served[j].Names, borne.covers) {
			return &t.Served[j]
		}
	}
	if len(t.Served) == len(t.Sources) {
		return &t.Served[i] // all names have changed: the place is what is left
	}
	return nil
}

// named says whether the configuration itself says what the certificate is called.
func named(source config.Certificate) bool { return source.Name != "" || len(source.ServerNames) > 0 }

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
