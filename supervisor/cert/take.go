package cert

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
)

// Request says what to take, and what to hold it against.
type Request struct {
	Sources    []config.Certificate
	MinVersion uint16               // of TLS, that workers speak; 0: 1.2
	Served     []status.Certificate // what is served now; nil at a first start
	Moved      map[string]string    // [tls.checks]: check to refuse, warn or off
	Allow      []string             // checks that only warn, this once
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
	t := taker{Request: r, now: time.Now, wait: pause}
	return t.take(ctx)
}

func (t *taker) take(ctx context.Context) (*Bundle, []status.Check, error) {
	if err := CheckNames(t.Moved); err != nil {
		return nil, nil, err
	}
	if err := CheckAllow(t.Allow); err != nil {
		return nil, nil, err
	}
	if t.MinVersion == 0 {
		t.MinVersion = tls.VersionTLS12
	}
	pairs := t.settle(ctx)
	bundle := &Bundle{}
	checks := []status.Check{}
	refused := false
	for _, p := range pairs {
		checks = append(checks, p.verdict.checks...)
		refused = refused || p.verdict.refused
	}
	if err := ctx.Err(); err != nil {
		return nil, checks, fmt.Errorf("take certificates: %w", err)
	}
	if refused {
		return nil, checks, &Refusal{Checks: checks}
	}
	for _, p := range pairs {
		c := p.candidate
		bundle.Certificates = append(bundle.Certificates, newCertificate(c.name, c.parsed, c.chain, c.pkcs8))
	}
	return bundle, checks, nil
}
