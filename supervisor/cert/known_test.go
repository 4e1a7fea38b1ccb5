package cert

import (
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/config"
)

// poisoned is a bundle that says of the files of source that they were proven by
// a prover, while it holds another key: whoever takes that has proven nothing.
func poisoned(t *testing.T, source config.Certificate, by string, edit func(*Certificate)) (b *Bundle, wrong []byte) {
	t.Helper()
	first, _, err := Take(t.Context(), Request{Sources: []config.Certificate{source}})
	if err != nil {
		t.Fatal(err)
	}
	wrong = []byte("not the key")
	noted := first.Certificates[0]
	if edit != nil {
		edit(&noted)
	}
	b, err = seal([]*accepted{{noted, first.mapped.Pair(0).Chain, wrong, []byte("{}")}}, nil, nil, bundleNotes{Prover: by})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b, wrong
}

func TestOnlyWhatTheSameProgramProvedIsNotProvenAgain(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	source := pairIn(t, chain, key)
	for _, s := range []struct {
		name  string
		by    string
		edit  func(*Certificate)
		tls   config.TLS
		known bool
	}{
		{"the same", prover(config.TLS{}), nil, config.TLS{}, true},
		{"another program", "x", nil, config.TLS{}, false},
		{"no program", "", nil, config.TLS{}, false},
		{"another version of TLS", prover(config.TLS{}), nil, config.TLS{MinVersion: "1.3"}, false},
		{"a check was moved", prover(config.TLS{}), nil, config.TLS{Checks: map[string]string{"name.lost": warn}}, false},
		{"other bytes", prover(config.TLS{}), func(c *Certificate) { c.Digest = "0" }, config.TLS{}, false},
		{"it was held", prover(config.TLS{}), func(c *Certificate) { c.Held = true }, config.TLS{}, false},
		{"a finding was allowed once", prover(config.TLS{}), func(c *Certificate) { c.Anew = true }, config.TLS{}, false},
	} {
		known, wrong := poisoned(t, source, s.by, s.edit)
		b, checks, err := Take(t.Context(), Request{Sources: []config.Certificate{source}, TLS: s.tls, Known: known})
		if err != nil {
			t.Errorf("%s: %v: %+v", s.name, err, checks)
			continue
		}
		if got := string(b.mapped.Pair(0).Key) == string(wrong); got != s.known {
			t.Errorf("%s: taken as known %v; want %v", s.name, got, s.known)
		}
		b.Close()
	}
}

