package worker

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// accessFile returns an access log in a file, and what the file holds.
func accessFile(t *testing.T, format string) (*accessLog, func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access")
	f := openAppend(t, path)
	l := newAccessLog(f, wire.Settings{Generation: 7, Slot: 2, LogFormat: format}, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = l.file.Close() })
	return l, func() string { return contents(t, path) }
}

func openAppend(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	check(t, err)
	return f
}

func contents(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	check(t, err)
	return string(b)
}

// logging serves handler through the wrappers that a worker puts around it.
func logging(t *testing.T, l *accessLog, client bool, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := &server{boot: &boot{access: l}}
	recorded := s.recorded(handler)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := occupied()
		c.client = client
		r = r.WithContext(context.WithValue(r.Context(), connection{}, c))
		if r.ProtoMajor == 1 {
			w = &response{ResponseWriter: w, conn: c, draining: &s.draining}
		}
		recorded.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.EnableHTTP2 = true
	t.Cleanup(server.Close)
	return server
}

// aLine is what the JSON of a request holds.
type aLine struct {
	Time                        time.Time
	Remote, Method, Path, Proto string
	Status, Bytes               int
	Duration                    *float64 `json:"duration_ms"`
	Referer, Host, TLS          string
	Agent                       string `json:"user_agent"`
	Worker, Generation          int
	Aborted                     bool
}

func lines(t *testing.T, text string) []aLine {
	t.Helper()
	var all []aLine
	for line := range strings.Lines(text) {
		var one aLine
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&one); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, one)
	}
	return all
}

func TestALineHasTheUsualFields(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 28, 18, 27, 11, 5e6, time.FixedZone("", 3600))
	e := accessEntry{
		began: began, remote: "192.0.2.1", method: "GET", target: "/a?b=c", proto: "HTTP/2.0", host: "example.org", tls: "1.3",
		agent: "curl/8", status: 200, bytes: 1234, duration: 1500 * time.Microsecond,
	}
	settings := wire.Settings{Generation: 7, Slot: 2, LogFormat: "text"}
	want := `192.0.2.1 - - [28/Nov/2026:18:27:11 +0100] "GET /a?b=c HTTP/2.0" 200 1234 "-" "curl/8" 1.500ms 7.2` + "\n"
	if got := string(newAccessFormat(settings).line(nil, &e)); got != want {
		t.Errorf("got  %s want %s", got, want)
	}
	settings.LogFormat = "json"
	want = `{"time":"2026-11-28T18:27:11.005+01:00","remote":"192.0.2.1","method":"GET","path":"/a?b=c","proto":"HTTP/2.0","status":200,"bytes":1234,"duration_ms":1.500,` +
		`"referer":"","user_agent":"curl/8","host":"example.org","tls":"1.3","worker":2,"generation":7}` + "\n"
	if got := string(newAccessFormat(settings).line(nil, &e)); got != want {
		t.Errorf("got  %s want %s", got, want)
	}
}

func TestNothingThatAClientSaysBreaksALine(t *testing.T) {
	t.Parallel()
	for _, evil := range []string{"a\"b\\c", "a\nb\r", "\x00\x1b[2J\x7f", "é\xff\u0085\u2028", strings.Repeat("\x01", 70000), strings.Repeat("\"", 70000)} {
		e := accessEntry{method: evil, target: evil, proto: "HTTP/1.1", host: evil, referer: evil, agent: evil, status: 200}
		for _, format := range []string{"text", "json"} {
			line := newAccessFormat(wire.Settings{LogFormat: format}).line(nil, &e)
			if n := bytes.Count(line, []byte("\n")); n != 1 || line[len(line)-1] != '\n' || len(line) > pipeBuf {
				t.Errorf("%s of %.20q: got %d lines in %d bytes, want one of at most %d", format, evil, n, len(line), pipeBuf)
			}
			for _, c := range line[:len(line)-1] {
				if c < ' ' || c == 0x7f || format == "text" && c > '~' {
					t.Errorf("%s of %.20q: got byte %#x in it", format, evil, c)
					break
				}
			}
			if format == "json" && !json.Valid(line) {
				t.Errorf("of %.20q: got %s, want JSON", evil, line)
			}
			if quoted := regexp.MustCompile(`"(\\.|[^"\\])*"`); format == "text" && len(quoted.FindAll(line, -1)) != 3 {
				t.Errorf("of %.20q: got %s, want three quoted fields", evil, line)
			}
		}
	}
}

