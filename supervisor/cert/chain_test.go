package cert

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
)

// under returns an authority below a, and what it is.
func (a *authority) under(name string, edit func(*x509.Certificate)) *authority {
	a.t.Helper()
	b := &authority{t: a.t, rootKey: a.key, root: a.intermediate, key: ecdsaKey(a.t, elliptic.P256())}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, NotAfter: time.Now().Add(15 * day)}
	if edit != nil {
		edit(template)
	}
	b.intermediate = a.sign(template, a.intermediate, b.key.Public(), a.key)
	return b
}

// twin has the names of a and other keys.
func (a *authority) twin() *authority { return newAuthority(a.t) }

func TestChainsAreFollowedAsClientsFollowThem(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	twin := a.twin()
	other := a.under("other", nil)
	below := a.under("below", nil)
	list := []input{
		a.behind(a.intermediate).named("leaf and intermediate"),
		a.behind().named("leaf alone, which says nothing of its issuer"),
		below.behind(below.intermediate, a.intermediate).named("two intermediates"),
		a.behind(a.intermediate, a.root).named("root too", "chain.root_included"),
		a.behind(twin.intermediate).named("another intermediate of the same name", "chain.bad_signature").saying("bears its issuer's name"),
		a.behind(other.intermediate).named("another intermediate", "chain.bad_signature").saying("which is not in"),
		a.behind(twin.intermediate, a.intermediate).named("a false one of the same name before the true one", "chain.extraneous"),
		a.behind(a.intermediate, twin.root).named("another root of the same name", "chain.bad_signature"),
		a.behind(a.intermediate, other.intermediate).named("one that signed nothing", "chain.extraneous").saying("certificate 3 of 3"),
		a.behind(a.intermediate, a.intermediate).named("one twice", "chain.duplicate"),
		below.behind(a.intermediate, below.intermediate).named("out of order", "chain.order").saying("certificate 2 of 3"),
		a.behind(a.root, a.intermediate).named("root before the intermediate", "chain.order", "chain.root_included"),
		a.deep(t, 9).named("ten certificates"),
		a.deep(t, 10).named("eleven certificates", "chain.too_long"),
		selfMadePair(t).named("self-signed", "chain.self_signed"),
		selfMadePair(t, a.intermediate).named("self-signed and another", "chain.extraneous", "chain.self_signed"),
		a.edited(func(c *x509.Certificate) { c.NotAfter = a.intermediate.NotAfter.Add(time.Second) }).named("intermediate ends first", "chain.expires_first"),
		a.edited(func(c *x509.Certificate) { c.NotAfter = a.intermediate.NotAfter }).named("intermediate ends last"),
		a.edited(func(c *x509.Certificate) { c.Subject.Locality = []string{strings.Repeat("x", 15<<10)} }).named("just below a record"),
		a.edited(func(c *x509.Certificate) { c.Subject.Locality = []string{strings.Repeat("x", 16<<10)} }).named("above a record", "chain.message_too_large warn"),
		a.edited(func(c *x509.Certificate) { c.Subject.Locality = []string{strings.Repeat("x", 95<<10)} }).named("below what clients take", "chain.message_too_large warn"),
		a.edited(func(c *x509.Certificate) { c.Subject.Locality = []string{strings.Repeat("x", 97<<10)} }).named("above what clients take", "chain.message_too_large"),
	}
	ended := a.under("ended", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(30 * time.Minute) })
	young := a.under("young", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(90 * time.Minute) })
	inputs(t, append(list,
		ended.behind(ended.intermediate, a.intermediate).named("intermediate expired", "chain.expired").saying("expired at"),
		young.behind(young.intermediate, a.intermediate).named("intermediate not yet valid", "chain.expired").saying("not valid before"),
	))
}

