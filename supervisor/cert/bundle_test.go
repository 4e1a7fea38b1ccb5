package cert

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/config"
)

func TestABundleSurvivesTheTripThroughAMemfd(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	source := pairIn(t, chain, key)
	source.Name = "shop"
	bundle, _, err := Take(t.Context(), Request{Sources: []config.Certificate{source, {SelfSigned: []string{"localhost"}}}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", bundle.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := Open(f)
	if err != nil {
		t.Fatal(err)
	}
	defer decoded.Close()
	if !reflect.DeepEqual(decoded.Certificates, bundle.Certificates) || !decoded.Same(bundle) || !reflect.DeepEqual(decoded.notes, bundle.notes) {
		t.Errorf("decoded %+v; want %+v", decoded.Certificates, bundle.Certificates)
	}
	published := decoded.Published()
	if got := published[0]; got.Name != "shop" || got.ChainLength != 2 || got.Disk != "same" || len(got.Fingerprint) != 64 ||
		!slices.Equal(got.Names, []string{"example.org", "www.example.org"}) {
		t.Errorf("published %+v", got)
	}
}

func TestTheEndOfAChainIsItsEarliest(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	key := ecdsaKey(t, elliptic.P256())
	end := time.Now().Add(1000 * time.Hour).Truncate(time.Second).UTC()
	leaf := a.leaf(key, func(c *x509.Certificate) { c.NotAfter = end })
	bundle, _, err := Take(t.Context(), Request{Sources: []config.Certificate{
		pairIn(t, join(certPEM(leaf), certPEM(a.intermediate)), keyPEM(t, key)),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if c := bundle.Certificates[0]; !c.NotAfter.Equal(end) || !c.ChainNotAfter.Equal(a.intermediate.NotAfter) {
		t.Errorf("ends %v, chain %v; want %v, %v", c.NotAfter, c.ChainNotAfter, end, a.intermediate.NotAfter)
	}
}

func TestDriftComparesContentAndNotTimes(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	sources := []config.Certificate{pairIn(t, chain, key), {SelfSigned: []string{"localhost"}}}
	bundle, _, err := Take(t.Context(), Request{Sources: sources})
	if err != nil {
		t.Fatal(err)
	}
	other, otherKey := a.issue(nil)
	lone := chain[:strings.Index(string(chain), "-----END")+len("-----END CERTIFICATE-----\n")]
	for _, s := range []struct {
		name      string
		cert, key []byte
		want      string
	}{
		{"rewritten", join([]byte("a comment\n"), chain), key, "same"},
		{"renewed", other, otherKey, "changed"},
		{"shorter chain under the same leaf", lone, key, "changed"},
		{"other key", chain, otherKey, "changed"},
		{"empty", nil, key, "unreadable"},
		{"back again", chain, key, "same"},
	} {
		write(t, sources[0].CertFile, s.cert)
		write(t, sources[0].KeyFile, s.key)
		got := Drift(sources, config.TLS{}, bundle)
		if one := got["example.org"]; one.State != s.want || (one.OnDisk != nil) != (s.want == DiskChanged) || got["localhost"].State != DiskSame {
			t.Errorf("%s: got %+v; want %s", s.name, got, s.want)
		}
	}
	if err := os.Remove(sources[0].KeyFile); err != nil {
		t.Fatal(err)
	}
	if got := Drift(sources, config.TLS{}, bundle)["example.org"].State; got != DiskUnreadable {
		t.Errorf("missing: got %q; want %q", got, DiskUnreadable)
	}
}

func FuzzPEM(f *testing.F) {
	a := newAuthority(f)
	chain, key := a.issue(nil)
	f.Add(chain, key)
	f.Add(chain[:300], join(chain, key))
	f.Add([]byte("<html>"), []byte{0x30, 0x82, 0, 1, 2})
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		b := walk(cert)
		if len(b.all) > b.begins || len(b.all) > b.ends {
			t.Fatalf("%d blocks of %d beginnings and %d ends", len(b.all), b.begins, b.ends)
		}
		if bytes.Count(b.rest, []byte(beginMark)) > b.begins {
			t.Fatal("more marks at the end than in the whole")
		}
		c := inspect(t.Context(), snapshot{cert: &file{data: cert}, key: &file{data: key}})
		c.name, c.now = "fuzz", time.Now()
		everyCheck(t, c)
		if c.leaf() != nil && c.signer != nil && c.fits() >= 0 {
			return // proofs are random: what they cover would lead the fuzzer astray
		}
		if v := judge(t.Context(), c, nil, nil); !v.refused {
			t.Fatalf("took what is no pair: %+v", v)
		}
	})
}