// answers are ways to answer, and what is logged of them.
var answers = map[string]struct {
	handler http.HandlerFunc
	status  int
	bytes   int
	aborted bool
}{
	"empty":  {func(http.ResponseWriter, *http.Request) {}, 200, 0, false},
	"status": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); _, _ = w.Write([]byte("no")) }, 404, 2, false},
	"hints": {func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusAccepted)
		w.WriteHeader(http.StatusTeapot)
	}, 202, 0, false},
	"string": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "four") }, 200, 4, false},
	"copy":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, strings.NewReader("body!")) }, 200, 5, false},
	"from": {func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.(io.ReaderFrom).ReadFrom(io.LimitReader(neverending{}, 70000))
	}, 200, 70000, false},
	"flush": {func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); _, _ = w.Write([]byte("x")) }, 200, 1, false},
	"trailer": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "Sum")
		_, _ = w.Write([]byte("x"))
		w.Header().Set("Sum", "1")
	}, 200, 1, false},
	"panic":  {func(http.ResponseWriter, *http.Request) { panic("broken") }, 500, 0, true},
	"broken": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")); panic(http.ErrAbortHandler) }, 200, 1, true},
}

type neverending struct{}

func (neverending) Read(b []byte) (int, error) { return len(b), nil }

func TestEveryWayToAnswerIsLoggedOnce(t *testing.T) {
	t.Parallel()
	for name, a := range answers {
		for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
			l, log := accessFile(t, "json")
			server := logging(t, l, true, a.handler)
			if proto == "HTTP/2.0" {
				server.StartTLS()
			} else {
				server.Start()
			}
			answer, err := server.Client().Get(server.URL + "/?q")
			if err == nil {
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
				if name == "trailer" && answer.Trailer.Get("Sum") != "1" {
					t.Errorf("%s: got trailers %v", proto, answer.Trailer)
				}
			}
			server.Close() // which waits for the handler
			got := lines(t, log())
			if len(got) != 1 {
				t.Errorf("%s over %s: got %d lines, want one: %q", name, proto, len(got), log())
				continue
			}
			g := got[0]
			if g.Status != a.status || g.Bytes != a.bytes || g.Aborted != a.aborted || g.Proto != proto || g.Path != "/?q" ||
				g.Worker != 2 || g.Generation != 7 || g.Remote != "127.0.0.1" || g.Duration == nil || (g.TLS == "1.3") != (proto == "HTTP/2.0") {
				t.Errorf("%s over %s: got %+v, want status %d, %d bytes, aborted %v", name, proto, g, a.status, a.bytes, a.aborted)
			}
		}
	}
}

func TestABodyThatHEADDoesNotSendIsNotCounted(t *testing.T) {
	t.Parallel()
	l, log := accessFile(t, "json")
	server := logging(t, l, true, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("body")) })
	server.Start()
	answer, err := server.Client().Head(server.URL)
	check(t, err)
	_ = answer.Body.Close()
	server.Close()
	if got := lines(t, log()); len(got) != 1 || got[0].Bytes != 0 || got[0].Method != "HEAD" {
		t.Errorf("got %+v, want one line of a HEAD without bytes", got)
	}
}

func TestARequestWhoseClientHasGoneUnansweredIsLoggedAs499(t *testing.T) {
	t.Parallel()
	l, log := accessFile(t, "json")
	begun := make(chan struct{})
	server := logging(t, l, true, func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	})
	server.Start()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	check(t, err)
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	check(t, err)
	<-begun
	check(t, c.Close())
	await(t, "line", func() bool { return log() != "" })
	if got := lines(t, log()); len(got) != 1 || got[0].Status != statusGone {
		t.Errorf("got %+v, want one line with status %d", got, statusGone)
	}
}

func TestProbesAreNotLogged(t *testing.T) {
	t.Parallel()
	l, log := accessFile(t, "text")
	server := logging(t, l, false, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("healthy")) })
	server.Start()
	answer, err := server.Client().Get(server.URL)
	check(t, err)
	_ = answer.Body.Close()
	server.Close()
	if log() != "" {
		t.Errorf("got %q, want nothing", log())
	}
}

