package cert

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
)

// Request says what to take, and what to hold it against.
type Request struct {
	Sources []config.Certificate
	TLS     config.TLS
	Served  []status.Certificate // what is served now; nil at a first start
	Known   *Bundle              // pairs that need not be proven again if their bytes are the same, open until Take returns; nil: none
	Held    map[string]Held      // by certificate name: what to take instead of the files
	Worker  int                  // uid that workers run as; the master's own if the config does not say
	Allow   []string             // checks that only warn, this once
}

// Held has a pair taken from another file for as long as its own have not
// changed: it was rolled back to. If they could not be read then, that is for as
// long as they cannot.
type Held struct {
	Digest string `json:"digest"` // of both files as they were then, lower-case hex; empty: they could not be read
	File   string `json:"file"`   // holds chain and key
}

// Refusal is the error of a Take that the checks refused.
type Refusal struct {
	Checks []status.Check // every finding, those that do not refuse included
}

// First returns the finding that gives the outcome its name.
func (r *Refusal) First() status.Check {
	for _, c := range r.Checks {
		if c.Severity == refuse {
			return c
		}
	}
	return status.Check{}
}

// Error names the certificate, what is wrong with it, and the check.
func (r *Refusal) Error() string {
	c := r.First()
	return fmt.Sprintf("certificate %q: %s (%s)", c.Certificate, c.Message, c.Name)
}

// Take reads, settles and checks every source and returns the bundle of all of
// them, or a *Refusal and no bundle. The findings are returned in both cases.
// Any other error means that the request itself is wrong or that ctx ended.
func Take(ctx context.Context, r Request) (*Bundle, []status.Check, error) {
	t := &taker{Request: r, now: time.Now, wait: pause}
	return t.take(ctx)
}

func (t *taker) take(ctx context.Context) (*Bundle, []status.Check, error) {
	if err := CheckNames(t.TLS.Checks); err != nil {
		return nil, nil, err
	}
	if err := CheckAllow(t.Allow); err != nil {
		return nil, nil, err
	}
	t.prover = prover(t.TLS)
	t.known = knowing(t.Known, t.prover)
	t.served = indexServed(t.Served)
	pairs := t.settle(ctx)
	var list []*accepted
	var authorities [][]byte
	notes := bundleNotes{Prover: t.prover}
	v := verdict{checks: []status.Check{}}
	for _, p := range pairs {
		v.checks = append(v.checks, p.verdict.checks...)
		v.hushed += p.verdict.hushed
		v.refused = v.refused || p.verdict.refused
		switch {
		case p.accepted == nil:
		case p.authorities():
			authorities = p.accepted.chain
		case isTicketKeys(p.source):
			notes.TicketKeys = p.accepted.chain
		default:
			list = append(list, p.accepted)
		}
	}
	if !v.refused && len(authorities) > 0 && len(list) > 0 {
		for _, p := range t.proveAuthorities(ctx, list[0], authorities) {
			v.add("proof.handshake", refuse, nameAuthorities, p)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, v.limited(), fmt.Errorf("take certificates: %w", err)
	}
	all := t.choose(list, &v)
	v.checks = v.limited()
	if v.refused {
		return nil, v.checks, &Refusal{Checks: v.checks}
	}
	bundle, err := seal(list, all, authorities, notes)
	runtime.KeepAlive(t.Known) // in whose mapping pairs of the list may lie
	return bundle, v.checks, err
}

// choose says which pairs serve each name, and adds what there is to say of
// those that are for one name.
func (t *taker) choose(list []*accepted, v *verdict) []wire.Host {
	now := t.now()
	all := hosts(list, now)
	severity := row("name.duplicate").weigh(t.TLS.Checks, t.Allow)
	if severity == off {
		return all
	}
	found := duplicates(list, all, now)
	for i, a := range list {
		for _, p := range found[i] {
			v.add("name.duplicate", severity, a.Name, p)
		}
	}
	return all
}
