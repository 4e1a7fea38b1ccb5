package cert

import (
	"crypto/elliptic"
	"testing"
	"time"

	"example.com/handover/supervisor/status"
)

func TestWhatChangesIsSaid(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	key := ecdsaKey(t, elliptic.P256())
	leaf := a.leaf(key, nil)
	der := [][]byte{leaf.Raw, a.intermediate.Raw}
	same := status.Certificate{
		Fingerprint: digestOf(leaf.Raw), ChainSHA256: digestOf(der...), KeySHA256: digestOf(leaf.RawSubjectPublicKeyInfo), ChainLength: 2,
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, Issuer: distinguished(leaf.Issuer), Names: names(leaf),
	}
	change := func(edit func(*status.Certificate)) status.Certificate {
		c := same
		edit(&c)
		return c
	}
	pair := input{cert: join(certPEM(leaf), certPEM(a.intermediate)), key: keyPEM(t, key)}
	longer := pair
	longer.cert = join(pair.cert, certPEM(a.root))
	text := pair
	text.cert = join([]byte("a comment\n"), pair.cert)
	other := digestOf(der[1:]...)
	days := func(n time.Duration) func(*status.Certificate) {
		return func(c *status.Certificate) {
			c.Fingerprint, c.KeySHA256 = other, other
			c.NotBefore, c.NotAfter = c.NotBefore.Add(n*time.Minute), c.NotAfter.Add(n*time.Minute)
		}
	}
	inputs(t, []input{
		pair.named("first start"),
		pair.against(same).named("the same", "change.none"),
		text.against(same).named("the same in other words", "change.none"),
		longer.against(same).named("another chain", "chain.root_included", "change.chain_only"),
		pair.against(change(func(c *status.Certificate) { c.Fingerprint = other })).named("another leaf, the same key", "change.key_reused"),
		pair.against(change(days(-1))).named("renewed"),
		pair.against(change(days(1))).named("went back", "time.remaining", "change.older").saying("what is served now"),
		pair.against(change(func(c *status.Certificate) { c.Fingerprint, c.KeySHA256, c.SelfSigned = other, other, true })).named("after one made on the spot"),
		pair.against(status.Certificate{ChainLength: 2}).named("served by a version that noted less"),
	})
}