func TestAHijackedConnectionIsLoggedWhenItIsTaken(t *testing.T) {
	t.Parallel()
	l, log := accessFile(t, "json")
	server := logging(t, l, true, func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = c.Close() }()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
		_, _ = c.Read(make([]byte, 1)) // as long as the client likes
		panic(http.ErrAbortHandler)
	})
	server.Start()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	check(t, err)
	_, err = io.WriteString(c, "GET /chat HTTP/1.1\r\nHost: localhost\r\n\r\n")
	check(t, err)
	if answer, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || answer.StatusCode != 101 {
		t.Errorf("got %v, %v; want 101", answer, err)
	}
	if got := lines(t, log()); len(got) != 1 || got[0].Status != 101 || got[0].Path != "/chat" {
		t.Errorf("while it lasts: got %+v, want one line with status 101", got)
	}
	check(t, c.Close())
	server.Close()
	if got := lines(t, log()); len(got) != 1 {
		t.Errorf("after its end: got %d lines, want still one", len(got))
	}
}

func TestWhatNetHTTPOffersIsReachedThroughTheAccessLog(t *testing.T) {
	t.Parallel()
	l, _ := accessFile(t, "text")
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		server := logging(t, l, true, func(w http.ResponseWriter, r *http.Request) {
			_, hijacker := w.(http.Hijacker)
			if hijacker != (r.ProtoMajor == 1) {
				t.Errorf("%s: an http.Hijacker: %v", r.Proto, hijacker)
			}
			rc := http.NewResponseController(w)
			for what, err := range map[string]error{
				"full duplex": rc.EnableFullDuplex(), "read deadline": rc.SetReadDeadline(time.Now().Add(patience)),
				"write deadline": rc.SetWriteDeadline(time.Now().Add(patience)), "flush": rc.Flush(),
			} {
				if err != nil {
					t.Errorf("%s: %s: %v", r.Proto, what, err)
				}
			}
			// What was read is answered before all was sent.
			b := make([]byte, 4)
			for {
				n, err := r.Body.Read(b)
				_, _ = w.Write(b[:n])
				_ = rc.Flush()
				if err != nil {
					return
				}
			}
		})
		server.StartTLS()
		if proto == "HTTP/1.1" {
			server.Client().Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"http/1.1"}
			server.Client().Transport.(*http.Transport).ForceAttemptHTTP2 = false
			server.Client().Transport.(*http.Transport).TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		}
		body, upload := io.Pipe()
		request, err := http.NewRequest(http.MethodPost, server.URL, body)
		check(t, err)
		answer, err := server.Client().Do(request)
		check(t, err)
		if answer.Proto != proto {
			t.Errorf("got %s, want %s", answer.Proto, proto)
		}
		echo := make([]byte, 4)
		for _, word := range []string{"ping", "pong"} {
			_, err = io.WriteString(upload, word)
			check(t, err)
			if _, err := io.ReadFull(answer.Body, echo); err != nil || string(echo) != word {
				t.Errorf("%s: got %q, %v; want %q while the request goes on", proto, echo, err, word)
			}
		}
		_ = upload.Close()
		_ = answer.Body.Close()
		server.Close()
	}
}

func TestNoLineIsLostOrTornWhenManyWriteAndTheFileMoves(t *testing.T) {
	t.Parallel()
	const writers, each = 8, 2000
	dir := t.TempDir()
	l := newAccessLog(openAppend(t, filepath.Join(dir, "0")), wire.Settings{}, slog.New(slog.DiscardHandler))
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range each {
				l.write(fmt.Appendf(nil, "%d %d\n", w, n))
			}
		})
	}
	for n := range 20 {
		l.move(openAppend(t, filepath.Join(dir, fmt.Sprint(n+1))))
	}
	all.Wait()
	l.flush()
	_ = l.file.Close()
	seen := map[string]int{}
	for n := range 21 {
		for line := range strings.Lines(contents(t, filepath.Join(dir, fmt.Sprint(n)))) {
			seen[line]++
		}
	}
	for w := range writers {
		for n := range each {
			if line := fmt.Sprintf("%d %d\n", w, n); seen[line] != 1 {
				t.Fatalf("%q is there %d times, want once", line, seen[line])
			}
		}
	}
	if len(seen) != writers*each {
		t.Errorf("got %d different lines, want %d", len(seen), writers*each)
	}
}