func TestAKnownPairIsStillHeldAgainstClockAndConfiguration(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	r := Request{Sources: []config.Certificate{pairIn(t, chain, key)}}
	known, _, err := Take(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer known.Close()
	r.Known = known
	again, checks, err := Take(t.Context(), r)
	if err != nil || len(checks) > 0 || !again.Same(known) {
		t.Fatalf("unchanged: error %v, findings %+v; want the same", err, checks)
	}
	r.Sources[0].ServerNames = []string{"missing.example.org"}
	b, checks, err := later(t, r).take(t.Context())
	verify(t, b, checks, err, []string{"name.missing"}, "")
	r.Sources[0].ServerNames = nil
	r.Served = served("example.org", 3, "example.org", "lost.example.org")
	b, checks, err = later(t, r).take(t.Context())
	verify(t, b, checks, err, []string{"name.lost", "chain.incomplete"}, "")
	aged := later(t, r)
	aged.now = func() time.Time { return time.Now().Add(1000 * time.Hour) }
	aged.Served = nil
	b, checks, err = aged.take(t.Context())
	verify(t, b, checks, err, []string{"time.expired", "chain.expired"}, "")
}

func TestFindingsInTheBytesAreRepeatedForAKnownPair(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	source := pairIn(t, chain, key)
	c := inspect(t.Context(), read(source.CertFile, source.KeyFile))
	c.name, c.source, c.digest = "x", source, c.snapshot.digest()
	calls := 0
	rows := []check{
		{name: "pem.trailing_text", severity: warn, look: func(*candidate) []problem { calls++; return []problem{{message: "text"}} }},
		{name: "sig.weak", severity: refuse, look: func(*candidate) []problem { return []problem{{message: "weak"}} }},
	}
	v := judgeBy(t.Context(), rows, c, nil, []string{"sig.weak"})
	noted := newCertificate(c, v)
	if len(noted.Found) != 2 || !noted.Anew {
		t.Fatalf("noted %+v; want both findings, and that one was allowed only once", noted)
	}
	c.known, c.name = &proven{Certificate: noted}, "called otherwise"
	again := judgeBy(t.Context(), rows[:1], c, nil, nil)
	if len(again.checks) != 1 || again.checks[0].Message != "text" || again.checks[0].Certificate != c.name || calls != 1 {
		t.Errorf("again %+v after %d calls; want the finding repeated and not looked for", again.checks, calls)
	}
}

func TestHeldIsTakenUntilTheFilesChange(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	oldChain, oldKey := a.issue(nil)
	chain, key := a.issue(nil)
	source := pairIn(t, chain, key)
	now, _, err := Take(t.Context(), Request{Sources: []config.Certificate{source}})
	if err != nil {
		t.Fatal(err)
	}
	archive := t.TempDir() + "/old.pem"
	write(t, archive, join(oldChain, oldKey))
	r := Request{
		Sources: []config.Certificate{source}, Known: now,
		Held: map[string]Held{"example.org": {Digest: now.Certificates[0].Digest, File: archive}},
	}
	held, checks, err := Take(t.Context(), r)
	if err != nil || len(checks) != 1 || checks[0].Name != "change.held" || checks[0].Severity != info {
		t.Fatalf("error %v, findings %+v; want one of change.held", err, checks)
	}
	c := held.Certificates[0]
	if !c.Held || c.Digest != now.Certificates[0].Digest || c.Source != source.CertFile || c.Fingerprint == now.Certificates[0].Fingerprint {
		t.Errorf("described as %+v; want the old one, held", c)
	}
	if p := held.Published()[0]; !p.Held || p.Disk != DiskChanged {
		t.Errorf("published %+v; want it held, and something else on disk", p)
	}
	if d := Drift(r.Sources, r.TLS, held)["example.org"]; d.State != DiskChanged || d.OnDisk == nil || d.OnDisk.Fingerprint != now.Certificates[0].Fingerprint {
		t.Errorf("drift %+v; want what lies on disk", d)
	}
	r.Known = held // held once is not known as what lies on disk
	write(t, archive, oldChain)
	b, checks, err := later(t, r).take(t.Context())
	verify(t, b, checks, err, []string{"pem.no_key"}, "")

	newChain, newKey := a.issue(nil)
	write(t, source.CertFile, newChain)
	write(t, source.KeyFile, newKey)
	b, checks, err = Take(t.Context(), r)
	if err != nil || len(checks) > 0 || b.Certificates[0].Held {
		t.Errorf("after a renewal: error %v, findings %+v; want the new files taken", err, checks)
	}
}

func TestHeldWithoutADigestIsTakenWhileTheFilesCannotBeRead(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	archive := t.TempDir() + "/old.pem"
	kept, keptKey := a.issue(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(60 * time.Hour) })
	write(t, archive, join(kept, keptKey))
	for _, named := range []string{"x", ""} { // else by what is served from there
		source := pairIn(t, chain, key)
		source.Name = named
		r := Request{Sources: []config.Certificate{source, {SelfSigned: []string{"localhost"}}}}
		before, _, err := Take(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		name := before.Certificates[0].Name
		r.Served, r.Held = before.Published(), map[string]Held{name: {File: archive}, "localhost": {File: archive}}
		before.Close()
		remove(t, source.CertFile)
		remove(t, source.KeyFile)
		b, checks, err := Take(t.Context(), r)
		if err != nil || len(checks) != 1 || checks[0].Name != "change.held" {
			t.Errorf("%q: error %v, findings %+v; want one of change.held", named, err, checks)
			continue
		}
		if c := b.Certificates; !c[0].Held || c[0].Name != name || c[1].Held {
			t.Errorf("took %+v; want the first held as %q, and what is made on the spot not", c, name)
		}
		b.Close()
		write(t, source.CertFile, chain)
		write(t, source.KeyFile, key)
		b, checks, err = Take(t.Context(), r)
		if err != nil || b.Certificates[0].Held {
			t.Errorf("readable again: error %v, findings %+v; want the files taken", err, checks)
		}
	}
}

// oldRoot is a self-issued certificate of version 1, which Go does not make.
func oldRoot(t *testing.T) []byte {
	t.Helper()
	cert, _ := openssl(t,
		"genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem",
		"req -new -key key.pem -out request.pem -subj /CN=old",
		"x509 -req -in request.pem -key key.pem -days 30 -out cert.pem")
	return cert
}

func TestAKnownPairFromAnotherPlaceIsJudgedAnew(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	source, moved := pairIn(t, join(chain, []byte("text")), key), pairIn(t, join(chain, []byte("text")), key)
	known, _, err := Take(t.Context(), Request{Sources: []config.Certificate{source}})
	if err != nil {
		t.Fatal(err)
	}
	defer known.Close()
	b, checks, err := Take(t.Context(), Request{Sources: []config.Certificate{moved}, Known: known})
	if err != nil || len(checks) != 1 || checks[0].File != moved.CertFile || !strings.Contains(checks[0].Message, moved.CertFile) {
		t.Fatalf("error %v, findings %+v; want one about %q", err, checks, moved.CertFile)
	}
	b.Close()
}

func TestAuthoritiesOfClientsAreCheckedAndTakenWithThePairs(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	source := pairIn(t, chain, key)
	past := func(c *x509.Certificate) *x509.Certificate {
		c.NotBefore, c.NotAfter, c.IsCA = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour), true
		return a.sign(c, nil, a.rootKey.Public(), a.rootKey)
	}
	old := certPEM(past(&x509.Certificate{}))
	root := certPEM(a.root)
	for _, s := range []struct {
		name string
		file []byte
		want []string
		all  []string // names of all findings
		hint string
	}{
		{"one", root, nil, nil, ""},
		{"two", join(root, certPEM(a.intermediate)), nil, nil, ""},
		{"a root of the first version", oldRoot(t), nil, nil, ""},
		{"some have expired", join(old, root), nil, []string{"time.expired"}, ""},
		{"all have expired", old, []string{"time.expired"}, nil, "successors"},
		{"a leaf among them", join(root, chain), []string{"chain.issuer_not_ca"}, nil, "CA:TRUE"},
		{"empty", nil, []string{"pem.empty"}, nil, ""},
		{"a key", key, []string{"pem.no_certificate"}, nil, "client_ca must hold"},
		{"large", make([]byte, maxFile+1), []string{"file.too_large"}, nil, "authorities in PEM"},
		{"cut", root[:len(root)-40], []string{"pem.undecoded_block"}, nil, ""},
		{"garbage", join(root, block(labelCertificate, []byte("x"))), []string{"cert.parse"}, nil, ""},
	} {
		path := t.TempDir() + "/ca.pem"
		write(t, path, s.file)
		r := Request{Sources: []config.Certificate{source}, TLS: config.TLS{ClientCA: path}}
		b, checks, err := later(t, r).take(t.Context())
		verify(t, b, checks, err, s.want, s.hint)
		var all []string
		for _, c := range checks {
			if all = append(all, c.Name); c.Certificate != nameAuthorities || c.File != path {
				t.Errorf("%s: found %+v; want it about %s", s.name, c, nameAuthorities)
			}
		}
		if s.all != nil && !slices.Equal(all, s.all) {
			t.Errorf("%s: found %q; want %q", s.name, all, s.all)
		}
		if b != nil && (len(b.mapped.ClientCAs()) != len(walk(s.file).all) || b.mapped.Len() != 1) {
			t.Errorf("%s: %d authorities, %d pairs", s.name, len(b.mapped.ClientCAs()), b.mapped.Len())
		}
	}
	b, checks, err := later(t, Request{Sources: []config.Certificate{source}, TLS: config.TLS{ClientCA: "/nonexistent/ca.pem"}}).take(t.Context())
	verify(t, b, checks, err, []string{"file.missing"}, "client_ca")
}

