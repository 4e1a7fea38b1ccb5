package cert

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/config"
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
	if err != nil || len(checks) != 0 {
		t.Fatalf("error %v, findings %+v; want none", err, checks)
	}
	if got := len(bundle.Certificates[0].Chain); got != 2 || *waits != len(todo) {
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

// rounds lets change(i) run beside a Take, 200 times, and wants every Take to
// bring a pair: a mixed one would not pass the checks.
func rounds(t *testing.T, source config.Certificate, change func(i int)) {
	t.Helper()
	serving := served("example.org", 2, "example.org")
	for i := range 200 {
		changed := make(chan struct{})
		go func() { defer close(changed); change(i) }()
		_, checks, err := Take(t.Context(), Request{Sources: []config.Certificate{source}, Served: serving})
		<-changed
		if err != nil || len(checks) > 0 {
			t.Fatalf("round %d: error %v, findings %+v; want none", i, err, checks)
		}
	}
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
	rounds(t, config.Certificate{CertFile: filepath.Join(live, "fullchain.pem"), KeyFile: filepath.Join(live, "privkey.pem")}, change)
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
	rounds(t, source, change)
}

func TestBothFilesComeFromTheDirectoryThatWasOpened(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	source := pairIn(t, chain, key)
	dirs := map[string]int{}
	cert, private := locate("certfile", source.CertFile), locate("keyfile", source.KeyFile)
	fd, ok := cert.open(dirs)
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
	second, ok := private.open(dirs)
	if !ok {
		t.Fatal(private.err)
	}
	defer unix.Close(second)
	if got, err := readAll(second, 0); err != nil || string(got) != string(key) || len(dirs) != 1 {
		t.Errorf("read %q, %v from %d directories; want the first directory's key", got, err, len(dirs))
	}
	for _, fd := range dirs {
		_ = unix.Close(fd)
	}
}
