package master

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"example.com/handover/supervisor/page"
	"example.com/handover/supervisor/status"
)

const (
	// mostViewers is how many may follow the status page at once. Each keeps one of
	// the admin address' connections, of which most are to be left to others.
	mostViewers = 16
	// How far apart the page is told of the service: of changes at once, but not
	// more often than anybody can see; of numbers every second while something is
	// under way, for it has deadlines, and else every other one.
	shownApart = 100 * time.Millisecond
	shownBusy  = 900 * time.Millisecond
	shownRest  = 1900 * time.Millisecond
	// shownShare is how many times as long as a look at the service took the next one
	// waits.
	shownShare = 20
	// lookSoon is how old a look at the disk may be while somebody looks at the page.
	lookSoon = 5 * time.Second
)

// live is what the loop knows of those who look at the status page.
type live struct {
	viewers []*viewer
	asked   time.Time     // when anybody looked last
	shown   time.Time     // when the viewers were told last
	gist    string        // what they were told, without its numbers
	looked  time.Time     // when it was last found out what has changed
	cost    time.Duration // of that
	behind  bool          // something may have changed since
}

// viewer follows the page. Its channel holds the newest view only, so that one who
// reads slowly misses some and holds up nobody. The loop alone sends.
type viewer struct{ views chan *page.View }

// view is the service as the page shows it. What lies on disk is what the last look
// has found: who looks at a page must not make the master read files.
func (m *master) view(now time.Time) *page.View {
	s := m.present()
	if s.State == stateBooting {
		m.recall(s)
	}
	return page.Of(s, now)
}

// recall adds to the status of a master that boots what a killed one has left.
func (m *master) recall(s *status.Status) {
	s.Started, s.Recent = m.past.Started, recent(m.past.Ended)
	s.Master = status.Master{Pid: os.Getpid(), Version: m.options.Version}
	if m.past.Current != nil {
		current := m.past.Current.Record.Brief()
		s.CurrentReload = &current
	}
	for _, d := range m.past.Draining {
		s.Draining = append(s.Draining, d.publish())
	}
	if m.past.Generation > 0 && m.othersAccept() {
		d := drainRecord{Generation: m.past.Generation, Workers: m.past.Workers}
		s.Draining = append(s.Draining, d.publish())
	}
}

// seek answers one who loads the page.
func (m *master) seek(now time.Time) *page.View {
	m.live.asked = now
	return m.view(now)
}

// attendPage lets one more follow the page, until ctx ends.
func (m *master) attendPage(ctx context.Context, now time.Time) <-chan *page.View {
	v := &viewer{make(chan *page.View, 1)}
	v.views <- m.seek(now)
	m.live.viewers = append(m.live.viewers, v)
	context.AfterFunc(ctx, func() {
		m.post(func() {
			m.live.viewers = slices.DeleteFunc(m.live.viewers, func(o *viewer) bool { return o == v })
		})
	})
	return v.views
}

// show tells the viewers what has changed. Most of the loop's time is for others:
// what a thousand workers are doing takes a while to find out, and while they are
// replaced each of them has it change.
func (m *master) show(now time.Time) {
	l := &m.live
	if len(l.viewers) == 0 {
		return
	}
	l.asked = now
	if l.behind = now.Before(l.next()); l.behind {
		return
	}
	begun := time.Now()
	defer func() { l.looked, l.cost = now, time.Since(begun) }()
	since, gist := now.Sub(l.shown), m.gist()
	apart := shownRest
	switch {
	case gist != l.gist:
		apart = shownApart
	case m.current != nil || len(m.draining) > 0 || m.stop.asked:
		apart = shownBusy
	}
	if since < apart {
		return
	}
	l.shown, l.gist = now, gist
	v := m.view(now)
	for _, to := range l.viewers {
		select {
		case <-to.views: // it has not been read, and is old now
		default:
		}
		to.views <- v
	}
}

// next is when show looks again.
func (l *live) next() time.Time { return l.looked.Add(max(shownApart, shownShare*l.cost)) }

// showDue returns when show is to look at what it has passed over; zero: the next
// turn of the loop is soon enough.
func (m *master) showDue() time.Time {
	if len(m.live.viewers) == 0 || !m.live.behind {
		return time.Time{}
	}
	return m.live.next()
}

// gist is all that a viewer is to see at once, numbers that tick apart.
func (m *master) gist() string {
	g := fmt.Append(nil, m.stateName(), m.generation, len(m.drift), m.degraded)
	if m.pool != nil {
		for _, w := range m.pool.Workers() {
			g = fmt.Append(g, " ", w.Slot, w.State, w.Restarts)
		}
		for _, f := range m.pool.Failing() {
			g = fmt.Append(g, " ", f.Slot, f.Failures)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(m.draining)) {
		d := m.draining[n]
		g = fmt.Append(g, " ", n, d.accepting, len(d.Workers))
	}
	for _, r := range []*reload{m.current, m.last()} {
		if r != nil {
			g = fmt.Append(g, " ", r.Record.ID, r.Record.Outcome, r.Record.Confirmed, len(r.Record.Steps), len(r.Record.Checks))
		}
	}
	return string(g)
}
