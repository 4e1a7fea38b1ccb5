package cert

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
)

func nameList(b *Bundle) []string {
	var list []string
	for _, c := range b.Certificates {
		list = append(list, c.Name)
	}
	return list
}

func TestAFolderStandsForItsPairs(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	dir := t.TempDir()
	for _, name := range []string{"b", "a", ".hidden", "a.b"} {
		a.put(t, dir, name)
	}
	// Kubernetes: links through a hidden folder; certbot: a folder a name.
	a.put(t, mkdir(t, dir, "..2026"), "tls")
	live := mkdir(t, dir, "live.example.org")
	a.put(t, dir, "moved")
	for from, to := range map[string]string{"moved.crt": "live.example.org/fullchain.pem", "moved.key": "live.example.org/privkey.pem"} {
		if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"..data": "..2026", "tls.crt": "..data/tls.crt", "tls.key": "..data/tls.key", "linked": live} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	// What other tools leave beside them.
	for _, name := range []string{"README", "ca.crt", "a.issuer.crt", "a.json", "a.csr", "a.crt.bak"} {
		write(t, filepath.Join(dir, name), []byte("not for us"))
	}
	mkdir(t, dir, "empty")
	own := pairIn(t, certPEM(a.root), nil)
	chain, key := a.issue(nil)
	write(t, own.CertFile, chain)
	write(t, own.KeyFile, key)

	b, checks, err := Take(t.Context(), Request{Sources: []config.Certificate{own, {Dir: dir}, {SelfSigned: []string{"localhost"}}}})
	if err != nil {
		t.Fatalf("%v: %+v", err, checks)
	}
	defer b.Close()
	want := []string{"example.org", "a", "a.b", "b", "linked", "live.example.org", "tls", "localhost"}
	if got := nameList(b); !slices.Equal(got, want) {
		t.Errorf("took %q; want %q", got, want)
	}
	if got := b.Certificates[3]; got.Source != filepath.Join(dir, "b.crt") || len(got.Digest) != 64 || !slices.Contains(got.Names, "b.example.org") {
		t.Errorf("described as %+v", got)
	}
}

func mkdir(t testing.TB, parts ...string) string {
	t.Helper()
	path := filepath.Join(parts...)
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFolderWithoutAWholePairIsRefused(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	for _, s := range []struct {
		name, want, hint string
		prepare          func(dir string) error
	}{
		{"missing", "file.missing", `there is no "certs" in`, func(string) error { return nil }},
		{"empty", "file.missing", "put NAME.crt and NAME.key", func(dir string) error { return os.Mkdir(dir, 0o755) }},
		{"a file", "file.not_regular", "certfile and keyfile", func(dir string) error { return os.WriteFile(dir, nil, 0o600) }},
		{"no key", "file.missing", `no "a.key" in`, func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(dir+"/a.crt", chain, 0o600))
		}},
		{"no certificate", "file.missing", `no "a.crt" in`, func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(dir+"/a.key", key, 0o600))
		}},
		{"half a folder", "file.missing", `no "privkey.pem" in`, func(dir string) error {
			return errors.Join(os.MkdirAll(dir+"/a", 0o755), os.WriteFile(dir+"/a/fullchain.pem", chain, 0o600))
		}},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "certs")
			if err := s.prepare(dir); err != nil {
				t.Fatal(err)
			}
			b, checks, err := later(t, Request{Sources: []config.Certificate{{Dir: dir}}}).take(t.Context())
			verify(t, b, checks, err, []string{s.want}, s.hint)
		})
	}
}

func TestAFolderThatIsBeingWrittenIsWaitedFor(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	above := t.TempDir()
	dir := filepath.Join(above, "certs")
	chain, key := a.issue(nil)
	taker, waits := steps(
		t, Request{Sources: []config.Certificate{{Dir: dir}}},
		func() { mkdir(t, dir) },
		func() { write(t, dir+"/a.key", key) },
		func() { write(t, dir+"/a.crt", chain[:200]) },
		func() { write(t, dir+"/a.crt", chain); a.put(t, dir, "b") },
	)
	b, checks, err := taker.take(t.Context())
	if err != nil || len(checks) > 0 || *waits != 4 {
		t.Fatalf("error %v, findings %+v, %d waits; want none, 4 waits", err, checks, *waits)
	}
	if got := nameList(b); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("took %q; want a and b", got)
	}
}

func TestAPairThatIsGoneFromItsFolderIsNotSilentlyLost(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	dir := t.TempDir()
	a.put(t, dir, "a")
	a.put(t, dir, "b")
	first, _, err := Take(t.Context(), Request{Sources: []config.Certificate{{Dir: dir}}})
	if err != nil {
		t.Fatal(err)
	}
	request := Request{Sources: []config.Certificate{{Dir: dir}}, Served: first.Published()}
	remove(t, dir+"/b.crt")
	remove(t, dir+"/b.key")
	b, checks, err := later(t, request).take(t.Context())
	verify(t, b, checks, err, []string{"name.lost"}, "--allow name.lost")
	if c := grave(checks)[0]; c.Certificate != "b" || !strings.Contains(c.Message, `"b.example.org"`) {
		t.Errorf("found %+v; want it about b.example.org", c)
	}
	allowed := request
	allowed.Allow = []string{"name.lost"}
	if b, checks, err := later(t, allowed).take(t.Context()); err != nil || len(grave(checks)) != 1 || checks[0].Severity != warn || b.mapped.Len() != 1 {
		t.Errorf("allowed: error %v, findings %+v; want one warning and one pair", err, checks)
	}

	taker, waits := steps(t, request, func() {}, func() { a.put(t, dir, "b") })
	if b, checks, err := taker.take(t.Context()); err != nil || len(grave(checks)) > 0 || b.mapped.Len() != 2 || *waits != 2 {
		t.Errorf("replaced by its tool: error %v, findings %+v, %d waits; want it waited for", err, checks, *waits)
	}

	for _, ext := range []string{".crt", ".key"} {
		if err := os.Rename(dir+"/b"+ext, dir+"/renamed"+ext); err != nil {
			t.Fatal(err)
		}
	}
	if b, checks, err := later(t, request).take(t.Context()); err != nil || len(grave(checks)) > 0 || b.mapped.Len() != 2 {
		t.Errorf("renamed: error %v, findings %+v; want it taken: no name is lost", err, checks)
	}
}