// TestARequestDoesNotWaitForAReaderThatIsStopped writes to a pipe that nobody
// reads, which is blocking as a service's standard output is.
func TestARequestDoesNotWaitForAReaderThatIsStopped(t *testing.T) {
	t.Parallel()
	var said atomic.Int64
	var fds [2]int
	check(t, unix.Pipe2(fds[:], unix.O_CLOEXEC))
	r, w := os.NewFile(uintptr(fds[0]), "reader"), os.NewFile(uintptr(fds[1]), "pipe")
	l := newAccessLog(w, wire.Settings{}, slog.New(slog.NewTextHandler(counting{&said}, nil)))
	line := []byte(strings.Repeat("x", 999) + "\n")
	const written = 3000
	for range written { // more than pipe and pending hold together
		l.write(line)
	}
	got := make(chan int)
	go func() {
		n := 0
		for scanner := bufio.NewScanner(r); scanner.Scan(); {
			if len(scanner.Bytes()) != 999 {
				t.Errorf("a line of %d bytes, want 999", len(scanner.Bytes()))
			}
			n++
		}
		got <- n
	}()
	l.flush()
	l.write(line) // it has found out that it can write again
	l.flush()
	await(t, "complaint", func() bool { return said.Load() >= 1 })
	_ = w.Close()
	n := <-got
	if n < accessPending/len(line) || n >= written {
		t.Errorf("got %d lines of %d, want as many as were pending", n, written)
	}
	_ = r.Close()
}

type counting struct{ n *atomic.Int64 }

func (c counting) Write(b []byte) (int, error) {
	c.n.Add(1)
	return len(b), nil
}

func TestAFullDiskCostsLinesAndNoRequest(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	check(t, err)
	said := make(chan string, 16)
	l := newAccessLog(full, wire.Settings{}, slog.New(slog.NewTextHandler(speaking(said), nil)))
	l.meter = new(wire.Meter)
	for range 3 {
		l.write([]byte("lost\n"))
		l.flush()
	}
	if got := <-said; !strings.Contains(got, "not written") || !strings.Contains(got, "no space left") {
		t.Errorf("got %q, want that and why it is not written", got)
	}
	path := filepath.Join(t.TempDir(), "access")
	l.move(openAppend(t, path))
	l.write([]byte("kept\n"))
	l.flush()
	if got := <-said; !strings.Contains(got, "written again") || !strings.Contains(got, "lost=3") {
		t.Errorf("got %q, want that three lines were lost", got)
	}
	if got := contents(t, path); got != "kept\n" || len(said) != 0 {
		t.Errorf("got %q and %d words more, want the line and none", got, len(said))
	}
	if n := l.meter.Load(wire.AccessLost); n != 3 {
		t.Errorf("metered: got %d lost lines, want 3", n)
	}
	_ = l.file.Close()
}

type speaking chan string

func (s speaking) Write(b []byte) (int, error) {
	s <- string(b)
	return len(b), nil
}

func TestTheAccessLogOfAWorkerMovesAndIsWholeAfterItsDrain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}, access: openAppend(t, first)}).admit()
	mustPost(t, dial(t, socket), 1)
	f := openAppend(t, second)
	m.say(wire.Message{Kind: wire.KindAccess}, f)
	await(t, "access log that has moved", func() bool {
		link, _ := filepath.EvalSymlinks(fmt.Sprintf("/proc/%d/fd", m.pid))
		found, _ := filepath.Glob(link + "/*")
		for _, fd := range found {
			if to, _ := os.Readlink(fd); to == second {
				return true
			}
		}
		return false
	})
	check(t, f.Close())
	mustPost(t, dial(t, socket), 1)
	m.drain()
	m.awaitExit(0)
	for _, path := range []string{first, second} {
		if got := contents(t, path); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"POST /echo HTTP/1.1" 200 `) {
			t.Errorf("%s: got %q, want one line", path, got)
		}
	}
}

func BenchmarkALine(b *testing.B) {
	l := newAccessLog(os.NewFile(uintptr(devNull(b)), "null"), wire.Settings{}, slog.New(slog.DiscardHandler))
	l.regular = true
	e := accessEntry{began: time.Now(), remote: "127.0.0.1", method: "GET", target: "/", proto: "HTTP/1.1", agent: "curl/8", status: 200}
	b.ReportAllocs()
	for b.Loop() {
		var buf [512]byte
		l.write(l.how.line(buf[:0], &e))
	}
}

func devNull(b *testing.B) int {
	fd, err := unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	check(b, err)
	return fd
}
