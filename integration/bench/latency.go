package bench

import (
	"math"
	"slices"
	"sync"
	"testing"
	"time"
)

// The load of the latencies is an open one: each request has its time, whatever
// became of the one before, and its latency counts from then. A client that waits
// for its answer before it asks again would leave out just the requests that a
// stall would have hit.
const (
	newRate   = 300 // requests a second over a connection each: a quarter of what two cores can do
	keptRate  = 1500
	newLanes  = 16 // so many that one that has to wait holds up few others
	keptLanes = 16
)

// kinds are the two kinds of clients of a latency.
var kinds = []string{"new connections", "kept connections"}

type quantile struct {
	name  string
	share float64
}

// quantiles are of one second: the last one is the slowest of the new connections
// and the second slowest of the requests over kept ones.
var quantiles = []quantile{{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}}

// timed is a request by when it was due, since the load's begin.
type timed struct{ due, latency time.Duration }

// lane is one client: do makes a request, rest is what it does after an answer.
type lane struct {
	do        func() error
	rest, end func()
}

// window is two seconds of the load: a quiet one, and one in which a reload is asked
// for after a tenth.
type window struct {
	begin  time.Time
	second time.Duration
}

func (w window) asking() time.Time    { return w.begin.Add(w.second + w.second/10) }
func (w window) whole() time.Duration { return 2 * w.second }

// run runs so many lanes whose requests are due one after another at a rate, and
// returns how long each took. A request is made again until it succeeds, as
// whoever wants the answer would.
func (w window) run(count, rate int, open func() lane) [][]timed {
	met := make([][]timed, count)
	var all sync.WaitGroup
	for n := range count {
		all.Go(func() {
			l := open()
			defer l.end()
			apart := time.Second / time.Duration(rate)
			met[n] = w.over(l, time.Duration(n)*apart, time.Duration(count)*apart)
		})
	}
	all.Wait()
	return met
}

func (w window) over(l lane, first, apart time.Duration) []timed {
	met := make([]timed, 0, w.whole()/apart+1)
	for due := first; due < w.whole(); due += apart {
		sleepUntil(w.begin.Add(due))
		for l.do() != nil && time.Since(w.begin) < w.whole()+patience {
			sleepUntil(time.Now().Add(time.Millisecond)) // a refusal must not become a busy loop
		}
		met = append(met, timed{due, time.Since(w.begin.Add(due))})
		l.rest()
	}
	return met
}

// dialling is a client that connects for each request.
func (c client) dialling() lane {
	once := func() error {
		_, err := c.once()
		return err
	}
	return lane{once, func() {}, func() {}}
}

// pool is a client with one connection. When the server has announced the end it
// connects anew at once and not with the next request, as a pool that keeps itself
// full does; a connection that ends otherwise costs the request that meets it.
type pool struct {
	client client
	conn   *connection // nil: there is none
}

func (p *pool) renew() (err error) {
	p.end()
	p.conn, err = p.client.dial()
	return err
}

func (p *pool) end() {
	if p.conn != nil {
		p.conn.close()
		p.conn = nil
	}
}

func (p *pool) ask() error {
	if p.conn == nil {
		if err := p.renew(); err != nil {
			return err
		}
	}
	p.conn.patient(patience)
	err := p.conn.ask()
	if err != nil {
		p.end()
	}
	return err
}

// rest is what it does when the answer is there.
func (p *pool) rest() {
	if p.conn != nil && p.conn.leaving {
		_ = p.renew() // an error comes again with the next request
	}
}

func (c client) pooled() lane {
	p := &pool{client: c}
	_ = p.renew()
	return lane{p.ask, p.rest, p.end}
}

// split sorts latencies into those of the quiet second and those around the reload.
func (w window) split(met [][]timed) (quiet, around []time.Duration) {
	for _, of := range met {
		for _, one := range of {
			if one.due < w.second {
				quiet = append(quiet, one.latency)
			} else {
				around = append(around, one.latency)
			}
		}
	}
	slices.Sort(quiet)
	slices.Sort(around)
	return quiet, around
}

// of returns the least latency that a share of all does not exceed.
func (q quantile) of(ordered []time.Duration) time.Duration {
	return ordered[max(0, int(math.Ceil(q.share*float64(len(ordered))))-1)]
}

// aroundReload runs the load over a quiet second and one with a reload. It returns
// what each kind of client met.
func (s *subject) aroundReload(w window) (map[string][][]timed, error) {
	if err := s.settle(); err != nil {
		return nil, err
	}
	if _, err := s.ready(s.changeAll); err != nil {
		return nil, err
	}
	c := s.client("http/1.1")
	w.begin = time.Now().Add(100 * time.Millisecond) // until then the pool fills
	var all sync.WaitGroup
	var fresh, kept [][]timed
	all.Go(func() { fresh = w.run(newLanes, newRate, c.dialling) })
	all.Go(func() { kept = w.run(keptLanes, keptRate, c.pooled) })
	sleepUntil(w.asking())
	err := s.Reload()
	all.Wait()
	if err == nil {
		_, err = s.served()
	}
	return map[string][][]timed{kinds[0]: fresh, kinds[1]: kept}, err
}

// latencies measures the second around a reload against the one before it, in
// rounds, the peers in turn.
func (b *bench) latencies(t *testing.T) {
	subjects := b.start(t, 2, nil)
	for n := range b.effort.heavy {
		b.progress("  round %d", n+1)
		b.each(t, subjects, func(s *subject) error {
			w := window{second: b.effort.second}
			met, err := s.aroundReload(w)
			if err != nil {
				return err
			}
			for _, kind := range kinds {
				quiet, around := w.split(met[kind])
				for _, q := range quantiles {
					b.add(key(kind, "quiet", q.name), s.name(), milliseconds(q.of(quiet)))
					b.add(key(kind, "reload", q.name), s.name(), milliseconds(q.of(around)))
				}
				last := quantiles[len(quantiles)-1]
				b.add(key(kind, "ratio"), s.name(), float64(last.of(around))/float64(last.of(quiet)))
			}
			return nil
		})
	}
}