func TestDriftKnowsFoldersAndAuthorities(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	dir := t.TempDir()
	ca := t.TempDir() + "/ca.pem"
	write(t, ca, certPEM(a.root))
	for _, name := range []string{"a", "b", "c"} {
		a.put(t, dir, name)
	}
	sources, tls := []config.Certificate{{Dir: dir}, {SelfSigned: []string{"localhost"}}}, config.TLS{ClientCA: ca}
	b, _, err := Take(t.Context(), Request{Sources: sources, TLS: tls})
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want map[string]string) {
		t.Helper()
		got := Drift(sources, tls, b)
		for name, state := range want {
			if got[name].State != state {
				t.Errorf("%q: got %+v; want %s", name, got[name], state)
			}
		}
		if len(got) != len(want) {
			t.Errorf("got %+v; want %v", got, want)
		}
	}
	expect(map[string]string{"a": DiskSame, "b": DiskSame, "c": DiskSame, "localhost": DiskSame, "client_ca": DiskSame})
	a.put(t, dir, "b")
	a.put(t, dir, "d")
	remove(t, dir+"/c.crt")
	remove(t, dir+"/c.key")
	write(t, ca, certPEM(a.intermediate))
	expect(map[string]string{"a": DiskSame, "b": DiskChanged, "c": DiskUnreadable, "d": DiskChanged, "localhost": DiskSame, "client_ca": DiskChanged})
	remove(t, dir+"/a.key")
	remove(t, ca)
	expect(map[string]string{"a": DiskUnreadable, "b": DiskChanged, "c": DiskUnreadable, "d": DiskChanged, "localhost": DiskSame, "client_ca": DiskUnreadable})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	expect(map[string]string{"a": DiskUnreadable, "b": DiskUnreadable, "c": DiskUnreadable, "localhost": DiskSame, "client_ca": DiskUnreadable})
}

