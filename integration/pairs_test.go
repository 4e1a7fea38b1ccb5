package integration

import (
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// names is what every good pair of this test is for; the config asks for the
// first alone, so that the second can be lost.
var names = []string{harness.Name, "www." + harness.Name}

// spoiled is one way to break a good pair, and the check that must find it.
type spoiled struct {
	check string
	pair  func(c *harness.Certs, good harness.Pair) harness.Pair
	// file lays out what a pair cannot say; it gets the two paths.
	file func(cert, key string) error
}

func cert(change func(c *harness.Certs, good harness.Pair) []byte) func(*harness.Certs, harness.Pair) harness.Pair {
	return func(c *harness.Certs, good harness.Pair) harness.Pair {
		good.Cert = change(c, good)
		return good
	}
}

func key(change func(c *harness.Certs, good harness.Pair) []byte) func(*harness.Certs, harness.Pair) harness.Pair {
	return func(c *harness.Certs, good harness.Pair) harness.Pair {
		good.Key = change(c, good)
		return good
	}
}

func leaf(l harness.Leaf) func(*harness.Certs, harness.Pair) harness.Pair {
	return func(c *harness.Certs, _ harness.Pair) harness.Pair {
		if l.Names == nil {
			l.Names = names
		}
		return c.Issue(l)
	}
}

func instead(make func(path string) error) func(cert, key string) error {
	return func(cert, _ string) error { return errors.Join(os.Remove(cert), make(cert)) }
}

// unchanged is the pair of the cases that spoil the files.
func unchanged(_ *harness.Certs, good harness.Pair) harness.Pair { return good }

func text(s string) func(*harness.Certs, harness.Pair) []byte {
	return func(*harness.Certs, harness.Pair) []byte { return []byte(s) }
}

var spoiledPairs = []spoiled{
	{check: "file.missing", pair: key(func(*harness.Certs, harness.Pair) []byte { return nil })},
	{check: "file.not_regular", pair: unchanged, file: instead(func(p string) error { return syscall.Mkfifo(p, 0o600) })},
	{check: "file.not_regular", pair: unchanged, file: instead(func(p string) error { return os.Mkdir(p, 0o700) })},
	{check: "file.too_large", pair: cert(func(_ *harness.Certs, good harness.Pair) []byte {
		return append(good.Cert, []byte(strings.Repeat("# comment\n", 120_000))...)
	})},
	// A file that is regular, may be opened and cannot be read, even by root.
	{check: "file.unreadable", pair: unchanged, file: instead(func(p string) error { return os.Symlink("/proc/self/mem", p) })},
	{check: "file.symlink_loop", pair: unchanged, file: instead(func(p string) error { return os.Symlink(filepath.Base(p), p) })},
	{check: "pem.empty", pair: cert(text(""))},
	{check: "pem.no_certificate", pair: cert(text("<html>not found</html>\n"))},
	{check: "pem.no_key", pair: key(text("no key here\n"))},
	{check: "pem.swapped", pair: func(_ *harness.Certs, good harness.Pair) harness.Pair {
		good.Cert, good.Key = good.Key, good.Cert
		return good
	}},
	{check: "pem.undecoded_block", pair: cert(func(_ *harness.Certs, good harness.Pair) []byte { return harness.Torn(good.Cert) })},
	{check: "key.encrypted", pair: key(func(*harness.Certs, harness.Pair) []byte {
		return harness.Block("ENCRYPTED PRIVATE KEY", []byte("whatever it is"))
	})},
	{check: "key.not_private", pair: key(func(*harness.Certs, harness.Pair) []byte { return harness.Block("PUBLIC KEY", []byte{0x30, 0}) })},
	{check: "key.parse", pair: key(func(*harness.Certs, harness.Pair) []byte { return harness.Block("PRIVATE KEY", []byte{0x30, 1, 2}) })},
	{check: "pair.mismatch", pair: key(func(c *harness.Certs, _ harness.Pair) []byte { return c.Issue(harness.Leaf{}).Key })},
	{check: "proof.handshake", pair: leaf(harness.Leaf{Curve: elliptic.P224()})},
	{check: "cert.parse", pair: cert(func(*harness.Certs, harness.Pair) []byte { return harness.Block("CERTIFICATE", []byte{0x30, 1, 2}) })},
	{check: "chain.leaf_not_first", pair: cert(func(_ *harness.Certs, good harness.Pair) []byte {
		blocks := harness.Blocks(good.Cert)
		return append(blocks[1], blocks[0]...)
	})},
	{check: "chain.incomplete", pair: cert(func(_ *harness.Certs, good harness.Pair) []byte { return harness.Blocks(good.Cert)[0] })},
	{check: "time.expired", pair: leaf(harness.Leaf{NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})},
	{check: "time.not_yet", pair: leaf(harness.Leaf{NotBefore: time.Now().Add(24 * time.Hour)})},
	{check: "name.missing", pair: leaf(harness.Leaf{Names: []string{"www." + harness.Name}})},
	{check: "name.lost", pair: leaf(harness.Leaf{Names: []string{harness.Name}})},
}

func TestABadPairIsRefusedAlikeBySignalCommandAndCheck(t *testing.T) {
	t.Parallel()
	i := harness.Prepare(t, harness.Config{Workers: 1})
	good := i.Certs.Install(i.Certs.Issue(harness.Leaf{Names: names}))
	i.Launch()
	i.WaitServing()
	before := i.Until(t, "settled", within, harness.Settled)
	for _, bad := range spoiledPairs {
		t.Run(bad.check, func(t *testing.T) {
			spoil(t, i, bad)
			if s := hup(t, i, "refused"); !harness.Refused(s.LastReload.Checks, bad.check) {
				t.Errorf("HUP: checks %v, want %s to refuse", harness.Names(s.LastReload.Checks), bad.check)
			}
			if got := i.Do("reload"); got.Exit != 65 || !strings.Contains(got.Stderr, "("+bad.check+")") {
				t.Errorf("reload: %v, want exit 65 and (%s)", got, bad.check)
			}
			got := i.Do("check", "--json")
			var verdict harness.Verdict
			err := json.Unmarshal([]byte(got.Stdout), &verdict)
			if got.Exit != 65 || err != nil || verdict.Accepted || !harness.Refused(verdict.Checks, bad.check) {
				t.Errorf("check: %v, %v; want exit 65 and %s to refuse", got, err, bad.check)
			}
			served(t, i, good)
		})
	}
	after := i.Until(t, "settled", within, harness.Settled)
	if after.Generation != before.Generation || after.Master.Pid != before.Master.Pid {
		t.Errorf("generation %d of master %d, want %d of %d untouched", after.Generation, after.Master.Pid, before.Generation, before.Master.Pid)
	}
	exactly(t, i)
	repaired := i.Certs.Install(i.Certs.Issue(harness.Leaf{Names: names}))
	if got := i.Do("check"); got.Exit != 0 {
		t.Errorf("check of the repaired pair: %v, want exit 0", got)
	}
	hup(t, i, "done")
	served(t, i, repaired)
}

// spoil puts a bad pair on disk at one stroke.
func spoil(t *testing.T, i *harness.Instance, bad spoiled) {
	t.Helper()
	pair := bad.pair(i.Certs, i.Certs.Issue(harness.Leaf{Names: names}))
	if bad.file == nil {
		i.Certs.Install(pair)
		return
	}
	dir := i.Certs.Folder()
	paths := map[string][]byte{"fullchain.pem": pair.Cert, "privkey.pem": pair.Key}
	for name, content := range paths {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := bad.file(filepath.Join(dir, "fullchain.pem"), filepath.Join(dir, "privkey.pem")); err != nil {
		t.Fatal(err)
	}
	i.Certs.Switch(dir)
}

func TestABadPairEndsTheStartWith65(t *testing.T) {
	t.Parallel()
	i := harness.Prepare(t, harness.Config{})
	i.Certs.Install(i.Certs.Issue(harness.Leaf{NotAfter: time.Now().Add(-time.Minute)}))
	i.Launch()
	if got := i.WaitExit(within); got != 65 || !strings.Contains(i.Output(), "time.expired") {
		t.Errorf("exit %d, want 65 and time.expired\n%s", got, i.Output())
	}
}

func TestAPairThatIsBeingWrittenIsWaitedForAndThenServed(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1})
	pair := i.Certs.Issue(harness.Leaf{})
	write := func(path string, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// As acme.sh writes: in place, key first, certificate after it.
	write(i.Certs.KeyFile(), pair.Key)
	write(i.Certs.CertFile(), harness.Torn(pair.Cert))
	asked := time.Now()
	i.Signal(syscall.SIGHUP)
	harness.After(300 * time.Millisecond)
	write(i.Certs.CertFile(), pair.Cert)
	i.Until(t, "done", within, harness.Ended("done", asked))
	served(t, i, pair)
}
