package cert

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"example.com/handover/supervisor/config"
)

const (
	youth       = 2 * time.Second       // files younger than that may have a writer at work
	settleLimit = 10 * time.Second      // of all waits of one Take together
	settlePause = 20 * time.Millisecond // between two looks: writers take 1 to 70 ms
)

// taker is one Take. One goroutine owns it; while pairs are looked at, several
// read it.
type taker struct {
	Request
	now  func() time.Time
	wait func(context.Context, time.Duration) // until the time has passed or the context ends

	prover string         // what a bundle must note for its pairs to be known
	known  map[string]int // indexes into Request.Known by digest
	served servedIndex
	roots  roots // read once for all pairs
}

// pair is how far one source has come: a pair, a folder without any, the
// authorities of clients' certificates, or the session ticket keys. Of what it was judged by only that stays
// which is still needed: there may be thousands.
type pair struct {
	source   config.Certificate
	last     snapshot // without the bytes
	verdict  verdict
	settled  bool      // no other look would change the verdict
	read     bool      // there was a look before
	names    []string  // the leaf's
	accepted *accepted // if not refused
}

// round is one look at everything that is not settled yet. What it remembers of
// the disk ends with it.
type round struct {
	folders *folders
	share   *share
	infos   atomic.Int64 // that were found in settled pairs
	stuck   atomic.Bool  // a judgement came to no end: the next would not either
}

// settle looks at every pair until each is settled, one is refused for good, or
// the time is up: all or nothing, so one refusal decides for all. A folder is
// listed at each look, for pairs come and go while it is written.
func (t *taker) settle(ctx context.Context) []*pair {
	began := t.now()
	var pairs []*pair
	shared := newShare()
	for {
		pairs = t.expand(pairs)
		t.look(ctx, pairs, shared)
		all := append(slices.Clip(pairs), t.missed(pairs)...)
		open, refused := false, false
		for _, p := range all {
			open = open || !p.settled
			refused = refused || p.settled && p.verdict.refused
		}
		if !open || refused || ctx.Err() != nil || t.now().Sub(began) >= settleLimit {
			return all
		}
		t.wait(ctx, settlePause)
	}
}

// origin tells sources apart from one look to the next.
type origin struct{ name, dir, cert, key string }

// expand returns what there is to take now: those that were there before as far
// as they have come.
func (t *taker) expand(before []*pair) []*pair {
	of := func(p *pair) origin { return origin{p.source.Name, p.source.Dir, p.source.CertFile, p.source.KeyFile} }
	there := map[origin][]*pair{}
	for _, p := range before { // none at the first look
		there[of(p)] = append(there[of(p)], p)
	}
	sources := Expand(t.Sources)
	if t.TLS.ClientCA != "" {
		sources = append(sources, config.Certificate{Name: nameAuthorities, CertFile: t.TLS.ClientCA})
	}
	if t.TLS.TicketKeys != "" {
		sources = append(sources, config.Certificate{Name: nameTicketKeys, KeyFile: t.TLS.TicketKeys})
	}
	pairs := make([]*pair, len(sources))
	for i, source := range sources {
		p := &pair{source: source}
		if same := there[of(p)]; len(same) > 0 {
			p, there[of(p)] = same[0], same[1:]
		}
		pairs[i] = p
	}
	return pairs
}

// look looks once at every pair that is not settled, in parallel.
func (t *taker) look(ctx context.Context, pairs []*pair, shared *share) {
	n := len(pairs) // without what is no pair, which stands last: see expand
	for n > 0 && (pairs[n-1].authorities() || isTicketKeys(pairs[n-1].source)) {
		n--
	}
	r := &round{folders: newFolders(), share: shared}
	defer r.folders.close()
	for _, p := range pairs {
		if p.settled {
			r.infos.Add(int64(p.verdict.infos()))
		}
	}
	each(len(pairs), func(i int) {
		p := pairs[i]
		if p.settled || r.stuck.Load() || ctx.Err() != nil {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, cryptoLimit)
		defer cancel()
		switch {
		case p.source.Dir != "" && p.source.CertFile == "":
			t.lookFolder(p)
		case p.authorities():
			t.lookAuthorities(ctx, r, p)
		case isTicketKeys(p.source):
			t.lookTicketKeys(ctx, r, p)
		default:
			t.lookPair(ctx, r, p, i, n)
		}
		if p.verdict.stuck {
			r.stuck.Store(true)
		}
	})
}

// authorities says whether p is those of clients' certificates: of a pair both
// files are named.
func (p *pair) authorities() bool { return p.source.CertFile != "" && p.source.KeyFile == "" }

// lookPair reads pair i of n once and judges it.
func (t *taker) lookPair(ctx context.Context, r *round, p *pair, i, n int) {
	now := t.now()
	c := t.candidate(ctx, r, p.source, now)
	c.source = p.source
	c.name = c.nameFor()
	if c.digest == "" && !named(c.source) {
		c.name = t.served.called(c) // what it was called when it could be read
	}
	// Without a digest it is held for as long as the files cannot be read.
	if held, ok := t.Held[c.name]; ok && c.cert != nil && held.Digest == c.digest {
		c = release(ctx, c, held)
	}
	c.now, c.minimum = now, t.TLS.Version()
	c.tls, c.worker, c.roots = t.TLS, t.Worker, &t.roots
	c.served = t.served.replacedBy(c, i, n)
	p.judged(c, judge(ctx, c, moves(t.TLS), t.Allow), now)
	if p.settled { // else another look decides what is found
		p.verdict.hush(&r.infos)
	}
}

// candidate makes what is to be judged of one source.
func (t *taker) candidate(ctx context.Context, r *round, source config.Certificate, now time.Time) *candidate {
	if len(source.SelfSigned) > 0 {
		return invent(ctx, source.SelfSigned, now)
	}
	s := r.folders.read("certfile", source.CertFile, "keyfile", source.KeyFile)
	digest := s.digest()
	c := (*candidate)(nil)
	if i, ok := t.known[digest]; ok && t.repeatable(source, i) {
		c = t.recall(ctx, r, s, i)
	} else {
		c = r.share.inspect(ctx, s)
	}
	c.digest = digest
	return c
}

// judged notes a verdict on c, and keeps of c what is still needed.
func (p *pair) judged(c *candidate, v verdict, now time.Time) {
	moving := c.young(now, youth) || p.read && !c.same(p.last)
	for _, f := range c.files() {
		moving = moving || f.err == errUnstable
	}
	p.verdict, p.settled = v, v.final || !v.torn || !moving
	p.read, p.names, p.last = true, nil, snapshot{}
	if !p.settled {
		p.last = c.stripped()
	}
	if leaf := c.leaf(); leaf != nil {
		p.names = names(leaf)
	}
	switch {
	case v.refused:
	case p.authorities():
		p.accepted = &accepted{chain: c.chain}
	case isTicketKeys(p.source):
		keys, _ := ticketKeysIn(c.key.data)
		p.accepted = &accepted{chain: keys}
	default:
		p.accepted = accept(c, v)
	}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