func TestManyPairsAreTakenInOrderAndTheirFindingsAreBounded(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	const n = 300
	dir := folderOf(t, a, n)
	r := Request{Sources: []config.Certificate{{Dir: dir}}}
	b, checks, err := Take(t.Context(), r)
	if err != nil || len(checks) != 0 || b.mapped.Len() != n {
		t.Fatalf("error %v, findings %+v", err, checks)
	}
	if got := nameList(b); !slices.IsSorted(got) {
		t.Errorf("took %q; want them in order", got)
	}
	for i := range n {
		name := fmt.Sprintf("www.p%05d.example.org", i)
		if got := b.mapped.Find(name); !slices.Equal(got, []int{i}) {
			t.Fatalf("%q is served by %v; want %d", name, got, i)
		}
	}
	for i := range n {
		write(t, filepath.Join(dir, fmt.Sprintf("p%05d.key", i)), []byte("hello"))
	}
	_, checks, err = later(t, r).take(t.Context())
	var refusal *Refusal
	if !errors.As(err, &refusal) || len(checks) != mostFindings+1 {
		t.Fatalf("error %v, %d findings; want %d", err, len(checks), mostFindings+1)
	}
	last, first := checks[mostFindings], checks[0]
	if !strings.HasPrefix(last.Message, "100 more findings are not listed") || first.Certificate != "p00000" {
		t.Errorf("first %+v, last %+v", first, last)
	}
}

func TestInfosOfThousandsOfPairsAreCounted(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	const n = 300
	dir := filepath.Join(t.TempDir(), "live") // so that each file leads through a link
	if err := os.Symlink(folderOf(t, a, n), dir); err != nil {
		t.Fatal(err)
	}
	r := Request{Sources: []config.Certificate{{Dir: dir}}}
	for range 2 { // the second time with pairs that are known
		b, checks, err := Take(t.Context(), r)
		r.Known = b
		if err != nil || len(checks) != mostFindings+1 {
			t.Fatalf("error %v, %d findings; want %d", err, len(checks), mostFindings+1)
		}
		last := checks[mostFindings]
		if last.Name != "file.symlink" || !strings.HasPrefix(last.Message, "400 more findings are not listed") {
			t.Errorf("last %+v, want 400 more of two for each pair", last)
		}
	}
	kept := 0
	taker, _ := steps(t, r)
	for _, p := range taker.settle(t.Context()) {
		kept += len(p.verdict.checks)
	}
	if kept != mostFindings+1 {
		t.Errorf("%d findings are kept, want no more than is reported: %d", kept, mostFindings+1)
	}
}

func TestInfosOfPairsThatAreReadAgainAreCountedOnce(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	const n, torn = 300, 150 // the first look finds more in those that are torn than is listed
	folder := folderOf(t, a, n)
	dir := filepath.Join(t.TempDir(), "live")
	if err := os.Symlink(folder, dir); err != nil {
		t.Fatal(err)
	}
	whole := make([][]byte, torn)
	path := func(i int) string { return filepath.Join(folder, fmt.Sprintf("p%05d.key", i)) }
	for i := range whole {
		whole[i], _ = os.ReadFile(path(i))
		write(t, path(i), whole[i][:20])
	}
	taker, _ := steps(t, Request{Sources: []config.Certificate{{Dir: dir}}}, func() {
		for i, key := range whole {
			write(t, path(i), key)
		}
	})
	_, checks, err := taker.take(t.Context())
	if err != nil || len(checks) != mostFindings+1 {
		t.Fatalf("error %v, %d findings; want %d", err, len(checks), mostFindings+1)
	}
	if last := checks[mostFindings]; !strings.HasPrefix(last.Message, "400 more findings are not listed") {
		t.Errorf("last %+v, want 400 more of two for each pair", last)
	}
}

func TestOfTooManyFindingsTheWorstAreListed(t *testing.T) {
	t.Parallel()
	var checks []status.Check
	for i := range 500 {
		checks = append(checks, status.Check{Name: "change.none", Severity: info, Certificate: fmt.Sprint(i)})
	}
	checks[450].Severity, checks[460].Severity = warn, refuse
	got := (&verdict{checks: checks}).limited()
	if len(got) != mostFindings+1 || got[0].Severity != refuse || got[1].Severity != warn || got[2].Certificate != "0" {
		t.Errorf("%d findings, first %+v; want the refusal first", len(got), got[:3])
	}
}