// selfMadePair is a self-signed pair with others behind it.
func selfMadePair(t *testing.T, behind ...*x509.Certificate) input {
	t.Helper()
	a, key := &authority{t: t}, ecdsaKey(t, elliptic.P256())
	i := input{cert: certPEM(a.sign(&x509.Certificate{
		DNSNames: []string{"example.org"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, nil, key.Public(), key)), key: keyPEM(t, key)}
	for _, c := range behind {
		i.cert = join(i.cert, certPEM(c))
	}
	return i
}

// deep issues a leaf below so many authorities.
func (a *authority) deep(t *testing.T, authorities int) input {
	t.Helper()
	at, chain := a, []*x509.Certificate{a.intermediate}
	for n := 1; n < authorities; n++ {
		at = at.under(fmt.Sprintf("authority %d", n), nil)
		chain = append([]*x509.Certificate{at.intermediate}, chain...)
	}
	return at.behind(chain...)
}

func TestAuthoritiesAreHeldToWhatTheyMay(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	under := func(edit func(*x509.Certificate)) *authority { return a.under("limited", edit) }
	whole := func(b *authority) input { return b.behind(b.intermediate, a.intermediate) }
	none := under(func(c *x509.Certificate) { c.MaxPathLenZero = true })
	belowNone := none.under("below none", nil)
	one := under(func(c *x509.Certificate) { c.MaxPathLen = 1 })
	belowOne := one.under("below one", nil)
	limited := func(edit func(*x509.Certificate)) *authority { return under(edit) }
	_, network, _ := net.ParseCIDR("10.0.0.0/8")
	permitted := limited(func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.org"} })
	elsewhere := limited(func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.com"} })
	excluded := limited(func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"www.example.org"} })
	addresses := limited(func(c *x509.Certificate) { c.PermittedIPRanges = []*net.IPNet{network} })
	reissued := limited(func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.NotBefore = []string{"example.com"}, time.Now().Add(-time.Minute)
	})
	key := ecdsaKey(t, elliptic.P256())
	outside := input{
		cert: join(certPEM(addresses.leaf(key, forNames("127.0.0.1"))), certPEM(addresses.intermediate), certPEM(a.intermediate)),
		key:  keyPEM(t, key),
	}
	inputs(t, []input{
		whole(under(nil)).named("may all"),
		whole(under(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign })).named("may sign"),
		whole(under(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature })).named("may not sign", "chain.issuer_not_ca").saying("keyCertSign"),
		whole(under(func(c *x509.Certificate) { c.IsCA = false })).named("a leaf's leaf", "chain.issuer_not_ca").saying("CA:TRUE"),
		whole(none).named("no authority below, and none there"),
		belowNone.behind(belowNone.intermediate, none.intermediate).named("no authority below, and one there", "chain.pathlen"),
		belowOne.behind(belowOne.intermediate, one.intermediate).named("one authority below, and one there"),
		whole(permitted).named("permitted names"),
		whole(elsewhere).named("names permitted elsewhere", "chain.name_constraint").saying("may not issue"),
		elsewhere.behind(elsewhere.intermediate).named("the top itself is limited", "chain.name_constraint"),
		whole(reissued).named("an authority younger than the leaf is limited", "chain.name_constraint"),
		whole(excluded).named("an excluded name", "chain.name_constraint"),
		outside.named("an address outside", "chain.name_constraint"),
	})
}

// withKey is an authority below a with a key of another kind.
func (a *authority) withKey(key crypto.Signer) *authority {
	b := &authority{t: a.t, rootKey: a.key, root: a.intermediate, key: key}
	b.intermediate = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "of another kind"}, IsCA: true, NotAfter: time.Now().Add(15 * day),
	}, a.intermediate, key.Public(), a.key)
	return b
}

