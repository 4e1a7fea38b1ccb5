package cert

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
	"golang.org/x/sys/unix"
)

// steps is a taker whose writer goes on while it waits: each wait takes the
// next step, and the last wait finds nothing left to do.
func steps(t *testing.T, r Request, todo ...func()) (*taker, *int) {
	waits := 0
	start := time.Now()
	return &taker{
		Request: r,
		now:     func() time.Time { return start.Add(time.Duration(waits) * settlePause) },
		wait: func(_ context.Context, d time.Duration) {
			if d != settlePause {
				t.Errorf("waits %v; want %v", d, settlePause)
			}
			if waits < len(todo) {
				todo[waits]()
			}
			waits++
		},
	}, &waits
}

func TestAGoodPairCostsNoWait(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	taker, waits := steps(t, Request{
		Sources: []config.Certificate{pairIn(t, chain, key)}, Served: served("example.org", 2, "example.org"),
	})
	if _, checks, err := taker.take(t.Context()); err != nil || len(checks) != 0 || *waits != 0 {
		t.Errorf("error %v, findings %+v, %d waits; want none", err, checks, *waits)
	}
}

// story is what a writer does: how it left the files, and its next steps.
type story struct {
	name            string
	first, firstKey []byte
	before          func(config.Certificate) // after both files are there
	todo            []func(config.Certificate)
}

func (s story) run(t *testing.T) {
	source := pairIn(t, s.first, s.firstKey)
	if s.before != nil {
		s.before(source)
	}
	var todo []func()
	for _, step := range s.todo {
		todo = append(todo, func() { step(source) })
	}
	taker, waits := steps(t, Request{
		Sources: []config.Certificate{source}, Served: served("example.org", 2, "example.org"),
	}, todo...)
	bundle, checks, err := taker.take(t.Context())
	if checks = grave(checks); err != nil || len(checks) != 0 {
		t.Fatalf("error %v, findings %+v; want none", err, checks)
	}
	if got := bundle.Certificates[0].ChainLength; got != 2 || *waits != len(todo) {
		t.Errorf("chain of %d after %d waits; want 2 after %d", got, *waits, len(todo))
	}
}

