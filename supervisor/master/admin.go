package master

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/handover"
	"example.com/handover/supervisor/metrics"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
	"golang.org/x/net/netutil"
)

const (
	// adminConnections is how many may be open at once: whoever gets there may
	// connect, and must not take the master's descriptors.
	adminConnections = 64
	adminTimeout     = 5 * time.Second // for a request to arrive, and for its answer
	// turning is how old the last turn of the loop, which comes every second, may
	// be when the master counts as alive.
	turning = 4 * feeding
	// farewell is how long a master that leaves waits for answers under way. Nobody
	// waits for it: its successor has heard its end already.
	farewell = time.Second
)

// adminName is the name under which the admin socket travels. The address is part
// of it, so that a reload sees a change.
func adminName(address string) string { return prefixAdmin + hex.EncodeToString([]byte(address)) }

// openAdmin takes over the admin socket, or opens it where the config now wants it.
func (m *master) openAdmin() error {
	if m.config.Admin.Address == "" {
		return nil
	}
	return m.openSocket(adminName(m.config.Admin.Address), "[admin]", config.Listen{Address: m.config.Admin.Address, Mode: "0660"})
}

// admin answers those who watch the service. The loop writes what it knows; the
// handlers read that, so that a loop which does not turn is seen.
type admin struct {
	http *http.Server
	mux  *http.ServeMux
	l    net.Listener
	open sync.WaitGroup // the accept loop and every connection

	// Closed once it is known what older generations have done: in place of a killed
	// master counters would go back before. Of the loop.
	oriented chan struct{}

	// Ends when the master leaves, and with it the streams of the status page.
	leaving context.Context
	part    context.CancelFunc

	seen atomic.Pointer[presence]
	last atomic.Pointer[status.Status] // of a master that has left
}

// presence is what the loop knew when it turned last.
type presence struct {
	at      time.Time
	unready string // why no client should be sent here; empty: it may
}

var errStarting = errors.New("the service is starting")

// serveAdmin begins to answer. A successor does so when it has taken over; until
// then its predecessor answers, and what comes in between waits in the socket.
func (m *master) serveAdmin() {
	f := m.hold.files[adminName(m.config.Admin.Address)]
	if f == nil || m.admin != nil {
		return
	}
	var a *admin
	a, err := newAdmin(f, m.log, func(ctx context.Context) (*status.Status, error) {
		select {
		case <-a.oriented:
			return call(ctx, m, func() (*status.Status, error) { return m.present(), nil })
		case <-ctx.Done():
			return nil, errStarting
		}
	})
	if err != nil {
		m.log.Error("serve admin address", "error", err)
		return
	}
	m.admin = a
	m.servePage(a)
	m.noteTurn(time.Now()) // before the first who asks
	a.start(m.log)
}

func newAdmin(f *os.File, log *slog.Logger, present func(context.Context) (*status.Status, error)) (*admin, error) {
	own, err := wire.Duplicate(f) // net.FileListener would turn the socket itself blocking
	if err != nil {
		return nil, err
	}
	defer func() { _ = own.Close() }()
	a := &admin{oriented: make(chan struct{}), mux: http.NewServeMux()}
	a.leaving, a.part = context.WithCancel(context.Background())
	if a.l, err = net.FileListener(own); err != nil {
		return nil, err
	}
	mux := a.mux
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, a.ailment(time.Now())) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { say(w, a.seen.Load().unready) })
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), adminTimeout)
		defer cancel()
		s, err := present(ctx)
		if s == nil {
			s = a.last.Load()
		}
		if s == nil {
			say(w, err.Error())
			return
		}
		tell(w, s)
	})
	a.http = &http.Server{
		Handler: impatient(mux), ReadHeaderTimeout: adminTimeout, WriteTimeout: 2 * adminTimeout, MaxHeaderBytes: 8 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnState: func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				a.open.Add(1)
			case http.StateClosed, http.StateHijacked:
				a.open.Done()
			}
		},
	}
	// A kept connection would end with this master, under its next request.
	a.http.SetKeepAlivesEnabled(false)
	return a, nil
}

// impatient bounds the wait for the body of a request. None is read here, but the
// server waits for its end before it closes the connection, for ever if it is let:
// so many such requests would lock everybody out.
func impatient(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(adminTimeout))
		}
		h.ServeHTTP(w, r)
	})
}

