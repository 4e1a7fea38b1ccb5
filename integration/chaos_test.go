package integration

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/chaos"
	"example.com/handover/integration/harness"
)

// What the short form tries: a seed that deals every kind of fault early.
const (
	shortSeed  = 75725
	shortSteps = 13
)

// audit is after how many steps descriptors are counted.
const audit = 3

// The environment asks for more, as "make chaos" does: HANDOVER_CHAOS is a time,
// HANDOVER_CHAOS_SEED the seed, and HANDOVER_CHAOS_STEPS, instead of both, the
// steps themselves. Not parallel: the load is the test.
func TestChaosCostsNothingButWhatTheKilledWereAnswering(t *testing.T) {
	heavy(t)
	next, more := course(t)
	o := begins(t)
	defer o.summary()
	for n := 1; more(n); n++ {
		o.suffer(n, next())
	}
	o.ends()
}

// course reads what is to be suffered, and for how long.
func course(t *testing.T) (next func() chaos.Step, more func(n int) bool) {
	t.Helper()
	if text := os.Getenv("HANDOVER_CHAOS_STEPS"); text != "" {
		steps, err := chaos.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		at := 0
		return func() chaos.Step { at++; return steps[at-1] }, func(n int) bool { return n <= len(steps) }
	}
	seed, more := uint64(shortSeed), func(n int) bool { return n <= shortSteps }
	if long := os.Getenv("HANDOVER_CHAOS"); long != "" {
		d, err := time.ParseDuration(long)
		if err != nil {
			t.Fatal(err)
		}
		end := time.Now().Add(d)
		seed, more = uint64(time.Now().UnixNano()), func(int) bool { return time.Now().Before(end) }
	}
	if text := os.Getenv("HANDOVER_CHAOS_SEED"); text != "" {
		given, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = given
	}
	// At once, and not when the test has ended: an hour may be broken off.
	fmt.Printf("chaos: seed %d\n", seed)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("again: HANDOVER_CHAOS=1h HANDOVER_CHAOS_SEED=%d go test -run '^%s$' -timeout 0 ./integration/", seed, t.Name())
		}
	})
	return chaos.New(seed).Next, more
}

// ordeal is one instance under load and all that has happened to it. It belongs
// to the test's goroutine.
type ordeal struct {
	t    *testing.T
	i    *harness.Instance
	load *harness.Running
	estate

	wanted int
	bases  map[int]inventory // by the number of workers, of a fresh generation
	offers offers
	costs  []harness.Frozen // the killed that were answering
	gaps   []gap            // there was no anchor
	undo   []func()         // lifts what lasts, the last first
	asked  []chan harness.Result
	slow   []chan harness.Loss // closed without one when it was answered

	story    []string // a line for each step
	kinds    map[string]int
	lost     map[string]int // by attribution
	requests int
	longest  time.Duration
	slowest  string
}

// gap is a time without an anchor.
type gap struct{ from, to time.Time }

// begins starts the instance, measures what it holds at rest, and loads it.
func begins(t *testing.T) *ordeal {
	t.Helper()
	o := &ordeal{t: t, wanted: 2, bases: map[int]inventory{}, kinds: map[string]int{}, lost: map[string]int{}}
	o.i = o.lay(t)
	t.Cleanup(o.lift) // before the instance is stopped: whom we stopped must go on
	o.launch()
	o.blind = o.find("worker") == 0
	o.offers.add(o.i.First)
	for n := 4; n >= 1; n-- {
		o.scale(n)
		o.renewed("reload at rest")
		o.bases[n] = o.measure()
	}
	o.scale(2)
	o.load = o.i.Load(t, harness.Load{
		New: 2, Rest: 20 * time.Millisecond, Kept: 4, Think: 15 * time.Millisecond, H2: 1, Streams: 2,
	})
	return o
}

// suffer carries one step out and requires that it has cost nothing but what it
// may, and left nothing behind.
func (o *ordeal) suffer(n int, s chaos.Step) {
	begun := time.Now()
	var laps []string
	lap := func(what string) {
		laps = append(laps, fmt.Sprintf("%s %v", what, time.Since(begun).Round(time.Millisecond)))
	}
	o.story = append(o.story, fmt.Sprintf("%d\t%s", n, s))
	o.kinds[s.Fault+" "+s.On]++
	note := o.strike(s)
	o.lift()
	lap("lifted at")
	o.answeredBy(s)
	o.sound(s)
	lap("sound")
	o.renewed("reload after it")
	lap("reloaded")
	// Else the next one strikes while this one's last generation drains.
	if n%audit == 0 {
		o.flat(s)
	}
	o.load.More(o.t, 20)
	lap("done")
	o.account(s)
	line := &o.story[len(o.story)-1]
	*line += fmt.Sprintf("\t%s%s, %d requests, lost %v", note, strings.Join(laps, ", "), o.requests, o.lost)
	if took := time.Since(begun); took > o.longest {
		o.longest, o.slowest = took, *line
	}
}

