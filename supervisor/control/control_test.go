package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// instance is a Backend whose reload has the steps that a test lets it have.
type instance struct {
	generation int
	leaving    bool              // rotations and rollbacks are the successor's
	events     chan status.Event // what Reload and Follow hand on

	mu    sync.Mutex
	asked []string
	first chan string // if there is one, it gets what was asked first
}

func (i *instance) note(what string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.first != nil && len(i.asked) == 0 {
		i.first <- what
	}
	i.asked = append(i.asked, what)
}

func (i *instance) notes() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return strings.Join(i.asked, "; ")
}

func (i *instance) Status(context.Context) (*status.Status, error) {
	return &status.Status{Pid: os.Getpid(), Generation: i.generation, State: "serving"}, nil
}

func (i *instance) Reload(ctx context.Context, allow []string) (<-chan status.Event, error) {
	i.note("reload " + strings.Join(allow, ","))
	return i.hand(ctx), nil
}

func (i *instance) Rotate(ctx context.Context, r RotateRequest) (<-chan status.Event, error) {
	i.note(fmt.Sprintf("rotate %s %t", strings.Join(r.Allow, ","), r.NewTickets))
	if i.leaving {
		return nil, &Error{Code: http.StatusServiceUnavailable, Message: "this master is leaving"}
	}
	return i.hand(ctx), nil
}

func (i *instance) Rollback(ctx context.Context, r RollbackRequest) (<-chan status.Event, error) {
	i.note(fmt.Sprintf("rollback %q %t %s", r.Name, r.Undo, strings.Join(r.Allow, ",")))
	if i.leaving {
		return nil, &Error{Code: http.StatusServiceUnavailable, Message: "this master is leaving"}
	}
	return i.hand(ctx), nil
}

func (i *instance) Follow(ctx context.Context, id string, after int) (<-chan status.Event, error) {
	if id != "r1" {
		return nil, ErrUnknownReload
	}
	i.note("follow " + id + " after " + string(rune('0'+after%10)))
	return i.hand(ctx), nil
}

func (i *instance) hand(ctx context.Context) <-chan status.Event {
	out := make(chan status.Event)
	go func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case e, more := <-i.events:
				if !more {
					return
				}
				select {
				case out <- e:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out
}

func (i *instance) Scale(_ context.Context, workers int) (*status.Status, error) {
	if workers == 13 {
		return nil, &Error{Code: http.StatusConflict, Message: "the instance is stopping", Hint: "start it again"}
	}
	return &status.Status{Workers: make([]status.Worker, workers)}, nil
}

func (i *instance) Reopen(context.Context) error { return errors.New("disk full") }

func (i *instance) Stop(_ context.Context, quick bool) error {
	i.note(map[bool]string{true: "quick stop", false: "stop"}[quick])
	return nil
}

func step(name string) status.Event { return status.Event{Step: &status.Step{Name: name}} }

func end(generation int) status.Event {
	return status.Event{End: &status.Reload{ID: "r1", Outcome: status.OutcomeDone, Generation: generation}}
}

func socket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "control") // t.TempDir's may be longer than a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "run", "c.sock")
}

func listenAt(t *testing.T, path string) *os.File {
	t.Helper()
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func serve(t *testing.T, l *os.File, b Backend) *Server {
	t.Helper()
	s, err := Serve(l, b, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopNow(s) })
	return s
}

// stopNow cuts what is open: as a killed master, as far as a client can tell.
func stopNow(s *Server) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.Stop(ctx)
}

