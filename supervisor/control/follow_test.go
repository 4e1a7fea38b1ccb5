package control

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/status"
	"golang.org/x/sys/unix"
)

// dialAs connects as another user. Its credentials change for one thread
// alone, which the runtime ends with the goroutine that stays locked to it.
func dialAs(t *testing.T, uid int, path string) net.Conn {
	t.Helper()
	type result struct {
		fd  int
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread()
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
				err = errno
			} else {
				err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
			}
		}
		done <- result{fd, err}
	}()
	r := <-done
	f := os.NewFile(uintptr(r.fd), "client")
	defer func() { _ = f.Close() }()
	if r.err != nil {
		t.Fatal(r.err)
	}
	conn, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func ask(t *testing.T, h http.Handler, method, target, body string) (int, []byte) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body)))
	return w.Code, w.Body.Bytes()
}

// reloading is a client's reload under way.
type reloading struct {
	steps chan string
	done  chan error
	got   *status.Reload
}

func reload(ctx context.Context, path string, allow ...string) *reloading {
	return following(func(step func(status.Step)) (*status.Reload, error) { return Dial(path).Reload(ctx, allow, step) })
}

func rotate(ctx context.Context, path string, request RotateRequest) *reloading {
	return following(func(step func(status.Step)) (*status.Reload, error) { return Dial(path).Rotate(ctx, request, step) })
}

func rollback(ctx context.Context, path string, request RollbackRequest) *reloading {
	return following(func(step func(status.Step)) (*status.Reload, error) { return Dial(path).Rollback(ctx, request, step) })
}

func following(ask func(func(status.Step)) (*status.Reload, error)) *reloading {
	r := &reloading{steps: make(chan string, 16), done: make(chan error, 1)}
	go func() {
		got, err := ask(func(s status.Step) { r.steps <- s.Name })
		r.got = got
		close(r.steps)
		r.done <- err
	}()
	return r
}

func (r *reloading) wait(t *testing.T, generation int, steps ...string) {
	t.Helper()
	var got []string
	for s := range r.steps {
		got = append(got, s)
	}
	if err := <-r.done; err != nil || r.got == nil || r.got.Generation != generation {
		t.Errorf("got %+v, %v, want the end at generation %d", r.got, err, generation)
	}
	if !slices.Equal(got, steps) {
		t.Errorf("got steps %q, want %q", got, steps)
	}
}

func TestAReloadIsFollowedStepByStep(t *testing.T) {
	t.Parallel()
	path := socket(t)
	b := &instance{events: make(chan status.Event)}
	serve(t, listenAt(t, path), b)
	r := reload(patience(t), path, "time.remaining")
	b.events <- status.Event{ID: "r1"}
	b.events <- step("config")
	if got := <-r.steps; got != "config" { // before the next one happens: nothing is held back
		t.Errorf("got step %q, want config", got)
	}
	b.events <- step("certificates")
	b.events <- end(5)
	r.wait(t, 5, "certificates")
	if got := b.notes(); got != "reload time.remaining" {
		t.Errorf("got %q, want one reload that allows the check", got)
	}
}

func TestAReloadIsFollowedToTheNextMaster(t *testing.T) {
	t.Parallel()
	path := socket(t)
	l := listenAt(t, path)
	before := &instance{events: make(chan status.Event)}
	after := &instance{events: make(chan status.Event)}
	s := serve(t, l, before)
	r := reload(patience(t), path)
	before.events <- status.Event{ID: "r1", Step: &status.Step{Name: "config"}}
	before.events <- step("generation")
	before.events <- status.Event{Moved: true}
	s.Stop(patience(t))
	serve(t, l, after)
	after.events <- status.Event{ID: "r1", Step: &status.Step{Name: "cutover"}}
	after.events <- end(5)
	r.wait(t, 5, "config", "generation", "cutover")
	if got := after.notes(); got != "follow r1 after 2" {
		t.Errorf("the next master got %q, want the same reload after step 2", got)
	}
}

