package integration

import (
	"crypto/tls"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/handover/integration/corpus"
	"example.com/handover/integration/harness"
	"golang.org/x/sys/unix"
)

// ways are the commands that judge an input. The first changes nothing.
var ways = []string{"check", "reload", "rotate"}

const (
	// settling is how long files are young, and how long a verdict may wait for
	// a writer at work; verdictWithin is what it may take besides.
	youth         = 2 * time.Second
	settling      = 10 * time.Second
	verdictWithin = 10 * time.Second
)

func TestNoInputOfTheCorpusFoolsTheProgram(t *testing.T) {
	t.Parallel()
	kit := corpus.New(t)
	var laid []placed
	var mu sync.Mutex
	home := harness.Folder(t)
	t.Run("LaidOut", func(t *testing.T) {
		spread(t, 3, corpus.All(), func(t *testing.T, input corpus.Input) {
			t.Run(input.ID, func(t *testing.T) {
				p := lay(t, kit, home, input)
				mu.Lock()
				defer mu.Unlock()
				laid = append(laid, p)
			})
		})
	})
	harness.After(youth) // or each broken one would be waited for
	t.Run("Judged", func(t *testing.T) {
		plain, alone, meddled, heavy := batches(laid)
		var runners sync.WaitGroup
		for name, queue := range map[string]chan []placed{"1": plain, "2": plain, "3": plain, "Nobody": alone, "Moving1": meddled, "Moving2": meddled} {
			runners.Go(func() {
				t.Run(name, func(t *testing.T) { judge(t, kit, queue, name == "Nobody") })
			})
		}
		runners.Wait()
		t.Run("Heavy", func(t *testing.T) { judge(t, kit, heavy, false) })
	})
}

// spread lets n goroutines work on a list.
func spread[T any](t *testing.T, n int, list []T, work func(*testing.T, T)) {
	queue := make(chan T, len(list))
	for _, item := range list {
		queue <- item
	}
	close(queue)
	var workers sync.WaitGroup
	for range n {
		workers.Go(func() {
			for item := range queue {
				work(t, item)
			}
		})
	}
	workers.Wait()
}

// placed is an input with its folder.
type placed struct {
	corpus.Input
	dir         string
	fingerprint string // of what is served when it is accepted
}

func lay(t *testing.T, kit *corpus.Kit, home string, input corpus.Input) placed {
	t.Helper()
	if input.Needs != nil {
		if err := input.Needs(); err != nil {
			t.Skipf("%s: %v", input.What, err)
		}
	}
	dir := filepath.Join(home, strings.ReplaceAll(input.ID, "/", "-"))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	k := kit.In(t, dir)
	k.Lay()
	input.Layout(k)
	p := placed{Input: input, dir: dir}
	if input.Accepted() {
		p.fingerprint = leafOf(t, dir)
	}
	return p
}

// leafOf is the first certificate of a folder's main pair.
func leafOf(t *testing.T, dir string) string {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(dir, "fullchain.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		if strings.HasSuffix(block.Type, "CERTIFICATE") {
			return harness.Fingerprint(block.Bytes)
		}
	}
	t.Fatalf("no certificate in %q", dir)
	return ""
}

// batches puts those together that want the same state of an instance.
func batches(laid []placed) (plain, alone, meddled, heavy chan []placed) {
	same := map[string][]placed{}
	for _, queue := range []*chan []placed{&plain, &alone, &meddled, &heavy} {
		*queue = make(chan []placed, len(laid))
		defer close(*queue)
	}
	for _, p := range laid {
		key := p.state()
		switch {
		case p.Meddle != nil:
			meddled <- []placed{p}
			continue
		case p.Heavy:
			heavy <- []placed{p}
			continue
		case p.Alone:
			alone <- []placed{p}
			continue
		}
		same[key] = append(same[key], p)
		if len(same[key]) == 8 {
			plain <- same[key]
			delete(same, key)
		}
	}
	for _, batch := range same {
		plain <- batch
	}
	return plain, alone, meddled, heavy
}

// state tells apart what an instance must be like before an input comes.
func (p placed) state() string {
	if p.Before != nil {
		return p.ID
	}
	return p.Settings.String()
}

// court is an instance before which inputs are brought.
type court struct {
	*harness.Instance
	kit    *corpus.Kit
	live   string // the folder that it reads
	state  string
	served string // fingerprint of the good pair
	good   map[string]bool
	base   int64 // memory that judging the good pair takes
}