// strike is the step itself. It returns what is worth a note.
func (o *ordeal) strike(s chaos.Step) string {
	if missing := o.lacks(s); missing != "" {
		return "left out: " + missing + "; "
	}
	switch s.Fault {
	case "kill":
		return o.kill(s)
	case "stop", "hang":
		return o.stop(s)
	case "ask":
		o.ask(s)
	case "flood":
		return o.flood(s)
	case "scale":
		o.rescale(s)
	case "quiet":
		o.quiet(s)
	case "reopen":
		o.reopen(s)
	case "certificate", "config", "program", "disk", "descriptors", "processes":
		return o.endure(s)
	default:
		o.t.Fatalf("step %q: nobody knows how", s)
	}
	return ""
}

// lift ends every fault that lasts.
func (o *ordeal) lift() {
	for _, f := range slices.Backward(o.undo) {
		f()
	}
	o.undo = nil
}

func (o *ordeal) lasts(undo func()) { o.undo = append(o.undo, undo) }

// account requires every loss to be of somebody whom we killed.
func (o *ordeal) account(s chaos.Step) {
	o.t.Helper()
	r := o.load.Take()
	o.requests += r.Requests + len(o.slow)
	for _, ended := range o.slow {
		for l := range ended {
			r.Losses = append(r.Losses, l)
		}
	}
	o.slow = nil
	for _, l := range r.Losses {
		whose := o.attribute(l)
		if whose == "" {
			o.t.Errorf("after %q: lost, and nobody was killed who was to answer: %v", s, l)
			continue
		}
		o.lost[whose]++
	}
	if err := o.offers.shown(r.Sightings); err != nil {
		o.t.Errorf("after %q: %v", s, err)
	}
	if o.t.Failed() {
		o.t.FailNow()
	}
}

// attribute says whom a loss is to be blamed on; nobody: "".
func (o *ordeal) attribute(l harness.Loss) string {
	for _, g := range o.gaps {
		if l.At.After(g.from) && (l.At.Before(g.to) || !l.On.Dialled.IsZero() && l.On.Dialled.Before(g.to)) {
			return "anchor"
		}
	}
	for _, f := range o.costs {
		if f.Answered(l) {
			return "worker"
		}
	}
	return ""
}

// ends stops the load and the instance.
func (o *ordeal) ends() {
	o.t.Helper()
	o.load.Stop()
	o.account(chaos.Step{Fault: "the", On: "end"})
	o.i.Signal(syscall.SIGTERM)
	if got := o.i.WaitExit(time.Minute); got != 0 {
		o.t.Errorf("stop at the end: exit %d, want 0", got)
	}
}

// summary tells the story, the whole of it if it ended badly or is a repetition.
func (o *ordeal) summary() {
	o.t.Helper()
	if o.t.Failed() || os.Getenv("HANDOVER_CHAOS_STEPS") != "" {
		o.t.Logf("the steps:\n%s", strings.Join(o.story, "\n"))
	}
	if o.t.Failed() {
		o.t.Logf("the last steps alone: HANDOVER_CHAOS_STEPS='%s'", o.lastSteps(5))
		s, err := o.i.Status()
		o.t.Logf("status: %+v, %v\nlog:\n%s", s, err, o.tail())
	}
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(o.kinds)) {
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, o.kinds[kind]))
	}
	fmt.Printf("chaos: %d steps (%s)\n", len(o.story), strings.Join(kinds, ", "))
	fmt.Printf("chaos: %d requests, lost with those that were killed %v; failed: %v\n", o.requests, o.lost, o.t.Failed())
	fmt.Printf("chaos: the longest step, of %v: %s\n", o.longest.Round(time.Millisecond), o.slowest)
	for what, why := range o.missing() {
		fmt.Printf("chaos: LEFT OUT %s: %s\n", what, why)
	}
}

func (o *ordeal) lastSteps(n int) string {
	var steps []string
	for _, line := range o.story[max(0, len(o.story)-n):] {
		steps = append(steps, strings.Split(line, "\t")[1])
	}
	return strings.Join(steps, "; ")
}