// start accepts until leave, or finish where all connections were open: then Serve
// was not accepting, and hears of nothing else.
func (a *admin) start(log *slog.Logger) {
	a.open.Go(func() {
		err := a.http.Serve(netutil.LimitListener(a.l, adminConnections))
		if !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
			log.Error("admin address failed", "error", err)
		}
	})
}

// ailment says why the master counts as hung; empty: it is well.
func (a *admin) ailment(now time.Time) string {
	if silent := now.Sub(a.seen.Load().at); silent > turning {
		return fmt.Sprintf("the master hangs: no sign of life for %v", silent.Round(time.Second))
	}
	return ""
}

// tell answers with metrics.
func tell(w http.ResponseWriter, s *status.Status) {
	w.Header().Set("Content-Type", metrics.ContentType)
	_, _ = w.Write(metrics.Text(s, time.Now()))
}

// say answers with a line: ok, or what is wrong.
func say(w http.ResponseWriter, wrong string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if wrong == "" {
		_, _ = io.WriteString(w, "ok\n")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, wrong+"\n")
}

// leave accepts no more and leaves the socket to whoever shares it. What was
// accepted is answered with the last that this master knew.
func (a *admin) leave(last *status.Status) {
	if a == nil {
		return
	}
	a.last.Store(last)
	_ = a.l.Close()
	a.part()
}

// leaveAdmin leaves to a successor, if there is an address: to say what is known of
// thousands of certificates and workers takes a while, and clients wait.
func (m *master) leaveAdmin() {
	if m.admin != nil {
		m.admin.leave(m.present())
	}
}

// finish waits for the answers under way once the loop has ended. Shutdown would
// drop a request that is still arriving.
func (a *admin) finish() {
	if a == nil {
		return
	}
	_ = a.l.Close()
	a.part()
	answered := make(chan struct{})
	go func() { // ends with the connections, which Close cuts
		a.open.Wait()
		close(answered)
	}()
	select {
	case <-answered:
	case <-time.After(farewell):
	}
	_ = a.http.Close()
}

// noteTurn lets the watchers see that the loop turns, and what it knows.
func (m *master) noteTurn(now time.Time) {
	if m.admin != nil {
		m.orient()
		m.admin.seen.Store(&presence{at: now, unready: m.unready()})
		m.show(now)
	}
}

// orient lets those go on who have waited for it.
func (m *master) orient() {
	if s := m.machine.State(); s == handover.Booting || s == handover.Waiting {
		return
	}
	select {
	case <-m.admin.oriented:
	default:
		close(m.admin.oriented)
	}
}

// unready says why no client should be sent here; empty: it may.
func (m *master) unready() string {
	state := m.machine.State()
	switch {
	case m.stop.asked:
		return "the service is stopping"
	case m.pool != nil && state != handover.Booting && state != handover.Waiting && m.pool.Serving() > 0:
		return ""
	case m.othersAccept():
		return "" // those of a killed master serve on
	case state == handover.Booting || state == handover.Waiting:
		return "the service is starting"
	case m.quiet:
		return "no worker serves: they were told to stop, and a reload starts them again"
	default:
		return "no worker serves"
	}
}

// othersAccept says whether workers of another generation accept clients.
func (m *master) othersAccept() bool {
	for _, g := range m.others() {
		if f := m.hold.files[ofGeneration(nameAccepting, g)]; f != nil && !pipeEnded(f) {
			return true
		}
	}
	return false
}

// present is publish for a master that may not have come so far.
func (m *master) present() *status.Status {
	if m.pool == nil || m.bundle == nil {
		return &status.Status{
			Pid: anchorPid(), Generation: m.generation, State: m.stateName(), Exits: maps.Clone(m.past.Exits), Requests: m.past.Requests, Reloads: m.past.Reloads.Clone(),
			Started: m.past.Started, Booting: m.generation, Traffic: m.traffic(), Counts: m.counts(),
			Master: status.Master{Pid: os.Getpid(), Version: m.options.Version, Go: runtime.Version(), RSS: residentSize(os.Getpid())},
		}
	}
	s := m.publish()
	withDisk(s.Certificates, found(m.drift), m.drift, time.Now())
	return s
}
