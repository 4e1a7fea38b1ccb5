package archive

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Now().Truncate(time.Second)

// issued is a pair with its description.
type issued struct {
	cert.Certificate
	pair wire.Pair
}

// issue makes a pair that no other is like.
func issue(t testing.TB, name string, edit func(*issued)) issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	try(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	try(t, err)
	i := issued{Certificate: cert.Certificate{Name: name, Names: []string{name}, NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(24 * time.Hour)}}
	if edit != nil {
		edit(&i)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: i.Names, NotBefore: i.NotBefore, NotAfter: i.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	try(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	try(t, err)
	sum := sha256.Sum256(der)
	i.Fingerprint, i.ChainSHA256, i.Digest = hex.EncodeToString(sum[:]), hex.EncodeToString(sum[:]), hex.EncodeToString(sum[:])
	i.Serial, i.Issuer = serial.Text(16), "CN="+name
	if i.Source == "" {
		i.Source = "/etc/certs/" + name + ".pem"
	}
	i.pair = wire.Pair{Name: name, Chain: [][]byte{der}, Key: pkcs8}
	return i
}

// bundle seals pairs as Take does.
func bundle(t testing.TB, list ...issued) *cert.Bundle {
	t.Helper()
	var b wire.Bundle
	for _, i := range list {
		notes, err := json.Marshal(i.Certificate)
		try(t, err)
		i.pair.Notes = notes
		b.Pairs = append(b.Pairs, i.pair)
	}
	f, err := wire.SealBundle(b)
	try(t, err)
	sealed, err := cert.Open(f)
	try(t, err)
	t.Cleanup(sealed.Close)
	return sealed
}

func (i issued) served() status.Certificate {
	return status.Certificate{Name: i.Name, Fingerprint: i.Fingerprint, ChainSHA256: i.ChainSHA256, SelfSigned: i.SelfSigned, Held: i.Held}
}

// rolledBack is what is served once a rollback has led to i.
func (i issued) rolledBack() issued {
	i.Held = true
	return i
}

func try(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestHeldWithoutADigestIsKept(t *testing.T) {
	t.Parallel()
	a, one := open(t), issue(t, "one", nil)
	try(t, a.Save(bundle(t, one), "test", noon))
	entries, err := a.Entries()
	try(t, err)
	held := map[string]cert.Held{"one": {File: a.pairPath(entries[0].Certificates[0].Pair)}}
	try(t, a.Hold(held))
	got, err := a.Held()
	if err != nil || !maps.Equal(got, held) {
		t.Errorf("got %+v, error %v; want %+v", got, err, held)
	}
}

func open(t testing.TB) *Archive {
	t.Helper()
	a, err := Open(filepath.Join(t.TempDir(), "state"))
	try(t, err)
	return a
}

func save(t testing.TB, a *Archive, list ...issued) {
	t.Helper()
	try(t, a.Save(bundle(t, list...), "signal", noon))
}

// listed is what the entries hold, newest first: fingerprints.
func listed(t testing.TB, a *Archive) [][]string {
	t.Helper()
	entries, err := a.Entries()
	try(t, err)
	var list [][]string
	for _, e := range entries {
		var prints []string
		for _, k := range e.Certificates {
			prints = append(prints, k.Fingerprint)
		}
		list = append(list, prints)
	}
	return list
}

func want(t testing.TB, a *Archive, bundles ...[]issued) {
	t.Helper()
	var prints [][]string
	for _, list := range bundles {
		var line []string
		for _, i := range list {
			line = append(line, i.Fingerprint)
		}
		prints = append(prints, line)
	}
	if got := listed(t, a); fmt.Sprint(got) != fmt.Sprint(prints) {
		t.Errorf("kept %.8v; want %.8v", got, prints)
	}
}

// files lists a directory below the state directory.
func files(t testing.TB, a *Archive, sub string) []string {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(a.dir, sub))
	try(t, err)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestTheNewestThreeBundlesAreKept(t *testing.T) {
	t.Parallel()
	a := open(t)
	unchanged := issue(t, "same.org", nil)
	var all []issued
	for range 5 {
		all = append(all, issue(t, "example.org", nil))
		save(t, a, all[len(all)-1], unchanged)
		save(t, a, all[len(all)-1], unchanged) // again: nothing
	}
	want(t, a, []issued{all[4], unchanged}, []issued{all[3], unchanged}, []issued{all[2], unchanged})
	if got := files(t, a, bundlesDir); fmt.Sprint(got) != "[3.json 4.json 5.json]" {
		t.Errorf("bundles %v; want three", got)
	}
	if got := files(t, a, pairsDir); len(got) != 4 {
		t.Errorf("pairs %v; want four: what did not change is kept once", got)
	}
	entries, err := a.Entries()
	try(t, err)
	e, k := entries[0], entries[0].Certificates[0]
	if !e.Adopted.Equal(noon) || e.AskedBy != "signal" || k.Serial != all[4].Serial || k.Source != all[4].Source || k.Digest != all[4].Digest {
		t.Errorf("entry %+v; want it described", e)
	}
	modes := map[string]fs.FileMode{"": 0o700, pairsDir: 0o700, bundlesDir: 0o700, filepath.Join(bundlesDir, "5.json"): 0o600, filepath.Join(pairsDir, k.Pair+".pem"): 0o600, lockFile: 0o600}
	for name, mode := range modes {
		if info, err := os.Stat(filepath.Join(a.dir, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%q: %v, %v; want mode %04o", name, info, err, mode)
		}
	}
}

func TestAKeptPairIsTakenLikeAnyOther(t *testing.T) {
	t.Parallel()
	a := open(t)
	one, two := issue(t, "one.org", nil), issue(t, "two.org", nil)
	inDir := issue(t, "three.org", func(i *issued) { i.Source = "/srv/certs/three.org/fullchain.pem" })
	save(t, a, one, two, inDir)
	entries, err := a.Entries()
	try(t, err)
	sources := a.Sources(entries[0], []config.Certificate{
		{CertFile: two.Source, KeyFile: "/gone", ServerNames: []string{"two.org"}},
		{Name: "one.org", CertFile: "/moved", KeyFile: "/gone"},
		{Dir: "/srv/certs"},
		{SelfSigned: []string{"localhost"}},
		{CertFile: "/new.pem", KeyFile: "/new.key"},
	})
	var names []string
	for _, s := range sources {
		names = append(names, s.Name)
	}
	if fmt.Sprint(names) != "[two.org one.org three.org  ]" || sources[4].CertFile != "/new.pem" || sources[0].ServerNames[0] != "two.org" {
		t.Fatalf("sources %+v; want the kept ones in the order of the configuration", sources)
	}
	taken, checks, err := cert.Take(t.Context(), cert.Request{Sources: sources[:4], TLS: config.Default().TLS})
	if err != nil {
		t.Fatalf("take: %v, %+v", err, checks)
	}
	defer taken.Close()
	for i, issued := range []issued{two, one, inDir} {
		if got := taken.Certificates[i]; got.Fingerprint != issued.Fingerprint || got.Name != issued.Name {
			t.Errorf("took %q; want the kept certificate of %q", got.Name, issued.Name)
		}
	}
}

func TestARollbackGoesBackInTheOrderOfAdoption(t *testing.T) {
	t.Parallel()
	a := open(t)
	A, B, C := issue(t, "example.org", nil), issue(t, "example.org", nil), issue(t, "example.org", nil)
	other := issue(t, "other.org", nil)
	for _, i := range []issued{A, B, C} {
		save(t, a, i, other)
	}
	to := func(served issued, name string) string {
		t.Helper()
		files, e, err := a.Previous([]status.Certificate{served.served(), other.served()}, name)
		if err != nil {
			return err.Error()
		}
		text, err := os.ReadFile(files["example.org"])
		try(t, err)
		block, _ := pem.Decode(text)
		sum := sha256.Sum256(block.Bytes)
		if len(files) != 1 || len(e.bearing("example.org")) != 1 || e.bearing("example.org")[0].Fingerprint != hex.EncodeToString(sum[:]) {
			t.Errorf("%d files, entry %d; want one of the pair's own", len(files), e.Number)
		}
		save(t, a, served.rolledBack(), other) // is no adoption
		return hex.EncodeToString(sum[:])
	}
	for _, name := range []string{"example.org", ""} {
		if got := to(C, name); got != B.Fingerprint {
			t.Errorf("first rollback to %q; want B", got)
		}
		if got := to(B.rolledBack(), name); got != A.Fingerprint {
			t.Errorf("second rollback to %q; want A", got)
		}
		if got := to(A.rolledBack(), name); !strings.Contains(got, "previous") {
			t.Errorf("third rollback to %q; want an error", got)
		}
	}
	want(t, a, []issued{C, other}, []issued{B, other}, []issued{A, other})
	if got := to(issue(t, "example.org", nil), ""); got != C.Fingerprint {
		t.Errorf("rollback from what was not kept to %q; want C", got)
	}
	save(t, a, A, other) // from its own files again: an adoption
	if got := to(A, ""); got != C.Fingerprint {
		t.Errorf("rollback after A came again to %q; want C", got)
	}
}

func TestARollbackThatLeadsNowhereSaysWhy(t *testing.T) {
	t.Parallel()
	a := open(t)
	one, two := issue(t, "example.org", nil), issue(t, "example.org", nil)
	made := issue(t, "localhost", func(i *issued) { i.SelfSigned = true })
	save(t, a, made)
	if got := files(t, a, bundlesDir); len(got) != 0 {
		t.Errorf("bundles %v; want none of what is made on the spot", got)
	}
	save(t, a, one)
	for _, s := range []struct {
		served []status.Certificate
		name   string
		want   string
	}{
		{nil, "", "no certificate has a previous one"},
		{[]status.Certificate{one.served()}, "gone.org", `no certificate "gone.org" is served`},
		{[]status.Certificate{one.served()}, "example.org", `"example.org" has no previous one`},
		{[]status.Certificate{made.served()}, "localhost", "made on the spot"},
		{[]status.Certificate{one.served(), two.served()}, "example.org", `several certificates are called "example.org"`},
		{[]status.Certificate{one.served(), two.served()}, "", "no certificate has a previous one"},
		{[]status.Certificate{two.rolledBack().served()}, "", "has no previous one"},
	} {
		if files, _, err := a.Previous(s.served, s.name); err == nil || !strings.Contains(err.Error(), s.want) {
			t.Errorf("rollback of %q: got %v, %v; want %q", s.name, files, err, s.want)
		}
	}
}

func TestWhatExpiredGoesWithTheNextSave(t *testing.T) {
	t.Parallel()
	a := open(t)
	short := func(i *issued) { i.NotAfter = noon.Add(-time.Minute) }
	expired, held, lasting := issue(t, "example.org", short), issue(t, "held.org", short), issue(t, "other.org", nil)
	save(t, a, expired)
	save(t, a, expired, held, lasting)
	entries, err := a.Entries()
	try(t, err)
	try(t, a.Hold(map[string]cert.Held{"held.org": {Digest: held.Digest, File: a.pairPath(entries[0].Certificates[1].Pair)}}))
	fresh := issue(t, "example.org", nil)
	save(t, a, fresh, lasting)
	want(t, a, []issued{fresh, lasting}, []issued{lasting})
	if got := files(t, a, pairsDir); len(got) != 3 {
		t.Errorf("pairs %v; want three, the held one among them", got)
	}
}

func TestWhatIsHeldSurvives(t *testing.T) {
	t.Parallel()
	a := open(t)
	if held, err := a.Held(); err != nil || len(held) != 0 {
		t.Errorf("held %v, %v; want none", held, err)
	}
	one, two := issue(t, "example.org", nil), issue(t, "example.org", nil)
	save(t, a, one)
	save(t, a, two)
	files, _, err := a.Previous([]status.Certificate{two.served()}, "")
	try(t, err)
	given := map[string]cert.Held{"example.org": {Digest: two.Digest, File: files["example.org"]}}
	try(t, a.Hold(given))
	for range 4 {
		save(t, a, issue(t, "other.org", nil)) // what it is from is forgotten
	}
	again, err := Open(a.dir)
	try(t, err)
	if held, err := again.Held(); err != nil || !maps.Equal(held, given) {
		t.Errorf("held %v, %v; want %v", held, err, given)
	}
	for _, file := range []string{"/etc/passwd", a.dir + "/pairs/../pairs/" + filepath.Base(given["example.org"].File), a.dir + "/pairs/x.pem"} {
		if err := a.Hold(map[string]cert.Held{"example.org": {Digest: two.Digest, File: file}}); err == nil {
			t.Errorf("%q is held; want it refused", file)
		}
	}
	try(t, os.WriteFile(files["example.org"], []byte("else"), 0o600))
	if held, err := a.Held(); err == nil || len(held) != 0 {
		t.Errorf("held %v, %v; want an error: the pair is damaged", held, err)
	}
	try(t, a.Hold(nil), a.Hold(nil))
	if _, err := os.Stat(filepath.Join(a.dir, heldFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("held.json: %v; want it gone", err)
	}
	try(t, os.WriteFile(filepath.Join(a.dir, heldFile), []byte(`{"version":1,"held":{"x":{"pair":"../../etc/passwd"}}}`), 0o600))
	if held, err := a.Held(); err == nil || len(held) != 0 {
		t.Errorf("held %v, %v; want an error", held, err)
	}
}

func TestWhatIsDamagedIsSkippedAndSaid(t *testing.T) {
	t.Parallel()
	a := open(t)
	one, two, three := issue(t, "example.org", nil), issue(t, "example.org", nil), issue(t, "example.org", nil)
	save(t, a, one)
	save(t, a, two)
	save(t, a, three)
	entries, err := a.Entries()
	try(t, err)
	try(t, os.WriteFile(filepath.Join(a.dir, bundlesDir, "2.json"), []byte(`{"version":1,"certifi`), 0o600),
		os.Truncate(a.pairPath(entries[0].Certificates[0].Pair), 100))
	good, err := a.Entries()
	if len(good) != 1 || good[0].Number != 1 || err == nil || !strings.Contains(err.Error(), "kept bundle 2: decode") || !strings.Contains(err.Error(), "kept bundle 3: certificate") {
		t.Errorf("entries %+v, %v; want the first, and what is wrong with the others", good, err)
	}
	save(t, a, three) // mends what is served
	want(t, a, []issued{three}, []issued{one})
	if got := files(t, a, bundlesDir); fmt.Sprint(got) != "[1.json 3.json]" {
		t.Errorf("bundles %v; want the unreadable one gone", got)
	}
}

func TestForeignFilesAndPlantedLinksAreLeftAlone(t *testing.T) {
	t.Parallel()
	a := open(t)
	outside := filepath.Join(t.TempDir(), "outside")
	digest := strings.Repeat("ab", 32)
	try(t, os.WriteFile(outside, []byte("precious"), 0o600))
	foreign := []string{"notes.txt", "pairs/readme", "pairs/" + digest[1:] + ".pem", "bundles/01.json", "bundles/x.json", "bundles/.keep", "bundles/99999999999999999999.json"}
	for _, name := range foreign {
		try(t, os.WriteFile(filepath.Join(a.dir, name), []byte("x"), 0o600))
	}
	one := issue(t, "example.org", nil)
	sum := sha256.Sum256(bundle(t, one).PEM(0))
	links := []string{"pairs/" + hex.EncodeToString(sum[:]) + ".pem", "pairs/" + digest + ".pem", "bundles/1.json", "bundles/7.json", "lock", heldFile}
	for _, name := range links[:4] {
		try(t, os.Symlink(outside, filepath.Join(a.dir, name)))
	}
	try(t, unix.Mkfifo(filepath.Join(a.dir, "bundles", "8.json"), 0o600), os.Mkdir(filepath.Join(a.dir, "bundles", "9.json"), 0o700))
	left := []string{"bundles/.1.json123", "pairs/." + digest + ".pem456", ".held.json789"} // by a process that was killed
	for _, name := range left {
		try(t, os.WriteFile(filepath.Join(a.dir, name), nil, 0o600))
	}
	for range 5 {
		save(t, a, issue(t, "example.org", nil))
	}
	save(t, a, one)
	entries, err := a.Entries()
	if len(entries) != 3 || entries[0].Certificates[0].Fingerprint != one.Fingerprint || err == nil {
		t.Errorf("kept %v, %v; want the last three, and that others cannot be read", entries, err)
	}
	if b, err := os.ReadFile(outside); err != nil || string(b) != "precious" {
		t.Errorf("what a link leads to: %q, %v; want it untouched", b, err)
	}
	for _, name := range foreign {
		if _, err := os.Lstat(filepath.Join(a.dir, name)); err != nil {
			t.Errorf("foreign file: %v; want it left alone", err)
		}
	}
	for _, name := range left {
		if _, err := os.Lstat(filepath.Join(a.dir, name)); err == nil {
			t.Errorf("%q is left of a killed process; want it removed", name)
		}
	}
	if info, err := os.Lstat(filepath.Join(a.dir, links[0])); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the pair whose name was taken by a link: %v, %v; want a file", info, err)
	}
	try(t, os.Symlink(outside, filepath.Join(a.dir, heldFile)))
	if held, err := a.Held(); err == nil {
		t.Errorf("held %v through a link; want an error", held)
	}
}