func TestIssuersThatClientsRefuseAreFound(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	whole := func(b *authority) input { return b.behind(b.intermediate, a.intermediate) }
	used := func(edit func(*x509.Certificate)) *authority { return a.under("for other uses", edit) }
	strange := used(func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3, 4}} })
	clients := used(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	servers := clients.under("for servers again", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	renumbered := *a.intermediate // the same name and key, and another identifier
	renumbered.SubjectKeyId = []byte("another")
	other := &authority{t: t, intermediate: &renumbered, key: a.key}
	smallRoot := &authority{t: t, key: small}
	smallRoot.intermediate = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "small root"}, IsCA: true, NotAfter: time.Now().Add(30 * day)}, nil, small.Public(), small)
	inputs(t, []input{
		whole(strange).named("limited to a use that nobody knows", "chain.issuer_not_ca").saying("extendedKeyUsage"),
		servers.behind(servers.intermediate, clients.intermediate, a.intermediate).named("limited further up", "chain.issuer_not_ca").saying("certificate 3 of 4"),
		whole(a.withKey(small)).named("an issuer's small key", "key.size").saying("certificate 2 of 3"),
		whole(a.withKey(ecdsaKey(t, elliptic.P224()))).named("an issuer's key on another curve", "key.type").saying("certificate 2 of 3"),
		smallRoot.behind(smallRoot.intermediate).named("a root's small key", "chain.root_included"),
		other.behind(a.intermediate).named("an issuer with another identifier", "chain.bad_signature").saying("key identifier"),
		whole(a.under("as it should be", nil)).named("identifiers that fit"),
	})
}

func TestALeafByItselfIsIncompleteByWhatIsKnown(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	k := ecdsaKey(t, elliptic.P256())
	alone := func(urls ...string) input {
		return input{cert: certPEM(a.leaf(k, func(c *x509.Certificate) { c.IssuingCertificateURL = urls })), key: keyPEM(t, k)}
	}
	verified := func(i input, roots ...*x509.Certificate) input {
		i.tls.Verify = rootsFile(t, roots...)
		return i
	}
	// A self-signed one says where to get its issuer too.
	own := ecdsaKey(t, elliptic.P256())
	self := input{cert: certPEM(a.sign(&x509.Certificate{
		DNSNames: []string{"example.org"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IssuingCertificateURL: []string{"http://ca.example.org/ca.crt"},
	}, nil, own.Public(), own)), key: keyPEM(t, own)}
	inputs(t, []input{
		alone().named("says nothing"),
		alone("http://ca.example.org/ca.crt").named("says where its issuer is", "chain.incomplete warn").saying(`"http://ca.example.org/ca.crt"`),
		alone().against(status.Certificate{ChainLength: 2}).named("was longer", "chain.incomplete").saying("that is served 2"),
		self.named("self-signed", "chain.self_signed"),
		verified(alone(), a.root).named("issuer is no root", "chain.incomplete", "chain.untrusted refuse"),
		verified(alone(), a.intermediate).named("issuer is among the roots"),
		verified(a.behind(a.intermediate), a.root).named("leads to a root"),
	})
}

// rootsFile writes certificates into a file of roots.
func rootsFile(t *testing.T, roots ...*x509.Certificate) string {
	t.Helper()
	var data []byte
	for _, c := range roots {
		data = join(data, certPEM(c))
	}
	path := filepath.Join(t.TempDir(), "roots.pem")
	write(t, path, data)
	return path
}

func TestChainsAreVerifiedOnlyIfAskedFor(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	good := a.behind(a.intermediate)
	with := func(i input, verify string, checks map[string]string) input {
		i.tls = config.TLS{Verify: verify, Checks: checks}
		return i
	}
	moved := func(to string) map[string]string { return map[string]string{untrusted: to} }
	damaged := filepath.Join(t.TempDir(), "damaged.pem")
	write(t, damaged, certPEM(a.root)[:100])
	empty := filepath.Join(t.TempDir(), "empty.pem")
	write(t, empty, nil)
	root, strange := rootsFile(t, a.root), rootsFile(t, a.twin().root)
	ends := a.under("ends", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(10 * time.Hour) })
	const refused = untrusted + " refuse"
	inputs(t, []input{
		with(good, "", nil).named("not asked for"),
		with(good, "off", nil).named("off"),
		with(good, root, nil).named("leads to the root"),
		with(good, strange, nil).named("leads to another root", refused).saying("clients that trust the roots in"),
		with(good, strange, moved(warn)).named("only warned of", untrusted+" warn"),
		with(good, strange, moved(off)).named("turned off"),
		with(good, "off", moved(warn)).named("moved without roots: the system's", untrusted+" warn").saying("the system's roots"),
		with(good, "system", nil).named("the system's", refused),
		with(good, damaged, nil).named("damaged roots", refused).saying("are damaged"),
		with(good, empty, nil).named("no roots", refused).saying("are none"),
		with(good, filepath.Join(t.TempDir(), "missing"), nil).named("missing roots", refused).saying("cannot be read"),
		with(good, "/dev/zero", nil).named("a device for roots", refused).saying("cannot be read"),
		with(ends.behind(ends.intermediate, a.intermediate), root, nil).named("no way in a day", refused, "chain.expires_first"),
		with(a.living(-time.Hour, 3*time.Hour), root, nil).named("not valid yet", "time.not_yet"),
		with(a.living(2*time.Hour, -time.Hour), root, nil).named("expired", "time.expired"),
	})
}