func patience(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestEveryRequestReachesTheBackendAndIsAnswered(t *testing.T) {
	t.Parallel()
	path := socket(t)
	b := &instance{generation: 4}
	serve(t, listenAt(t, path), b)
	c, ctx := Dial(path), patience(t)

	if s, err := c.Status(ctx); err != nil || s.Generation != 4 {
		t.Errorf("status: got %+v, %v, want generation 4", s, err)
	}
	if s, err := c.Scale(ctx, 3); err != nil || len(s.Workers) != 3 {
		t.Errorf("scale 3: got %+v, %v, want three workers", s, err)
	}
	if err := c.Stop(ctx, true); err != nil {
		t.Errorf("stop: %v", err)
	}
	if got := b.notes(); got != "quick stop" {
		t.Errorf("got %q, want a quick stop", got)
	}
}

func TestErrorsOfTheBackendReachTheClientWithTheirHint(t *testing.T) {
	t.Parallel()
	path := socket(t)
	serve(t, listenAt(t, path), &instance{})
	c, ctx := Dial(path), patience(t)

	var e *Error
	if _, err := c.Scale(ctx, 13); !errors.As(err, &e) || e.Code != http.StatusConflict || e.Hint != "start it again" {
		t.Errorf("scale: got %#v, want code 409 with its hint", err)
	}
	if err := c.Reopen(ctx); !errors.As(err, &e) || e.Code != http.StatusInternalServerError || e.Message != "disk full" {
		t.Errorf("reopen: got %#v, want code 500 and the reason", err)
	}
	if _, err := c.Scale(ctx, 0); !errors.As(err, &e) || e.Code != http.StatusBadRequest {
		t.Errorf("scale 0: got %#v, want code 400", err)
	}
	if _, err := c.Reload(ctx, []string{"no name"}, nil); !errors.As(err, &e) || e.Code != http.StatusBadRequest {
		t.Errorf("reload: got %#v, want code 400", err)
	}
}

func TestASecondInstanceIsToldWhoHasTheSocket(t *testing.T) {
	t.Parallel()
	path := socket(t)
	serve(t, listenAt(t, path), &instance{generation: 7})
	l, err := Listen(path)
	if !errors.Is(err, ErrInUse) {
		t.Fatalf("got %v, %v, want ErrInUse", l, err)
	}
	if !strings.Contains(err.Error(), "generation 7") || !strings.Contains(err.Error(), path) {
		t.Errorf("got %q, want the path and the generation", err)
	}
	if _, err := Dial(path).Status(patience(t)); err != nil {
		t.Errorf("the first instance lost its socket: %v", err)
	}
}

func TestASocketThatNobodyAnswersOnIsStillInUse(t *testing.T) {
	t.Parallel()
	path := socket(t)
	listenAt(t, path) // as between two masters
	if _, err := Listen(path); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v, want ErrInUse", err)
	}
}

func TestASocketLeftBehindIsReplaced(t *testing.T) {
	t.Parallel()
	path := socket(t)
	if err := listenAt(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Fatalf("closing removed the socket: %v", err)
	}
	serve(t, listenAt(t, path), &instance{generation: 2})
	if s, err := Dial(path).Status(patience(t)); err != nil || s.Generation != 2 {
		t.Errorf("got %+v, %v, want generation 2", s, err)
	}
}

func TestAFileInTheWayIsLeftAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); err == nil || errors.Is(err, ErrInUse) {
		t.Errorf("got %v, want another error than ErrInUse", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "text" {
		t.Errorf("the file holds %q", b)
	}
}

func TestOfInstancesThatStartAtOnceOneGetsTheSocket(t *testing.T) {
	t.Parallel()
	path := socket(t)
	if err := listenAt(t, path).Close(); err != nil { // stale, so that all want to replace it
		t.Fatal(err)
	}
	const instances = 8
	results := make(chan error, instances)
	for range instances {
		go func() {
			l, err := Listen(path)
			if err == nil {
				t.Cleanup(func() { _ = l.Close() })
			}
			results <- err
		}()
	}
	got := 0
	for range instances {
		switch err := <-results; {
		case err == nil:
			got++
		case !errors.Is(err, ErrInUse):
			t.Errorf("got %v, want ErrInUse", err)
		}
	}
	if got != 1 {
		t.Errorf("%d instances got the socket, want 1", got)
	}
}

func TestTheSocketIsPrivateAndFitToBePassedOn(t *testing.T) {
	t.Parallel()
	path := socket(t)
	l := listenAt(t, path)
	serve(t, l, &instance{})
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: got %v, %v, want mode %o", name, info, err, want)
		}
	}
	fd := uintptr(wire.Descriptor(l))
	if flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Errorf("got flags %#x, %v, want O_NONBLOCK", flags, err)
	}
	if flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("got descriptor flags %#x, %v, want FD_CLOEXEC", flags, err)
	}
}

