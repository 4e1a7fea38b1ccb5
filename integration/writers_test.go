package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// noticed is how a change of the files comes to the supervisor's notice: a
// signal, a command, or "watch", which is nothing at all. Each scenario runs
// once for each.
var noticed = []string{"hup", "reload", "rotate", "watch"}

// eachNotice runs a scenario once for each way of noticing, on an instance of
// its own with clients at work, and requires that nothing is lost and no
// certificate met that was never issued.
func eachNotice(t *testing.T, scenario func(w *writing)) {
	t.Helper()
	for _, how := range noticed {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := prepareWriting(t, how, "")
			w.start()
			scenario(w)
			w.end()
		})
	}
}

// writing is an instance whose files somebody writes. It belongs to the test's
// goroutine.
type writing struct {
	t        *testing.T
	i        *harness.Instance
	how      string
	load     *harness.Running
	last     harness.Pair    // the latest that was issued
	issued   map[string]bool // fingerprints
	asked    time.Time       // when the supervisor was last told
	wrote    time.Time       // when the last write began: a watch needs no telling
	command  sync.WaitGroup  // the one that runs, if any
	running  chan struct{}   // holds one value while it does
	archived int             // how many pairs certbot has
}

func prepareWriting(t *testing.T, how, checks string) *writing {
	t.Helper()
	tables := "[tls.checks]\n" + checks
	if how == "watch" {
		tables = "[tls]\nreload = \"watch\"\n" + tables
	}
	// Generations may follow each other faster than they drain.
	i := harness.Prepare(t, harness.Config{Workers: 1, Keys: "max_draining = 100", Tables: tables})
	return &writing{
		t: t, i: i, how: how, last: i.First, issued: map[string]bool{i.First.Fingerprint: true},
		running: make(chan struct{}, 1),
	}
}

func (w *writing) start() {
	w.t.Helper()
	w.i.Launch()
	w.i.WaitServing()
	w.load = w.i.Load(w.t, harness.Load{New: 1, Kept: 2, Rest: 5 * time.Millisecond, Think: 5 * time.Millisecond})
}

// end requires what every scenario does.
func (w *writing) end() {
	w.t.Helper()
	served(w.t, w.i, w.last)
	report := w.load.Stop()
	report.NothingLost(w.t)
	report.Only(w.t, w.issued)
}

// issue makes the pair that is to be written next.
func (w *writing) issue() harness.Pair { return w.keep(w.i.Certs.Issue(harness.Leaf{})) }

// reissue makes another certificate for the same key.
func (w *writing) reissue() harness.Pair { return w.keep(w.i.Certs.Reissue(w.last)) }

func (w *writing) keep(p harness.Pair) harness.Pair {
	w.last = p
	w.issued[p.Fingerprint] = true
	return p
}

// path is a file of the folder that the configuration names.
func (w *writing) path(name string) string {
	return filepath.Join(filepath.Dir(w.i.Certs.CertFile()), name)
}