func TestIssuersAreCompared(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	fake := a.under("(STAGING) Fake LE", nil)
	from := func(issuer string) status.Certificate { return status.Certificate{Issuer: issuer} }
	inputs(t, []input{
		a.behind(a.intermediate).against(from("CN=test intermediate")).named("the same"),
		a.behind(a.intermediate).against(from("CN=other\x1b")).named("another", "chain.issuer_changed").saying(`"CN=other\x1b"`),
		fake.behind(fake.intermediate).against(from("CN=other")).named("one for tests", "chain.issuer_changed warn"),
		fake.behind(fake.intermediate).against(from("CN=Fake LE Intermediate X1")).named("one for tests after another", "chain.issuer_changed"),
		a.behind(a.intermediate).against(from("")).named("not known"),
	})
	moved := fake.behind(fake.intermediate).against(from("CN=other"))
	moved.tls.Checks = map[string]string{"chain.issuer_changed": refuse}
	inputs(t, []input{moved.named("moved to refuse", "chain.issuer_changed refuse")})
}

// namesakes returns certificates that all bear one name for subject and issuer:
// each could be signed by each.
func namesakes(t *testing.T, count int) (chain []*x509.Certificate) {
	t.Helper()
	a := &authority{t: t}
	name := &x509.Certificate{Subject: pkix.Name{CommonName: "test intermediate"}}
	key, strange := ecdsaKey(t, elliptic.P256()), ecdsaKey(t, elliptic.P256())
	for range count {
		template := *name
		chain = append(chain, a.sign(&template, name, strange.Public(), key))
	}
	return chain
}

func TestAChainInWhichEachCouldHaveSignedEachIsGivenUp(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	inputs(t, []input{
		a.behind(namesakes(t, maxSignatures+1)...).named("more than are verified", "chain.bad_signature", "chain.message_too_large warn", "chain.too_long").saying("64 signatures"),
	})
}

func TestConstraintsThatMultiplyAreRefused(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	var domains, many []string
	for i := range 2000 {
		domains = append(domains, fmt.Sprintf("d%d.example.org", i))
		many = append(many, fmt.Sprintf("n%d.example.org", i))
	}
	b := a.under("bomb", func(c *x509.Certificate) { c.PermittedDNSDomains = domains })
	key := ecdsaKey(t, elliptic.P256())
	cert := join(certPEM(b.leaf(key, forNames(many...))), certPEM(b.intermediate), certPEM(a.intermediate))
	source := pairIn(t, cert, keyPEM(t, key))
	c := inspect(t.Context(), read(source.CertFile, source.KeyFile))
	if found := chainNameConstraint(c); len(found) != 1 || len(found[0].message) > 1000 {
		t.Errorf("found %+v; want chain.name_constraint in a few words", found)
	}
}
