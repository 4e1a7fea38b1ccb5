package harness

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

// answers is the least handler that the clients are content with.
func answers(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, _ = w.Write(body)
}

// serve puts a handler on a TLS address, as an instance without processes.
func serve(t *testing.T, handler http.HandlerFunc) (*Instance, *http.Server) {
	t.Helper()
	dir := Folder(t)
	i := &Instance{t: t, Dir: dir, Addr: FreeAddress(t), Certs: NewCerts(t, dir+"/certs")}
	pair := i.Certs.Renew()
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
	l, err := net.Listen("tcp", i.Addr)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = server.ServeTLS(l, "", "")
		close(ended)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	return i, server
}

func TestLoadLosesNothingAgainstAServerThatStays(t *testing.T) {
	t.Parallel()
	i, _ := serve(t, answers)
	load := i.Load(t, Load{New: 2, Kept: 2, Think: time.Millisecond, H2: 2, Streams: 3})
	load.More(t, 200)
	load.Stop().NothingLost(t)
}

func TestLoadCountsAKeptConnectionThatEndsUnannounced(t *testing.T) {
	t.Parallel()
	i, server := serve(t, answers)
	load := i.Load(t, Load{Kept: 4})
	load.More(t, 50)
	_ = server.Close()
	Until(t, "losses", 10*time.Second, func() error {
		return Unless(len(load.SoFar().Losses) >= 4, "%d", len(load.SoFar().Losses))
	})
	report := load.Stop()
	if got := report.Kinds(); !strings.Contains(got, "refused") {
		t.Errorf("losses %q, want refused dials among them", got)
	}
}

func TestLoadReconnectsWithoutLossWhenTheEndIsAnnounced(t *testing.T) {
	t.Parallel()
	i, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		answers(w, r)
	})
	load := i.Load(t, Load{Kept: 2})
	load.More(t, 20)
	report := load.Stop()
	report.NothingLost(t)
	if report.Connections != report.Requests {
		t.Errorf("%d connections for %d requests, want one each", report.Connections, report.Requests)
	}
}

func TestLoadCountsAnAnswerThatIsNotTheBody(t *testing.T) {
	t.Parallel()
	i, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if len(body) > 0 {
			body[len(body)-1]++
		}
		_, _ = w.Write(body)
	})
	load := i.Load(t, Load{Kept: 1, H2: 1})
	Until(t, "losses", 10*time.Second, func() error {
		return Unless(len(load.SoFar().Losses) > 1, "%d", len(load.SoFar().Losses))
	})
	load.Stop()
}

func TestHTTP2StreamsUpToTheLastAreFinishedAfterGoAway(t *testing.T) {
	t.Parallel()
	i, server := serve(t, answers)
	h, err := i.DialH2()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if _, err := h.Do("GET", "/", nil, nil); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	asked := false
	body := Body()
	a, err := h.Do("POST", "/", body, func() {
		if asked {
			return
		}
		asked = true
		// One answer later the server has seen the headers of this stream too.
		if _, err := h.Do("GET", "/", nil, nil); err != nil {
			t.Errorf("beside it: %v", err)
		}
		go func() { ended <- server.Shutdown(t.Context()) }()
		Until(t, "leave announced", 10*time.Second, func() error { return Unless(h.Leaving(), "not yet") })
	})
	if err != nil || len(a.Body) != len(body) {
		t.Errorf("stream open at GOAWAY %v: %d bytes, %v; want %d", h.GoAways, len(a.Body), err, len(body))
	}
	if _, err := h.Do("GET", "/", nil, nil); err != ErrLeaving {
		t.Errorf("after GOAWAY: %v, want %v", err, ErrLeaving)
	}
	h.Close()
	if err := <-ended; err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

func TestUndertakerKillsTheSessionsThatAreStillOpen(t *testing.T) {
	t.Parallel()
	start := func() *exec.Cmd {
		cmd := exec.Command("/bin/sh", "-c", "sleep 60 & sleep 60")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		Until(t, "both processes", 5*time.Second, func() error {
			return Unless(len(Session(cmd.Process.Pid)) == 3, "%v", Session(cmd.Process.Pid))
		})
		return cmd
	}
	open, forgotten := start(), start()
	dir := Folder(t)
	bury(dir, strings.NewReader(fmt.Sprintf("+%d\n+%d\n-%d\n", open.Process.Pid, forgotten.Process.Pid, forgotten.Process.Pid)))
	_ = open.Wait()
	if left := Session(open.Process.Pid); len(left) > 0 {
		t.Errorf("left of an open session: %v, want none", left)
	}
	if left := Session(forgotten.Process.Pid); len(left) != 3 {
		t.Errorf("left of a forgotten session: %v, want all three", left)
	}
	killSession(forgotten.Process.Pid)
	_ = forgotten.Wait()
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("the folder is left")
	}
}

func TestProcessesAreReadAsTheKernelWritesThem(t *testing.T) {
	t.Parallel()
	p, ok := parse("12 (a (b) c) S 3 4 5 0 -1 0")
	if want := (Process{Pid: 12, Name: "a (b) c", State: "S", Parent: 3, Session: 5}); !ok || p != want {
		t.Errorf("parsed %+v, %v; want %+v", p, ok, want)
	}
	if m, err := MemoryOf(os.Getpid()); err != nil || m.PSS == 0 || m.Private == 0 {
		t.Errorf("own memory %+v, %v; want some", m, err)
	}
	if env := Environ(os.Getpid()); len(env) == 0 {
		t.Error("own environment empty")
	}
	if fds := Descriptors(os.Getpid()); fds[0] == "" {
		t.Errorf("own descriptors %v, want 0 among them", fds)
	}
}
