package master

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/control"
	"example.com/handover/supervisor/handover"
	"example.com/handover/supervisor/pool"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
)

// errLeaving has the client ask the successor.
var errLeaving = &control.Error{Code: http.StatusServiceUnavailable, Message: "this master is leaving", Hint: "ask again"}

// errStopping is final: nobody will come who could be asked again.
var errStopping = &control.Error{Code: http.StatusConflict, Message: "the service is stopping"}

// backend answers the control socket. Each call is carried out by the loop.
type backend struct{ m *master }

// call has the loop compute an answer.
func call[T any](ctx context.Context, m *master, f func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	reply := make(chan answer, 1)
	m.post(func() {
		value, err := f()
		reply <- answer{value, err}
	})
	select {
	case a := <-reply:
		return a.value, a.err
	case <-m.over:
		select {
		case a := <-reply:
			return a.value, a.err
		default:
		}
		var none T
		return none, errLeaving
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// mostLooked is how many certificates are looked up on disk for every answer. Of
// more the answer has what the look of the last minute found.
const mostLooked = 64

// Status returns what the service is; what lies on disk is read outside of the
// loop, which must not wait for a slow disk.
func (b *backend) Status(ctx context.Context) (*status.Status, error) {
	type present struct {
		status *status.Status
		config *config.Config
		bundle *cert.Bundle
		drift  map[string]drifted
	}
	p, err := call(ctx, b.m, func() (present, error) { return present{b.m.publish(), b.m.config, b.m.bundle, b.m.drift}, nil })
	if err != nil {
		return nil, err
	}
	seen := found(p.drift)
	if len(p.bundle.Certificates) <= mostLooked {
		seen = cert.Drift(p.config.Certificate, p.config.TLS, p.bundle)
	}
	withDisk(p.status.Certificates, seen, p.drift, time.Now())
	return p.status, nil
}

func (b *backend) Reload(ctx context.Context, allow []string) (<-chan status.Event, error) {
	if err := cert.CheckAllow(allow); err != nil {
		return nil, &control.Error{Code: http.StatusBadRequest, Message: err.Error()}
	}
	return call(ctx, b.m, func() (<-chan status.Event, error) {
		if err := b.m.begins(); err != nil {
			return nil, err
		}
		return b.m.attend(ctx, b.m.reloadAsked(byControl, allow), 0), nil
	})
}

// Rotate has new certificates taken in place.
func (b *backend) Rotate(ctx context.Context, q control.RotateRequest) (<-chan status.Event, error) {
	r := newRotation(byControl, q.Allow)
	r.NewTickets = q.NewTickets
	return b.rotate(ctx, r)
}

// Rollback has previous certificates served.
func (b *backend) Rollback(ctx context.Context, q control.RollbackRequest) (<-chan status.Event, error) {
	r := newRotation(byControl, q.Allow)
	r.Record.Kind, r.Rollback = status.KindRollback, &q
	return b.rotate(ctx, r)
}

func (b *backend) rotate(ctx context.Context, r *reload) (<-chan status.Event, error) {
	if err := cert.CheckAllow(r.Allow); err != nil {
		return nil, &control.Error{Code: http.StatusBadRequest, Message: err.Error()}
	}
	return call(ctx, b.m, func() (<-chan status.Event, error) {
		if err := b.m.begins(); err != nil {
			return nil, err
		}
		if r.NewTickets {
			if err := b.m.refuseNewTickets(); err != nil {
				return nil, err
			}
		}
		return b.m.attend(ctx, b.m.rotateAsked(r), 0), nil
	})
}

// begins says whether this master begins anything, or who else would.
func (m *master) begins() error {
	switch {
	case m.stop.asked:
		return errStopping
	case !m.active():
		return errLeaving
	}
	return nil
}

func (b *backend) Follow(ctx context.Context, id string, after int) (<-chan status.Event, error) {
	return call(ctx, b.m, func() (<-chan status.Event, error) {
		for _, r := range append(slices.Clone(b.m.rotations), b.m.current, b.m.next) {
			if r != nil && r.Record.ID == id {
				return b.m.attend(ctx, r, after), nil
			}
		}
		for _, e := range b.m.ended {
			if r := e.get(); r.Record.ID == id {
				return b.m.attend(ctx, r, after), nil
			}
		}
		return nil, control.ErrUnknownReload
	})
}

// attend follows a reload until its end or the client's.
func (m *master) attend(ctx context.Context, r *reload, after int) <-chan status.Event {
	events := r.follow(after)
	context.AfterFunc(ctx, func() { m.post(func() { r.unfollow(events) }) })
	return events
}

func (b *backend) Scale(ctx context.Context, workers int) (*status.Status, error) {
	if workers < 1 || workers > wire.MaxSlots {
		return nil, &control.Error{Code: http.StatusBadRequest, Message: fmt.Sprintf("%d workers: want 1 to %d", workers, wire.MaxSlots)}
	}
	return call(ctx, b.m, func() (*status.Status, error) {
		if !b.m.active() {
			return nil, errLeaving
		}
		b.m.scale(workers)
		return b.m.publish(), nil
	})
}

func (b *backend) Reopen(ctx context.Context) error {
	_, err := call(ctx, b.m, func() (struct{}, error) {
		if err := b.m.reopen(); err != nil {
			return struct{}{}, &control.Error{Code: http.StatusInternalServerError, Message: err.Error(), Hint: "the old file is written to as before"}
		}
		return struct{}{}, nil
	})
	return err
}

func (b *backend) Stop(ctx context.Context, quick bool) error {
	_, err := call(ctx, b.m, func() (struct{}, error) {
		b.m.post1(func() { b.m.stopService(quick) })
		return struct{}{}, nil
	})
	return err
}

// scale has so many workers serve until the config's own number changes.
func (m *master) scale(workers int) {
	m.quiet = false
	m.want(workers)
}

// want notes the number of workers. While a reload runs, or none are to serve, it
// is only noted: whoever serves after that acts.
func (m *master) want(workers int) {
	m.past.Want, m.past.WantConfig, m.past.Scaled = min(workers, wire.MaxSlots), m.config.Workers, true
	m.log.Info("workers wanted", "workers", m.past.Want)
	m.rescale()
	m.keep()
}

// quiesce retires the workers and keeps the sockets. The number wanted stays: the
// next generation has it.
func (m *master) quiesce() {
	if s := m.machine.State(); s != handover.Active && s != handover.Cutover {
		m.past.Quieten = true // a generation that is being born must not undo it
		return
	}
	m.past.Quieten = false
	m.quiet = true
	m.log.Info("workers stopped, sockets kept; a reload starts them again")
	m.obey(m.pool.Scale(time.Now(), 0))
	m.keep()
}

// rescale acts on the number of workers that was noted last.
func (m *master) rescale() {
	if !m.quiet && m.machine.State() == handover.Active && m.pool.Want() != m.past.Want {
		m.obey(m.pool.Scale(time.Now(), m.past.Want))
	}
}

// publish returns the present state as others see it. The pages of the executable that
// this takes are given back once nobody asks any more.
func (m *master) publish() *status.Status {
	m.stirred = time.Now()
	s := &status.Status{
		Pid: anchorPid(), Generation: m.generation, State: m.stateName(), Started: m.past.Started, Config: m.config.Path,
		Master: status.Master{Pid: os.Getpid(), Version: m.options.Version, Go: runtime.Version(), RSS: residentSize(os.Getpid())},
		Wanted: m.pool.Want(), Traffic: m.traffic(), Counts: m.counts(),
		Workers: []status.Worker{}, Draining: []status.Draining{}, Listeners: []status.Listener{},
		Certificates: m.bundle.Published(), Degraded: m.degraded, Exits: maps.Clone(m.past.Exits), Requests: m.past.Requests, Reloads: m.past.Reloads.Clone(),
		TicketKeys: m.past.Tickets.prints(),
	}
	if m.successor != nil {
		s.Booting = m.generation + 1
	}
	if m.deferred != nil {
		until := m.deferred.Until
		s.Deferred = &until
	}
	for _, w := range m.pool.Workers() {
		p := m.workers[w.Slot]
		if p == nil {
			continue
		}
		counters := m.counters.Slot(w.Slot)
		s.Requests += counters.Requests.Load()
		s.Workers = append(s.Workers, status.Worker{
			Slot: w.Slot, Pid: p.process.Pid, Generation: m.generation, State: workerState(w.State, m.machine.State()),
			Requests: counters.Requests.Load(), Connections: counters.Connections.Load(), RSS: residentSize(p.process.Pid), Restarts: w.Restarts,
			Health: p.vital.health, LastEnd: m.lastEnds[w.Slot],
		})
	}
	for _, f := range m.pool.Failing() {
		s.Failing = append(s.Failing, status.Failing(f))
	}
	for _, g := range slices.Sorted(maps.Keys(m.draining)) {
		s.Draining = append(s.Draining, m.draining[g].publish())
		s.Requests += m.draining[g].requests()
	}
	for _, l := range m.config.Listen {
		s.Listeners = append(s.Listeners, status.Listener{Address: l.Address, TLS: l.TLS})
	}
	m.history(s)
	return s
}

func (d *drainRecord) publish() status.Draining {
	out := status.Draining{Generation: d.Generation, Since: d.Since, Deadline: d.Deadline, Workers: []status.DrainingWorker{}}
	for _, w := range d.Workers {
		worker := status.DrainingWorker{Pid: w.Pid, RSS: residentSize(w.Pid)}
		if d.counters != nil {
			worker.Connections = d.counters.Slot(w.Slot).Connections.Load()
		}
		out.Workers = append(out.Workers, worker)
	}
	return out
}

// stateBooting is the state of a master that serves nothing yet.
const stateBooting = "booting"

func (m *master) stateName() string {
	switch m.machine.State() {
	case handover.Booting, handover.Waiting:
		return stateBooting
	case handover.Checking, handover.Upgrading, handover.Rotating:
		return "reloading"
	case handover.Lingering, handover.Stopping, handover.Left:
		return "stopping"
	default:
		return "serving"
	}
}

// workerState is the pool's word for a worker, but in the drain of a stop, of which
// the pool is not told.
func workerState(s pool.State, of handover.State) string {
	switch {
	case s == pool.Starting:
		return "starting"
	case s == pool.Proving, s == pool.Proved:
		return "proving"
	case pool.Serves(s) && of != handover.Stopping:
		return "serving"
	default:
		return "draining"
	}
}

// residentSize reads the second field of /proc/PID/statm, in bytes.
func residentSize(pid int) int64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// encodeApp says to a built-in worker what to serve.
func encodeApp(a config.App) string {
	app := wire.App{Kind: wire.AppWelcome}
	switch {
	case a.Files != "":
		app = wire.App{Kind: wire.AppFiles, Argument: a.Files}
	case a.Proxy != "":
		app = wire.App{Kind: wire.AppProxy, Argument: a.Proxy}
	}
	text, err := wire.EncodeApp(app)
	if err != nil {
		b, _ := json.Marshal(app)
		return string(b)
	}
	return text
}