// put writes a file in place: it is empty for a moment, then grows.
func (w *writing) put(name string, content []byte) {
	w.t.Helper()
	w.wrote = time.Now()
	if err := os.WriteFile(w.path(name), content, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// link makes a name of the folder a symbolic link, replacing what it was as
// certbot does: for a moment it is missing.
func (w *writing) link(name, target string, meanwhile func()) {
	w.t.Helper()
	w.wrote = time.Now()
	if err := os.Remove(w.path(name)); err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	meanwhile()
	if err := os.Symlink(target, w.path(name)); err != nil {
		w.t.Fatal(err)
	}
}

// notice tells the supervisor and goes on at once. A command that still runs
// is not joined by a second one.
func (w *writing) notice() {
	w.t.Helper()
	w.asked = time.Now()
	switch w.how {
	case "watch":
		w.asked = w.wrote
	case "hup":
		w.i.Signal(syscall.SIGHUP)
	default:
		select {
		case w.running <- struct{}{}:
		default:
			return
		}
		w.command.Go(func() {
			defer func() { <-w.running }()
			if got := w.i.Do(w.how); got.Exit != 0 {
				w.t.Errorf("%s in the middle of a write: %v, want exit 0", w.how, got)
			}
		})
	}
}

// finish tells the supervisor that the writer is done, and waits until it has
// taken what was written.
func (w *writing) finish() harness.Status {
	w.t.Helper()
	w.command.Wait()
	w.notice()
	w.command.Wait()
	w.i.WaitServed(w.last, within)
	return w.i.Until(w.t, "taken", within, func(s harness.Status) error {
		last := s.LastReload
		// Those asked for while one ran are one, which began when the first was
		// asked for; a watch may be done before this is asked about.
		if last == nil || last.Outcome != "done" || w.how != "watch" && last.Finished.Before(w.asked) {
			return fmt.Errorf("last reload %+v, want one done after %v", last, w.asked)
		}
		return harness.Serving(s)
	})
}

// once requires that one write of a pair, completed before anybody is told,
// comes to one handover or rotation, asked for as it was.
func (w *writing) once(write func()) {
	w.t.Helper()
	before := w.i.Until(w.t, "settled", within, harness.Settled)
	ended := w.observe(before.LastReload)
	write()
	after := w.finish()
	if ids := ended(); len(ids) != 1 {
		w.t.Errorf("%d reloads ended for one write (%v), want 1", len(ids), ids)
	}
	kind, askedBy, more := "reload", "control", 1
	switch w.how {
	case "hup":
		askedBy = "signal"
	case "watch":
		kind, askedBy, more = "rotate", "watch", 0
	case "rotate":
		kind, more = "rotate", 0
	}
	if last := after.LastReload; last.Outcome != "done" || last.AskedBy != askedBy || (last.Kind == "rotate") != (kind == "rotate") {
		w.t.Errorf("last reload: %+v, want a %s done, asked for by %s", last, kind, askedBy)
	}
	if after.Generation != before.Generation+more {
		w.t.Errorf("generation %d after one write, want %d", after.Generation, before.Generation+more)
	}
}

// observe looks at the status all the time, and returns when each reload began
// that has ended since the given one.
func (w *writing) observe(since *harness.Reload) func() map[time.Time]bool {
	stop, seen := make(chan struct{}), make(chan map[time.Time]bool, 1)
	go func() { // ends when stop is closed
		ended := map[time.Time]bool{}
		for stopped := false; ; {
			s, err := w.i.Status()
			if last := s.LastReload; err == nil && last != nil && last.Outcome != "" && (since == nil || last.Started.After(since.Started)) {
				ended[last.Started] = true
			}
			if stopped && err == nil { // and has looked once more
				seen <- ended
				return
			}
			select {
			case <-stop:
				stopped = true
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	return func() map[time.Time]bool {
		close(stop)
		return <-seen
	}
}

// requireChain requires a served chain of that length.
func (w *writing) requireChain(length int) {
	w.t.Helper()
	chain, err := w.i.Chain()
	if err != nil || len(chain) != length || harness.Fingerprint(chain[0].Raw) != w.last.Fingerprint {
		w.t.Errorf("served %d certificates, %v; want the %d that were written last", len(chain), err, length)
	}
}

// torn tells the supervisor in the middle of a write, and gives it the time
// that the tool would: what it sees is torn.
func (w *writing) torn(open time.Duration) {
	w.notice()
	harness.After(open)
}

// TestAcmeshWritesInPlace (D01): the key first, the full chain 15 ms later.
func TestAcmeshWritesInPlace(t *testing.T) {
	t.Parallel()
	eachNotice(t, func(w *writing) {
		for range 5 {
			p := w.issue()
			w.put("privkey.pem", p.Key)
			w.torn(15 * time.Millisecond)
			w.put("fullchain.pem", p.Cert)
			w.finish()
		}
		w.once(func() {
			p := w.issue()
			w.put("privkey.pem", p.Key)
			harness.After(15 * time.Millisecond)
			w.put("fullchain.pem", p.Cert)
		})
	})
}

// TestStepTruncatesAndWrites (D10): the key is kept, so the file is empty and
// then the only one that changes.
func TestStepTruncatesAndWrites(t *testing.T) {
	t.Parallel()
	eachNotice(t, func(w *writing) {
		for range 5 {
			p := w.reissue()
			w.put("fullchain.pem", nil)
			w.torn(10 * time.Millisecond)
			w.put("fullchain.pem", p.Cert)
			w.finish()
		}
		w.once(func() {
			p := w.reissue()
			w.put("fullchain.pem", nil)
			harness.After(10 * time.Millisecond)
			w.put("fullchain.pem", p.Cert)
		})
	})
}

// TestLegoWritesTheCertificateFirst: then the key, both in place.
func TestLegoWritesTheCertificateFirst(t *testing.T) {
	t.Parallel()
	eachNotice(t, func(w *writing) {
		for range 5 {
			p := w.issue()
			w.put("fullchain.pem", p.Cert)
			w.torn(5 * time.Millisecond)
			w.put("privkey.pem", p.Key)
			w.finish()
		}
		w.once(func() {
			p := w.issue()
			w.put("fullchain.pem", p.Cert)
			harness.After(5 * time.Millisecond)
			w.put("privkey.pem", p.Key)
		})
	})
}

// certbot writes a pair as certbot does: new files in an archive, then each
// link removed and made again, one by one. between is called eight times while
// the links are torn, twice for each.
func (w *writing) certbot(between func(moment int)) {
	w.t.Helper()
	p, blocks := w.issue(), harness.Blocks(w.last.Cert)
	w.archived++
	version := strconv.Itoa(w.archived) + ".pem"
	archive := filepath.Join(w.i.Dir, "archive")
	if err := os.MkdirAll(archive, 0o700); err != nil {
		w.t.Fatal(err)
	}
	kinds := []string{"cert", "privkey", "chain", "fullchain"}
	for n, content := range [][]byte{blocks[0], p.Key, blocks[1], p.Cert} {
		if err := os.WriteFile(filepath.Join(archive, kinds[n]+version), content, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	for n, kind := range kinds {
		w.link(kind+".pem", filepath.Join(archive, kind+version), func() { between(2 * n) })
		between(2*n + 1)
	}
}

// TestCertbotUnlinksAndLinksFiveHundredTimes (D06).
func TestCertbotUnlinksAndLinksFiveHundredTimes(t *testing.T) {
	t.Parallel()
	eachNotice(t, func(w *writing) {
		for n := range 500 {
			w.certbot(func(moment int) {
				if n%20 == 0 && moment == n/20%8 {
					w.torn(3 * time.Millisecond)
				}
			})
		}
		w.finish()
		w.once(func() { w.certbot(func(int) {}) })
	})
}

// kubelet writes a pair as the kubelet updates a mounted secret: a new folder,
// to which ..data is switched by a rename, and the old folder removed. between
// is called three times, before the switch, after it and at the end.
func (w *writing) kubelet(between func(moment int)) {
	w.t.Helper()
	p := w.issue()
	fresh, err := os.MkdirTemp(w.path("."), "..")
	must(w.t, err)
	must(w.t, os.WriteFile(filepath.Join(fresh, "fullchain.pem"), p.Cert, 0o600))
	must(w.t, os.WriteFile(filepath.Join(fresh, "privkey.pem"), p.Key, 0o600))
	between(0)
	old, _ := os.Readlink(w.path("..data"))
	must(w.t, os.Symlink(filepath.Base(fresh), w.path("..data_tmp")))
	must(w.t, os.Rename(w.path("..data_tmp"), w.path("..data")))
	between(1)
	if old != "" {
		must(w.t, os.RemoveAll(w.path(old)))
	}
	between(2)
}

// TestKubernetesSwitchesTheFolderFiveHundredTimes (D05).
func TestKubernetesSwitchesTheFolderFiveHundredTimes(t *testing.T) {
	t.Parallel()
	eachNotice(t, func(w *writing) {
		w.kubelet(func(int) {})
		for _, name := range []string{"privkey.pem", "fullchain.pem"} { // mounted once
			w.link(name, "..data/"+name, func() {})
		}
		w.finish()
		for n := range 500 {
			w.kubelet(func(moment int) {
				if n%20 == 0 && moment == n/20%3 {
					w.notice()
				}
			})
		}
		w.finish()
		w.once(func() { w.kubelet(func(int) {}) })
	})
}

// must ends a test that cannot write its files.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
