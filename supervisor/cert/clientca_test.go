package cert

import (
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/config"
)

// manyAuthorities is a file of n authorities whose names have some 500 bytes.
func (a *authority) manyAuthorities(n int) []byte {
	a.t.Helper()
	key := ecdsaKey(a.t, elliptic.P256())
	var all []byte
	for i := range n {
		all = append(all, certPEM(a.sign(&x509.Certificate{
			IsCA: true, Subject: pkix.Name{CommonName: fmt.Sprintf("%d %s", i, strings.Repeat("x", 480))},
		}, nil, key.Public(), key))...)
	}
	return all
}

func TestAuthoritiesWhoseNamesFillMoreThanOneMessageAreRefused(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	source := pairIn(t, chain, key)
	one := a.manyAuthorities(1)
	for _, s := range []struct {
		name  string
		file  []byte
		allow []string
		want  []string
	}{
		{"few", a.manyAuthorities(100), nil, nil},
		{"too many", a.manyAuthorities(140), nil, []string{"chain.message_too_large"}},
		{"too many, allowed", a.manyAuthorities(140), []string{"chain.message_too_large"}, []string{"chain.message_too_large"}},
		{"one many times", []byte(strings.Repeat(string(one), 140)), nil, nil},
	} {
		path := t.TempDir() + "/ca.pem"
		write(t, path, s.file)
		r := Request{Sources: []config.Certificate{source}, TLS: config.TLS{ClientCA: path}, Allow: s.allow}
		b, checks, err := later(t, r).take(t.Context())
		t.Log(s.name)
		verify(t, b, checks, err, s.want, "fewer authorities")
		for _, c := range checks {
			if c.Certificate != nameAuthorities || c.File != path {
				t.Errorf("%s: found %+v; want it about %s", s.name, c, nameAuthorities)
			}
		}
	}
}

// The standard library writes names in time that grows with the square of their
// number of attributes.
func TestAuthoritiesWithNamesOfThousandsOfPartsAreJudgedQuickly(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	var name pkix.Name
	for range 20_000 {
		name.ExtraNames = append(name.ExtraNames, pkix.AttributeTypeAndValue{Type: []int{2, 5, 4, 11}, Value: "x"})
	}
	key := ecdsaKey(t, elliptic.P256())
	c := &candidate{now: time.Now(), snapshot: snapshot{cert: &file{path: "/ca.pem"}}}
	for _, ca := range []bool{true, false} {
		c.parsed = append(c.parsed, a.sign(&x509.Certificate{Subject: name, IsCA: ca, NotAfter: time.Now().Add(-time.Minute)}, nil, key.Public(), key))
	}
	c.parsed = append(c.parsed, a.root)
	c.chain = make([][]byte, len(c.parsed))
	began := time.Now()
	for _, look := range []func(*candidate) []problem{authorityNotCA, authorityExpired} {
		found := look(c)
		if len(found) == 0 || len(found[0].message) > 1000 {
			t.Errorf("found %+v; want some, of bounded length", found)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v; want less than %v", took, time.Second)
	}
}

func TestAServerThatCannotAskForCertificatesOfClientsIsNotTaken(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	source := pairIn(t, chain, key)
	c := inspect(t.Context(), read(source.CertFile, source.KeyFile))
	c.name, c.source = "x", source
	first := accept(c, verdict{})
	for n, fails := range map[int]bool{1: false, 100: false, 140: true} {
		path := t.TempDir() + "/ca.pem"
		write(t, path, a.manyAuthorities(n))
		var authorities [][]byte
		for _, b := range walk(a.manyAuthorities(n)).all {
			authorities = append(authorities, b.Bytes)
		}
		r := &taker{Request: Request{TLS: config.TLS{ClientCA: path}}}
		for _, version := range []string{"1.2", "1.3"} {
			r.TLS.MinVersion = version
			found := r.proveAuthorities(t.Context(), first, authorities)
			if got := len(found) > 0; got != fails {
				t.Errorf("%d authorities, from TLS %s: found %+v; want some %v", n, version, found, fails)
			}
		}
	}
}