func TestNobodyListeningIsNotRunning(t *testing.T) {
	t.Parallel()
	gone := socket(t)
	_ = listenAt(t, gone).Close()
	for _, path := range []string{socket(t), gone, "/dev/null/x.sock"} {
		c, ctx := Dial(path), patience(t)
		_, status := c.Status(ctx)
		_, reload := c.Reload(ctx, nil, nil)
		_, rotate := c.Rotate(ctx, RotateRequest{}, nil)
		_, rollback := c.Rollback(ctx, RollbackRequest{}, nil)
		for _, err := range []error{status, reload, rotate, rollback, c.Reopen(ctx)} {
			if !errors.Is(err, ErrNotRunning) {
				t.Errorf("%s: got %v, want ErrNotRunning", path, err)
			}
		}
	}
}

func TestAnotherUserIsRefusedWhateverTheModeOfTheSocket(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	path := socket(t)
	serve(t, listenAt(t, path), &instance{})
	for name, mode := range map[string]os.FileMode{path: 0o666, filepath.Dir(path): 0o755, filepath.Dir(filepath.Dir(path)): 0o755} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	conn := dialAs(t, 65534, path)
	if _, err := io.WriteString(conn, "GET /status HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(answer), "403 Forbidden") || strings.Contains(string(answer), "generation") {
		t.Errorf("got %q, %v, want 403", answer, err)
	}
}

func TestBadRequestsAreAnsweredWithTheReason(t *testing.T) {
	t.Parallel()
	h := routes(&instance{})
	for _, c := range []struct {
		method, target, body string
		code                 int
	}{
		{"GET", "/nothing", "", 404},
		{"GET", "/reload", "", 404},
		{"POST", "/reload", `{"allow":`, 400},
		{"POST", "/reload", `{"allow":["a.b"]} {}`, 400},
		{"POST", "/reload", `{"deny":["a.b"]}`, 400},
		{"POST", "/reload", `{"allow":["\u001b[31m"]}`, 400},
		{"POST", "/reload", `{"allow":["` + strings.Repeat("a", maxBody) + `"]}`, 413},
		{"GET", "/rotate", "", 404},
		{"POST", "/rotate", `{"new_tickets":1}`, 400},
		{"POST", "/rotate", `{"allow":["a b"]}`, 400},
		{"POST", "/rotate", `{"name":"a"}`, 400},
		{"POST", "/rollback", `{"name":7}`, 400},
		{"POST", "/rollback", `{"name":"\u001b[31m"}`, 400},
		{"POST", "/rollback", `{"name":"a\nb"}`, 400},
		{"POST", "/rollback", `{"name":"` + strings.Repeat("a", 256) + `"}`, 400},
		{"POST", "/rollback", `{"allow":[""]}`, 400},
		{"POST", "/rollback", `{"allow":["a"` + strings.Repeat(`,"a"`, maxAllow) + `]}`, 400},
		{"GET", "/reload/r2", "", 404},
		{"GET", "/reload/r1?after=-1", "", 400},
		{"GET", "/reload/r1?after=x", "", 400},
		{"GET", "/reload/" + strings.Repeat("r", 65), "", 400},
		{"POST", "/scale", ``, 400},
		{"POST", "/scale", `{"workers":-1}`, 400},
		{"POST", "/scale", `{"workers":100000}`, 400},
		{"POST", "/scale", `{"workers":"2"}`, 400},
		{"POST", "/stop", `{"quick":1}`, 400},
	} {
		code, answer := ask(t, h, c.method, c.target, c.body)
		var e Error
		if code != c.code || json.Unmarshal(answer, &e) != nil || e.Message == "" {
			t.Errorf("%s %.40s %.40s: got %d %s, want %d with a reason", c.method, c.target, c.body, code, answer, c.code)
		}
	}
}

func TestARequestThatIsNotReadHoldsNoStopUp(t *testing.T) {
	t.Parallel()
	path := socket(t)
	s := serve(t, listenAt(t, path), &instance{})
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	s.Stop(ctx)
	if _, err := os.Stat(path); err != nil {
		t.Errorf("stop removed the socket: %v", err)
	}
}