// judge brings the inputs of a queue before an instance of its own.
func judge(t *testing.T, kit *corpus.Kit, queue chan []placed, nobody bool) {
	c := convene(t, kit, nobody)
	load := c.Load(t, harness.Load{New: 1, Rest: 20 * time.Millisecond})
	for batch := range queue {
		for _, p := range batch {
			t.Run(p.ID, func(t *testing.T) { c.hear(t, p) })
		}
	}
	c.Until(t, "settled", within, harness.Settled)
	exactly(t, c.Instance)
	report := load.Stop()
	report.NothingLost(t)
	report.Only(t, c.good)
}

// convene starts an instance with the good pair.
func convene(t *testing.T, kit *corpus.Kit, nobody bool) *court {
	t.Helper()
	config := harness.Config{Workers: 1, KeepaliveGrace: "2s", Keys: "max_draining = 100"}
	if nobody {
		config.Wrap = corpus.Nobody()
	}
	i := harness.Prepare(t, config)
	client := kit.In(t, "").Client()
	// What is served is odd on purpose: which it is, is looked at here instead.
	i.Certs.Adjust = func(c *tls.Config) {
		c.InsecureSkipVerify, c.Certificates = true, []tls.Certificate{client}
	}
	c := &court{Instance: i, kit: kit, live: filepath.Dir(i.Certs.CertFile()), good: map[string]bool{}}
	if err := os.Remove(c.live); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(c.folder(t, nil), c.live); err != nil {
		t.Fatal(err)
	}
	if nobody {
		if err := corpus.Give(i.Dir); err != nil {
			t.Fatal(err)
		}
	}
	c.begin(t, corpus.Settings{})
	i.Launch()
	i.WaitServing()
	c.base = i.Measure(t, "check").Peak
	return c
}

// folder lays out a good state; before changes it.
func (c *court) folder(t *testing.T, before func(*corpus.Kit)) string {
	t.Helper()
	dir := c.Certs.Folder()
	k := c.kit.In(t, dir)
	k.Lay()
	if before != nil {
		before(k)
	}
	if len(c.Config.Wrap) > 0 {
		k.Must(corpus.Give(dir))
	}
	return dir
}

// begin writes the configuration, and notes what will be served with it.
func (c *court) begin(t *testing.T, s corpus.Settings) {
	t.Helper()
	config := c.Config
	config.Names, config.Tables = []string{harness.Name}, s.Tables(c.live)
	if s.Names != nil {
		config.Names = s.Names
	}
	c.Configure(config)
	c.state, c.served = s.String(), leafOf(t, c.live)
	c.good[c.served] = true
}

// prepare brings the instance into the state that an input wants.
func (c *court) prepare(t *testing.T, p placed) {
	t.Helper()
	if c.state == p.state() {
		return
	}
	c.exchange(t, c.folder(t, p.Before))
	c.begin(t, p.Settings)
	c.state = p.state()
	if c.back(t); c.state == "unknown" {
		t.FailNow()
	}
}

// exchange puts a folder in place of the live one, and that where it was.
func (c *court) exchange(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, c.live, unix.RENAME_EXCHANGE); err != nil {
		t.Fatal(err)
	}
}

// back serves the good pair again, whatever was served in between.
func (c *court) back(t *testing.T) {
	t.Helper()
	// An input before it may have been newer, or have had other names or a longer chain.
	got := c.Run(t, "reload", "--allow", "name.lost", "--allow", "chain.incomplete", "--allow", "change.older")
	if got.Exit == 0 {
		c.shows(t, "afterwards", c.served)
	} else {
		t.Errorf("reload of the good pair: %v, want exit 0", got.Result)
		c.state = "unknown"
	}
}

func (c *court) shows(t *testing.T, when, want string) {
	t.Helper()
	if got, err := c.Served(); err != nil || got != want {
		t.Errorf("%s: served %.12s…, %v; want %.12s…", when, got, err, want)
	}
}

// hear judges an input in every way.
func (c *court) hear(t *testing.T, p placed) {
	c.prepare(t, p)
	if p.Accepted() {
		c.good[p.fingerprint] = true
	}
	for n, way := range ways {
		c.judged(t, p, way, n == 0)
	}
}

func (c *court) judged(t *testing.T, p placed, way string, only bool) {
	t.Helper()
	c.exchange(t, p.dir)
	stop := func() {}
	if p.Meddle != nil {
		stop = p.Meddle(c.live)
	}
	var got harness.Measured
	if only {
		got = c.Measure(t, way, "--json")
	} else {
		got = c.Run(t, way)
	}
	stop()
	want := c.served
	if p.Accepted() && !only {
		want = p.fingerprint
	}
	c.shows(t, way, want)
	c.exchange(t, p.dir)
	if got.Exit == 0 && !only {
		c.back(t)
	}
	v := verdict{t, p, way, got}
	v.bounded(c.base)
	v.printable()
	if only {
		v.json()
	} else {
		v.text(c.live)
	}
}
