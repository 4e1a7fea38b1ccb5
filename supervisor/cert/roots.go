package cert

import (
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"example.com/handover/supervisor/config"
)

// verifies says whether chains must lead to a root.
func verifies(t config.TLS) bool { return t.Verify != "" && t.Verify != "off" }

// roots are those that chains must lead to, read at most once. It is safe for
// use by several goroutines.
type roots struct {
	once sync.Once
	pool *x509.CertPool
	err  error
}

// of returns the roots that verify names: the system's, unless it is a file.
func (r *roots) of(verify string) (*x509.CertPool, error) {
	r.once.Do(func() {
		if verify == "" || verify == "off" || verify == "system" {
			r.pool, r.err = x509.SystemCertPool()
			return
		}
		r.pool, r.err = rootsIn(verify)
	})
	return r.pool, r.err
}

// rootsError is what is wrong with the roots and not with the chain.
type rootsError struct{ file, message string }

func (e *rootsError) Error() string { return e.message }

// rootsIn reads a file of roots as carefully as one of certificates.
func rootsIn(path string) (*x509.CertPool, error) {
	f := read(path, path).cert
	wrong := func(format string, args ...any) error {
		return &rootsError{f.path, fmt.Sprintf("the roots in %q ", f.path) + fmt.Sprintf(format, args...)}
	}
	if f.err != nil {
		return nil, wrong("cannot be read: %.300q", f.err.Error())
	}
	b := walk(f.data)
	list := b.certificates()
	switch {
	case !b.whole() || b.foreign() != nil:
		return nil, wrong("are damaged: only %d of %d blocks can be used", len(list), max(b.begins, b.ends))
	case len(list) == 0:
		return nil, wrong("are none: there is no certificate in PEM")
	}
	pool := x509.NewCertPool()
	for i, der := range list {
		root, err := parseCertificate(der)
		if err != nil {
			return nil, wrong("cannot be parsed: certificate %d of %d: %.300q", i+1, len(list), err.Error())
		}
		pool.AddCert(root)
	}
	return pool, nil
}

// trust verifies the chain as a client would, now and a day later, and returns
// the moment at which that fails. What the leaf's own time says is left to other
// checks: it is verified within that.
func (c *candidate) trust() (time.Time, error) {
	from := c.roots
	if from == nil {
		from = &roots{}
	}
	pool, err := from.of(c.tls.Verify)
	if err != nil {
		return c.now, err
	}
	between := x509.NewCertPool()
	for _, link := range c.parsed[1:] {
		between.AddCert(link)
	}
	leaf := c.parsed[0]
	for _, at := range []time.Time{c.now, c.now.Add(day)} {
		if at.After(leaf.NotAfter) {
			at = leaf.NotAfter
		}
		if at.Before(leaf.NotBefore) {
			at = leaf.NotBefore
		}
		// Without KeyUsages this asks for serverAuth.
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, Intermediates: between, CurrentTime: at}); err != nil {
			return at, err
		}
	}
	return c.now, nil
}

func chainUntrusted(c *candidate) []problem {
	if c.descended() == nil || len(c.source.SelfSigned) > 0 {
		return nil
	}
	at, err := c.trust()
	if err == nil {
		return nil
	}
	var wrong *rootsError
	if errors.As(err, &wrong) {
		return []problem{{
			file: wrong.file, message: wrong.message,
			hint: "verify under [tls] must be off, system, or name a file with the certificates of roots in PEM",
		}}
	}
	where := "the system's roots"
	if verifies(c.tls) && c.tls.Verify != "system" {
		where = fmt.Sprintf("the roots in %q", c.tls.Verify)
	}
	return c.found(fmt.Sprintf("clients that trust %s refuse %s at %s: %.300q", where, c.subject(), moment(at), err.Error()),
		"certfile must hold all intermediates (certbot: fullchain.pem); for a private authority let verify under [tls] name the file with its root")
}