func TestAReloadOutlivesAKilledMaster(t *testing.T) {
	t.Parallel()
	path := socket(t)
	l := listenAt(t, path)
	killed := &instance{events: make(chan status.Event)}
	restarted := &instance{events: make(chan status.Event)}
	s := serve(t, l, killed)
	r := reload(patience(t), path)
	killed.events <- status.Event{ID: "r1"}
	killed.events <- step("config")
	if got := <-r.steps; got != "config" {
		t.Errorf("got step %q, want config", got)
	}
	stopNow(s)
	serve(t, l, restarted)
	restarted.events <- end(6)
	r.wait(t, 6)
	if got := restarted.notes(); got != "follow r1 after 1" {
		t.Errorf("the restarted master got %q, want the same reload after step 1", got)
	}
}

func TestAReloadWhoseIdWasNotSeenIsAskedForAgain(t *testing.T) {
	t.Parallel()
	path := socket(t)
	l := listenAt(t, path)
	killed := &instance{events: make(chan status.Event)}
	restarted := &instance{events: make(chan status.Event)}
	s := serve(t, l, killed)
	r := reload(patience(t), path, "name.lost")
	killed.events <- status.Event{} // it has asked
	stopNow(s)
	serve(t, l, restarted)
	restarted.events <- status.Event{ID: "r1"}
	restarted.events <- end(6)
	r.wait(t, 6)
	if got := restarted.notes(); got != "reload name.lost" {
		t.Errorf("the restarted master got %q, want the reload", got)
	}
}

func TestAReloadWithoutAnOutcomeInTimeIsATimeout(t *testing.T) {
	t.Parallel()
	path := socket(t)
	l := listenAt(t, path)
	b := &instance{events: make(chan status.Event)}
	ctx, cancel := context.WithCancel(t.Context())
	r := reload(ctx, path) // waits in the queue: no master is there
	serve(t, l, b)
	b.events <- status.Event{ID: "r1"}
	cancel()
	if err := <-r.done; !errors.Is(err, ErrTimeout) {
		t.Errorf("got %v, want ErrTimeout", err)
	}

	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	nobody := socket(t)
	listenAt(t, nobody)
	if _, err := Dial(nobody).Status(short); !errors.Is(err, ErrTimeout) {
		t.Errorf("got %v, want ErrTimeout", err)
	}
}

func TestTheEndOfTheInstanceEndsAReload(t *testing.T) {
	t.Parallel()
	path := socket(t)
	l := listenAt(t, path)
	b := &instance{events: make(chan status.Event)}
	s := serve(t, l, b)
	r := reload(patience(t), path)
	b.events <- status.Event{ID: "r1"}
	b.events <- step("config")
	<-r.steps
	_ = l.Close()
	stopNow(s)
	if err := <-r.done; !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), "during the reload") {
		t.Errorf("got %v, want ErrNotRunning during the reload", err)
	}
}

func TestAReloadThatTheSuccessorDoesNotKnowIsAskedForAnew(t *testing.T) {
	t.Parallel()
	path := socket(t)
	l := listenAt(t, path)
	killed := &instance{events: make(chan status.Event)}
	after := &instance{events: make(chan status.Event)}
	s := serve(t, l, killed)
	r := reload(patience(t), path)
	killed.events <- status.Event{ID: "forgotten"}
	stopNow(s)
	serve(t, l, after)
	after.events <- status.Event{ID: "r2"}
	after.events <- end(7)
	r.wait(t, 7)
}

func TestARollbackThatTheSuccessorDoesNotKnowIsNot(t *testing.T) {
	t.Parallel()
	path := socket(t)
	l := listenAt(t, path)
	killed := &instance{events: make(chan status.Event)}
	s := serve(t, l, killed)
	r := kinds[1].ask(patience(t), path)
	killed.events <- status.Event{ID: "forgotten"}
	stopNow(s)
	serve(t, l, &instance{events: make(chan status.Event)})
	if err := <-r.done; !errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("got %v, want ErrUnknownOutcome", err)
	}
}
