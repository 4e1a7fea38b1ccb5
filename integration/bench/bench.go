package bench

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
)

// bench is one run. It belongs to the test's goroutine.
type bench struct {
	report  *Report
	figures map[string]*Figure // of the report, by the key of the sheet
	peers   []Peer             // those that are installed
	effort  effort
	out     io.Writer // where it says what goes on
}

// effort says how much is measured.
type effort struct {
	rounds  int           // of what takes a second
	heavy   int           // rounds of what takes longer
	reloads int           // over which losses are counted
	span    time.Duration // of one round of throughput
	second  time.Duration // around a reload, and after a kill
	steady  time.Duration // how long memory must not change
	more    int           // workers, beside two, that memory is measured with
	counts  []int         // of certificates
}

// full is what fits into twenty minutes on two cores.
var full = effort{
	rounds: 10, heavy: 5, reloads: 10, span: 2 * time.Second, second: time.Second,
	steady: time.Second, more: 16, counts: []int{1, 100, 1000, 5000},
}

// tiny is enough to see that each measurement still measures.
var tiny = effort{
	rounds: 1, heavy: 1, reloads: 2, span: 100 * time.Millisecond, second: 300 * time.Millisecond,
	steady: 20 * time.Millisecond, more: 3, counts: []int{3},
}

func newBench(out io.Writer, peers []Peer, e effort) *bench {
	b := &bench{report: NewReport(), figures: map[string]*Figure{}, effort: e, out: out}
	for _, p := range peers {
		if version := p.Version(); version != "" {
			b.peers = append(b.peers, p)
			b.report.Versions[p.Name] = version
		}
	}
	for _, each := range sheet(e.counts) {
		f := each.Figure
		if b.figures[each.key] != nil {
			panic(fmt.Sprintf("BUG: two figures have the key %q", each.key))
		}
		b.figures[each.key] = &f
		b.report.Figures = append(b.report.Figures, &f)
	}
	return b
}

// add adds a sample to a figure of the sheet.
func (b *bench) add(key, peer string, sample float64) {
	f := b.figures[key]
	if f == nil {
		panic(fmt.Sprintf("BUG: no figure has the key %q", key))
	}
	f.Add(peer, sample)
}

// start starts a server of each peer that is wanted, side by side: idle ones cost
// the one that is measured nothing, and rounds can be interleaved.
func (b *bench) start(t testing.TB, workers int, wanted func(Peer) bool) []*subject {
	t.Helper()
	var subjects []*subject
	for _, p := range b.peers {
		if wanted == nil || wanted(p) {
			b.progress("  start %s", p.Name)
			subjects = append(subjects, begin(t, p, 1, workers))
		}
	}
	return subjects
}

// each measures the subjects in turn. One whose measurement fails is left out of
// what follows, so that the rounds of the others stay aligned; a failure of
// Handover's fails the test, one of a peer's is said.
func (b *bench) each(t testing.TB, subjects []*subject, measure func(*subject) error) {
	t.Helper()
	for _, s := range subjects {
		if s.failed {
			continue
		}
		if err := measure(s); err != nil {
			s.failed = true
			b.complain(t, s.Peer, err)
		}
	}
}

func (b *bench) complain(t testing.TB, p Peer, err error) {
	t.Helper()
	if ours(p) {
		t.Errorf("%s: %v", p.Name, err)
		return
	}
	b.progress("  %s left out: %v", p.Name, err)
}

// ours says whether a peer is the one that the goals are about.
func ours(p Peer) bool { return strings.EqualFold(p.Name, Handover) }

// alone measures each peer while no other one runs, since shared libraries are
// counted to all who have them. A subtest ends its server.
func (b *bench) alone(t *testing.T, wanted func(Peer) bool, measure func(*testing.T, Peer) error) {
	t.Helper()
	for _, p := range b.peers {
		if wanted != nil && !wanted(p) {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			b.progress("  %s", p.Name)
			if err := measure(t, p); err != nil {
				b.complain(t, p, err)
			}
		})
	}
}

// topic is a measurement that can be asked for by its name.
type topic struct {
	name string
	run  func(*bench, *testing.T)
}

var topics = []topic{
	{"reload", func(b *bench, t *testing.T) { b.reloads(t, 2) }},
	{"reload16", func(b *bench, t *testing.T) { b.reloads(t, 16) }},
	{"lost", (*bench).losses},
	{"throughput", (*bench).throughput},
	{"latency", (*bench).latencies},
	{"kill", (*bench).kills},
	{"many", (*bench).many},
	{"memory", (*bench).memories},
	{"resume", (*bench).resumption},
	{"balance", (*bench).balance},
}

// measure runs the topics whose names match.
func (b *bench) measure(t *testing.T, only *regexp.Regexp) {
	t.Helper()
	for _, each := range topics {
		if !only.MatchString(each.name) {
			continue
		}
		t.Run(each.name, func(t *testing.T) {
			begun := time.Now()
			b.progress("%s", each.name)
			each.run(b, t)
			b.progress("  took %v", time.Since(begun).Round(time.Second))
		})
	}
	measured := b.report.Figures[:0]
	for _, f := range b.report.Figures {
		if len(f.Samples) > 0 {
			measured = append(measured, f)
		}
	}
	b.report.Figures = measured
}

// progress says what goes on, at once, which a test's own log does not.
func (b *bench) progress(format string, args ...any) {
	fmt.Fprintf(b.out, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
