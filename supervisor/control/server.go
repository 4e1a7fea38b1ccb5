package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// Backend answers the requests. Its methods are called by several goroutines.
// The context ends when the client has gone away, which must not end what it
// asked for; a channel of events is closed at the latest then.
type Backend interface {
	Status(ctx context.Context) (*status.Status, error)
	// Reload asks for a reload and returns its events, the first with its ID.
	// The names of checks are well-formed but may be unknown.
	Reload(ctx context.Context, allow []string) (<-chan status.Event, error)
	// Rotate asks for new certificates in place, Rollback for previous ones; both
	// answer as Reload does.
	Rotate(ctx context.Context, r RotateRequest) (<-chan status.Event, error)
	Rollback(ctx context.Context, r RollbackRequest) (<-chan status.Event, error)
	// Follow returns the events of a reload that runs or has ended, from the
	// step after the given number on; ErrUnknownReload if there is none.
	Follow(ctx context.Context, id string, after int) (<-chan status.Event, error)
	Scale(ctx context.Context, workers int) (*status.Status, error)
	Reopen(ctx context.Context) error
	Stop(ctx context.Context, quick bool) error
}

// Server answers on a control socket until Stop.
type Server struct {
	http *http.Server
	done chan struct{} // closed when nothing is accepted any more
}

// Serve begins to answer on a descriptor of Listen, which stays the caller's.
func Serve(listener *os.File, b Backend, log *slog.Logger) (*Server, error) {
	// A duplicate, because net.FileListener may turn the socket blocking, in
	// every process that shares it, if it is handed a file made by net or os.
	f, err := wire.Duplicate(listener)
	if err != nil {
		return nil, fmt.Errorf("serve control socket: %w", err)
	}
	defer func() { _ = f.Close() }()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("serve control socket: %w", err)
	}
	s := &Server{done: make(chan struct{}), http: &http.Server{
		Handler:           onlyPeers(onlyNeighbours(routes(b)), log),
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnContext:       withPeer,
	}}
	// A connection that idles at a master which is about to go would cost the
	// next request a second attempt.
	s.http.SetKeepAlivesEnabled(false)
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("control socket failed", "error", err)
		}
	}()
	return s, nil
}

// Stop accepts no more, waits for the open requests, whose streams end when
// the Backend closes their channels, and cuts what is left when ctx ends. It
// leaves the socket to the processes that share it.
func (s *Server) Stop(ctx context.Context) {
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
	<-s.done
}

type peerKey struct{}

// withPeer notes who is at the other end, as the kernel says.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return ctx
	}
	var peer *unix.Ucred
	if raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }) != nil || err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, peer)
}

// onlyPeers refuses other users. The mode of the socket does so first; this
// holds when somebody has changed it, which is worth a warning. One: whoever is
// refused must not fill the log.
func onlyPeers(next http.Handler, log *slog.Logger) http.Handler {
	var warned sync.Once
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, ok := r.Context().Value(peerKey{}).(*unix.Ucred)
		if !ok || (peer.Uid != 0 && peer.Uid != uint32(os.Geteuid())) {
			warned.Do(func() {
				log.Warn("command of another user refused: the mode of the control socket lets others in", "peer", describe(peer))
			})
			refuse(w, &Error{Code: http.StatusForbidden, Message: "another user's instance", Hint: "run the command as root or as the user of the instance"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func describe(peer *unix.Ucred) string {
	if peer == nil {
		return "unknown"
	}
	return fmt.Sprintf("uid %d, pid %d", peer.Uid, peer.Pid)
}

func routes(b Backend) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		answer(w)(b.Status(r.Context()))
	})
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, r *http.Request) {
		stream(w, r)(with(w, r, decodeReload, b.Reload))
	})
	mux.HandleFunc("POST /rotate", func(w http.ResponseWriter, r *http.Request) {
		stream(w, r)(with(w, r, decodeRotate, b.Rotate))
	})
	mux.HandleFunc("POST /rollback", func(w http.ResponseWriter, r *http.Request) {
		stream(w, r)(with(w, r, decodeRollback, b.Rollback))
	})
	mux.HandleFunc("GET /reload/{id}", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		after, err := decodeFollow(id, r.URL.Query())
		if err != nil {
			refuse(w, err)
			return
		}
		stream(w, r)(b.Follow(r.Context(), id, after))
	})
	mux.HandleFunc("POST /scale", func(w http.ResponseWriter, r *http.Request) {
		answer(w)(with(w, r, decodeScale, b.Scale))
	})
	mux.HandleFunc("POST /reopen", func(w http.ResponseWriter, r *http.Request) {
		answer(w)(nil, b.Reopen(r.Context()))
	})
	mux.HandleFunc("POST /stop", func(w http.ResponseWriter, r *http.Request) {
		answer(w)(with(w, r, decodeStop, func(ctx context.Context, quick bool) (*status.Status, error) {
			return nil, b.Stop(ctx, quick)
		}))
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, &Error{Code: http.StatusNotFound, Message: fmt.Sprintf(unknownRequest+"%.80q", r.Method+" "+r.URL.Path)})
	})
	return mux
}

// with decodes the body and calls a method of the Backend with what it says.
func with[In, Out any](w http.ResponseWriter, r *http.Request, decode func([]byte) (In, error), call func(context.Context, In) (Out, error)) (Out, error) {
	var none Out
	b, err := body(w, r)
	if err != nil {
		return none, err
	}
	in, err := decode(b)
	if err != nil {
		return none, err
	}
	return call(r.Context(), in)
}

// answer writes a status, or {} if there is none.
func answer(w http.ResponseWriter) func(*status.Status, error) {
	return func(s *status.Status, err error) {
		switch {
		case err != nil:
			refuse(w, err)
		case s == nil:
			write(w, http.StatusOK, struct{}{})
		default:
			write(w, http.StatusOK, s)
		}
	}
}

// stream writes events, each as soon as there is one.
func stream(w http.ResponseWriter, r *http.Request) func(<-chan status.Event, error) {
	return func(events <-chan status.Event, err error) {
		if err != nil {
			refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		flusher := http.NewResponseController(w)
		_ = flusher.Flush()
		line := json.NewEncoder(w)
		for {
			select {
			case <-r.Context().Done():
				return
			case e, more := <-events:
				if !more || line.Encode(e) != nil || flusher.Flush() != nil {
					return
				}
			}
		}
	}
}

func refuse(w http.ResponseWriter, err error) {
	var e *Error
	switch {
	case errors.As(err, &e):
	case errors.Is(err, ErrUnknownReload):
		e = &Error{Code: http.StatusNotFound, Message: err.Error()}
	default:
		e = &Error{Code: http.StatusInternalServerError, Message: err.Error()}
	}
	write(w, e.Code, e)
}

func write(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the client has gone: nobody to tell
}