func TestBundlesAreComparedByWhatClientsWouldGet(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	dir := t.TempDir()
	ca := t.TempDir() + "/ca.pem"
	write(t, ca, certPEM(a.root))
	a.put(t, dir, "a")
	a.put(t, dir, "b")
	r := Request{Sources: []config.Certificate{{Dir: dir}, {SelfSigned: []string{"localhost"}}}}
	take := func() *Bundle {
		t.Helper()
		b, checks, err := Take(t.Context(), r)
		if err != nil {
			t.Fatalf("%v: %+v", err, checks)
		}
		t.Cleanup(b.Close)
		return b
	}
	one, two := take(), take()
	if !one.Same(two) || !two.Same(one) {
		t.Error("taken twice from the same files, they differ; what is made on the spot does not count")
	}
	if got := two.Changed(one); !slices.Equal(got, []int{2}) {
		t.Errorf("changed %v; want [2], which was made on the spot", got)
	}
	key, err := os.ReadFile(dir + "/a.key")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := os.ReadFile(dir + "/a.crt")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(one.PEM(0)), string(join(cert, key)); got != want {
		t.Errorf("PEM is %s; want %s", got, want)
	}
	a.put(t, dir, "a")
	three := take()
	if got := three.Changed(one); three.Same(one) || !slices.Equal(got, []int{0, 2}) {
		t.Errorf("changed %v; want [0 2]", got)
	}
	r.TLS.ClientCA = ca
	if take().Same(three) {
		t.Error("with authorities of clients it is the same; want it not to be")
	}
	r.TLS.ClientCA = ""
	a.put(t, dir, "c")
	if four := take(); four.Same(three) || !slices.Equal(four.Changed(three), []int{2, 3}) {
		t.Errorf("changed %v; want [2 3]", four.Changed(three))
	}
}

func TestAnOlderVersionOfTLSIsProvenForEachKindOfKey(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	shared := newShare()
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P256(), elliptic.P384(), elliptic.P224()} {
		k := ecdsaKey(t, curve)
		source := pairIn(t, certPEM(a.leaf(k, nil)), keyPEM(t, k))
		c := shared.inspect(t.Context(), read(source.CertFile, source.KeyFile))
		c.minimum = tls.VersionTLS12
		found := proofHandshake(t.Context(), c)
		if usable := curve != elliptic.P224(); usable != (len(found) == 0) || usable != shared.spoken.before(describe(k.Public())) {
			t.Errorf("%s: found %+v", curve.Params().Name, found)
		}
	}
}
