package cert

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/config"
)

func TestOfTwoPairsForOneNameTheLaterEndWinsAndKindsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pair := func(key crypto.Signer, hours int, names ...string) config.Certificate {
		leaf := a.leaf(key, func(c *x509.Certificate) {
			forNames(names...)(c)
			c.NotBefore = time.Now().Add(-100 * time.Hour)
			c.NotAfter = time.Now().Add(time.Duration(hours) * time.Hour)
		})
		return pairIn(t, join(certPEM(leaf), certPEM(a.intermediate)), keyPEM(t, key))
	}
	ec := func() crypto.Signer { return ecdsaKey(t, elliptic.P256()) }
	r := Request{Sources: []config.Certificate{
		pair(ec(), 10, "Example.org", "one.example.org", "one.example.org"),
		pair(rsaKey, 5, "example.org"),
		pair(ec(), 30, "example.org", "*.example.org"),
		pair(ec(), 20, "example.org", "one.example.org"),
		pair(rsaKey, -1, "example.org"),
	}}
	r.TLS.Checks = map[string]string{"time.expired": warn}
	b, checks, err := Take(t.Context(), r)
	if err != nil {
		t.Fatalf("%v: %+v", err, checks)
	}
	for name, want := range map[string][]int{
		"example.org": {2, 1, 3, 0, 4}, "one.example.org": {3, 0}, "*.example.org": {2}, "two.example.org": nil,
	} {
		if got := b.mapped.Find(name); !slices.Equal(got, want) {
			t.Errorf("%q is served by %v; want %v", name, got, want)
		}
	}
	var rivals []string
	for _, c := range checks {
		if c.Name == "name.duplicate" {
			rivals = append(rivals, c.File)
			if c.Severity != warn || !strings.Contains(c.Message, "for it ends later") {
				t.Errorf("found %+v; want a warning that says why", c)
			}
		}
	}
	want := []string{r.Sources[0].CertFile, r.Sources[0].CertFile, r.Sources[3].CertFile, r.Sources[4].CertFile}
	if !slices.Equal(rivals, want) {
		t.Errorf("found rivals %q; want %q", rivals, want)
	}

	r.TLS.Checks["name.duplicate"] = refuse
	if _, checks, err := Take(t.Context(), r); err == nil || err.(*Refusal).First().Name != "name.duplicate" {
		t.Errorf("moved to refuse: error %v, findings %+v", err, checks)
	}
}

func TestAPairThatIsNotValidYetIsServedOnlyIfNothingElseIs(t *testing.T) {
	t.Parallel()
	now := time.Now()
	one := func(begins, ends time.Duration) *accepted {
		return &accepted{Certificate: Certificate{Names: []string{"x"}, KeyKind: "k", NotBefore: now.Add(begins), NotAfter: now.Add(ends)}}
	}
	list := []*accepted{one(time.Hour, 3*time.Hour), one(-time.Hour, time.Hour), one(-3*time.Hour, -time.Hour)}
	all := hosts(list, now)
	if want := []int{1, 0, 2}; len(all) != 1 || !slices.Equal(all[0].Pairs, want) {
		t.Errorf("hosts %+v; want %v: the valid one first", all, want)
	}
	for i, p := range duplicates(list, all, now) {
		if strings.Contains(p[0].message, "ends later") != (i == 2) {
			t.Errorf("of pair %d: %q; want why the other is served", i, p[0].message)
		}
	}
}

func TestTwoPairsThatEndTogetherKeepTheirOrder(t *testing.T) {
	t.Parallel()
	at := time.Now()
	one := func(name string) *accepted {
		return &accepted{Certificate: Certificate{Name: name, Names: []string{"x"}, KeyKind: "k", NotAfter: at.Add(time.Hour), Source: "/" + name}}
	}
	list := []*accepted{one("a"), one("b")}
	all := hosts(list, at)
	found := duplicates(list, all, at)
	if len(all) != 1 || !slices.Equal(all[0].Pairs, []int{0, 1}) || len(found[1]) != 1 || !strings.Contains(found[1][0].message, "stands first") {
		t.Errorf("hosts %+v, found %+v; want the first to be served", all, found)
	}
}