func TestWritersAtWorkAreWaitedFor(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	oldChain, oldKey := a.issue(nil)
	expired, expiredKey := a.issue(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	chain, key := a.issue(nil)
	leafEnd := strings.Index(string(chain), "-----END CERTIFICATE-----\n") + len("-----END CERTIFICATE-----\n")

	for _, s := range []story{
		{name: "acme.sh: key, then chain", first: oldChain, firstKey: key, todo: []func(config.Certificate){
			func(c config.Certificate) { write(t, c.CertFile, nil) },
			func(c config.Certificate) { write(t, c.CertFile, chain) },
		}},
		{name: "acme.sh after the old one has expired", first: expired, firstKey: key, todo: []func(config.Certificate){
			func(c config.Certificate) { write(t, c.CertFile, chain) },
		}},
		{name: "lego: chain, then key", first: chain, firstKey: expiredKey, todo: []func(config.Certificate){
			func(c config.Certificate) { write(t, c.KeyFile, key) },
		}},
		{name: "truncated, then completed", first: chain, firstKey: nil, todo: []func(config.Certificate){
			func(c config.Certificate) { write(t, c.KeyFile, key[:40]) },
			func(c config.Certificate) { write(t, c.KeyFile, key) },
		}},
		{name: "leaf, then half of the intermediate, then all", first: chain[:leafEnd], firstKey: key, todo: []func(config.Certificate){
			func(c config.Certificate) { write(t, c.CertFile, chain[:leafEnd+100]) },
			func(c config.Certificate) { write(t, c.CertFile, chain) },
		}},
		{
			name: "unlinked, then created", first: chain, firstKey: key,
			before: func(c config.Certificate) { remove(t, c.KeyFile) },
			todo: []func(config.Certificate){
				func(c config.Certificate) { remove(t, c.CertFile) },
				func(c config.Certificate) { write(t, c.KeyFile, key) },
				func(c config.Certificate) { write(t, c.CertFile, chain) },
			},
		},
		{name: "link moved to old files", first: oldChain, firstKey: key, todo: []func(config.Certificate){
			func(c config.Certificate) {
				write(t, c.KeyFile+".old", oldKey)
				stale := time.Now().Add(-time.Hour)
				if err := os.Chtimes(c.KeyFile+".old", stale, stale); err != nil {
					t.Error(err)
				}
				remove(t, c.KeyFile)
				if err := os.Symlink(filepath.Base(c.KeyFile)+".old", c.KeyFile); err != nil {
					t.Error(err)
				}
			},
		}},
	} {
		t.Run(s.name, func(t *testing.T) { t.Parallel(); s.run(t) })
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Error(err)
	}
}

func TestABrokenPairIsRefusedWhenItsFilesAreNoLongerYoung(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, _ := a.issue(nil)
	_, key := a.issue(nil)
	source := pairIn(t, chain, key)
	taker, waits := steps(t, Request{Sources: []config.Certificate{source}})
	bundle, checks, err := taker.take(t.Context())
	verify(t, bundle, checks, err, []string{"pair.mismatch"}, "")
	if most := int(youth/settlePause) + 1; *waits == 0 || *waits > most {
		t.Errorf("%d waits; want some, %d at most", *waits, most)
	}
}

func TestAWriterThatNeverEndsIsRefusedAfterTheLimit(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, _ := a.issue(nil)
	_, key := a.issue(nil)
	source := pairIn(t, chain, key)
	taker, waits := steps(t, Request{Sources: []config.Certificate{source}})
	wait := taker.wait
	taker.wait = func(ctx context.Context, d time.Duration) {
		wait(ctx, d)
		at := taker.now()
		if err := os.Chtimes(source.KeyFile, at, at); err != nil { // written again and again
			t.Error(err)
		}
	}
	bundle, checks, err := taker.take(t.Context())
	verify(t, bundle, checks, err, []string{"pair.mismatch"}, "")
	if want := int(settleLimit / settlePause); *waits != want {
		t.Errorf("%d waits; want %d, %v in all", *waits, want, settleLimit)
	}
}

func TestWhatNoWriterExplainsIsRefusedAtOnceThoughTheFilesAreYoung(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	_, otherKey := a.issue(nil)
	sources := []config.Certificate{pairIn(t, chain, otherKey), pairIn(t, chain, key)}
	sources[1].ServerNames = []string{"missing.example.org"}
	taker, waits := steps(t, Request{Sources: sources})
	bundle, checks, err := taker.take(t.Context())
	verify(t, bundle, checks, err, []string{"pair.mismatch", "name.missing"}, "")
	if *waits != 0 {
		t.Errorf("%d waits; want none", *waits)
	}
}

func TestEndOfTheContextEndsTheWait(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	source := config.Certificate{CertFile: filepath.Join(t.TempDir(), "a"), KeyFile: filepath.Join(t.TempDir(), "b")}
	if _, _, err := Take(ctx, Request{Sources: []config.Certificate{source}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v; want %v", err, context.Canceled)
	}
}

// grave leaves out what is only said, such as that links were followed.
func grave(checks []status.Check) []status.Check {
	return slices.DeleteFunc(checks, func(c status.Check) bool { return c.Severity == info })
}

// rounds lets change(i) run beside a Take, 500 times, and wants every Take to
// bring one of the issued pairs and never a mixed one, also when what was taken
// before need not be proven again.
func rounds(t *testing.T, source config.Certificate, chains, keys [][]byte, change func(i int)) {
	t.Helper()
	whole := map[string]bool{}
	for i := range chains {
		whole[string(join(chains[i], keys[i]))] = true
	}
	r := Request{Sources: []config.Certificate{source}, Served: served("example.org", 2, "example.org")}
	for i := range 500 {
		changed := make(chan struct{})
		go func() { defer close(changed); change(i) }()
		b, checks, err := Take(t.Context(), r)
		<-changed
		if checks = grave(checks); err != nil || len(checks) > 0 {
			t.Fatalf("round %d: error %v, findings %+v; want none", i, err, checks)
		}
		if got := string(b.PEM(0)); !whole[got] {
			t.Fatalf("round %d: took a mixed pair: %s", i, got)
		}
		if r.Known != nil {
			r.Known.Close()
		}
		r.Known = b
	}
	r.Known.Close()
}

// issues prepares pairs to change between.
func issues(t *testing.T) (chains, keys [][]byte) {
	a := newAuthority(t)
	for range 4 {
		chain, key := a.issue(nil)
		chains, keys = append(chains, chain), append(keys, key)
	}
	return chains, keys
}

func TestCertbotReplacingLinksNeverLeadsToARefusal(t *testing.T) {
	t.Parallel()
	chains, keys := issues(t)
	live, archive := t.TempDir(), t.TempDir()
	for i := range chains {
		write(t, filepath.Join(archive, fmt.Sprintf("fullchain%d.pem", i)), chains[i])
		write(t, filepath.Join(archive, fmt.Sprintf("privkey%d.pem", i)), keys[i])
	}
	change := func(i int) {
		for _, name := range []string{"cert", "privkey", "chain", "fullchain"} {
			link := filepath.Join(live, name+".pem")
			_ = os.Remove(link)
			if err := os.Symlink(filepath.Join(archive, fmt.Sprintf("%s%d.pem", name, i%len(chains))), link); err != nil {
				t.Error(err)
			}
		}
	}
	change(0)
	rounds(t, config.Certificate{CertFile: filepath.Join(live, "fullchain.pem"), KeyFile: filepath.Join(live, "privkey.pem")}, chains, keys, change)
}

func TestKubernetesSwappingTheDirectoryNeverLeadsToARefusal(t *testing.T) {
	t.Parallel()
	chains, keys := issues(t)
	mount := t.TempDir()
	data := filepath.Join(mount, "..data")
	change := func(i int) {
		before, _ := os.Readlink(data)
		next := fmt.Sprintf("..%d", i+1)
		if err := os.Mkdir(filepath.Join(mount, next), 0o755); err != nil {
			t.Error(err)
		}
		write(t, filepath.Join(mount, next, "tls.crt"), chains[i&3])
		write(t, filepath.Join(mount, next, "tls.key"), keys[i&3])
		if err := errors.Join(os.Symlink(next, data+"_tmp"), os.Rename(data+"_tmp", data)); err != nil {
			t.Error(err)
		}
		if before != "" {
			_ = os.RemoveAll(filepath.Join(mount, before))
		}
	}
	change(-1 + 4096)
	source := config.Certificate{CertFile: filepath.Join(mount, "tls.crt"), KeyFile: filepath.Join(mount, "tls.key")}
	for _, name := range []string{source.CertFile, source.KeyFile} {
		if err := os.Symlink("..data/"+filepath.Base(name), name); err != nil {
			t.Fatal(err)
		}
	}
	rounds(t, source, chains, keys, change)
}

func TestAcmeWritingInPlaceNeverLeadsToARefusal(t *testing.T) {
	t.Parallel()
	chains, keys := issues(t)
	source := pairIn(t, chains[0], keys[0])
	rounds(t, source, chains, keys, func(i int) { // the key first, each file truncated and then written
		write(t, source.KeyFile, keys[i&3])
		write(t, source.CertFile, chains[i&3])
	})
}

func TestAFolderWhosePairsAreSwappedNeverLeadsToARefusal(t *testing.T) {
	t.Parallel()
	chains, keys := issues(t)
	mount := t.TempDir()
	data := filepath.Join(mount, "..data")
	for _, name := range []string{"tls.crt", "tls.key"} {
		if err := os.Symlink("..data/"+name, filepath.Join(mount, name)); err != nil {
			t.Fatal(err)
		}
	}
	change := func(i int) {
		next := fmt.Sprintf("..%d", i)
		mkdir(t, mount, next)
		write(t, filepath.Join(mount, next, "tls.crt"), chains[i&3])
		write(t, filepath.Join(mount, next, "tls.key"), keys[i&3])
		if err := errors.Join(os.Symlink(next, data+"_tmp"), os.Rename(data+"_tmp", data)); err != nil {
			t.Error(err)
		}
		_ = os.RemoveAll(filepath.Join(mount, fmt.Sprintf("..%d", i-1)))
	}
	change(4096)
	rounds(t, config.Certificate{Dir: mount}, chains, keys, change)
}

func TestBothFilesComeFromTheDirectoryThatWasOpened(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	source := pairIn(t, chain, key)
	d := newFolders()
	defer d.close()
	cert, private := d.locate("certfile", source.CertFile), d.locate("keyfile", source.KeyFile)
	dirs := d.directories([]*file{cert, private})
	fd, ok := cert.open(dirs[0])
	if !ok {
		t.Fatal(cert.err)
	}
	defer unix.Close(fd)
	// The directory is renamed away and another takes its place.
	dir := filepath.Dir(source.CertFile)
	if err := errors.Join(os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	write(t, source.KeyFile, []byte("other"))
	second, ok := private.open(dirs[1])
	if !ok {
		t.Fatal(private.err)
	}
	defer unix.Close(second)
	if got, err := readAll(second, 0); err != nil || string(got) != string(key) {
		t.Errorf("read %q, %v; want the first directory's key", got, err)
	}
	if private.compare(); private.err != errUnstable {
		t.Errorf("after the swap: %v; want %v, for the path leads elsewhere", private.err, errUnstable)
	}
}
