package worker

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
)

// ask serves one request by handler, wrapped, over a real connection.
func ask(t *testing.T, draining *atomic.Bool, handler http.HandlerFunc) (*http.Response, string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wrapped := &response{ResponseWriter: w, conn: occupied(), draining: draining}
		handler(wrapped, r)
		wrapped.decide()
	}))
	defer server.Close()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	check(t, err)
	defer func() { _ = c.Close() }()
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	check(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	check(t, err)
	if answer.StatusCode == http.StatusSwitchingProtocols {
		return answer, ""
	}
	body, err := io.ReadAll(answer.Body)
	check(t, err)
	return answer, string(body)
}

func TestEveryWayToAnswerSaysCloseWhileDraining(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/file"
	check(t, os.WriteFile(file, []byte("body"), 0o600))
	ways := map[string]http.HandlerFunc{
		"header": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusOK)
			_, _ = w.Write([]byte("body"))
		},
		"write":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("body")) },
		"string": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "body") },
		"copy":   func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, strings.NewReader("body")) },
		"file":   func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) },
		"flush":  func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); _, _ = w.Write([]byte("body")) },
		"controller": func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write([]byte("body"))
		},
		"empty": func(http.ResponseWriter, *http.Request) {},
	}
	for name, way := range ways {
		for _, draining := range []bool{false, true} {
			var flag atomic.Bool
			answer, body := ask(t, &flag, func(w http.ResponseWriter, r *http.Request) {
				flag.Store(draining) // while the request runs
				way(w, r)
			})
			if answer.Close != draining {
				t.Errorf("%s, draining %v: got close %v", name, draining, answer.Close)
			}
			if body != "body" && name != "empty" {
				t.Errorf("%s: got body %q, want \"body\"", name, body)
			}
		}
	}
}

func TestInformationalAnswersDecideNothing(t *testing.T) {
	t.Parallel()
	var flag atomic.Bool
	recorder := httptest.NewRecorder()
	w := &response{ResponseWriter: recorder, conn: occupied(), draining: &flag}
	w.WriteHeader(http.StatusEarlyHints)
	flag.Store(true)
	w.WriteHeader(http.StatusOK)
	if got := w.Header().Get("Connection"); got != "close" {
		t.Errorf("final answer after early hints: got Connection %q, want close", got)
	}
}

func TestSwitchedProtocolKeepsItsConnectionHeader(t *testing.T) {
	t.Parallel()
	var flag atomic.Bool
	flag.Store(true)
	answer, _ := ask(t, &flag, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "x")
		w.WriteHeader(http.StatusSwitchingProtocols)
	})
	if got := answer.Header.Get("Connection"); got != "Upgrade" {
		t.Errorf("switching protocols: got Connection %q, want Upgrade", got)
	}
}

func TestHandlersReachDeadlinesThroughUnwrap(t *testing.T) {
	t.Parallel()
	var flag atomic.Bool
	_, body := ask(t, &flag, func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			_, _ = io.WriteString(w, err.Error())
		}
		if _, ok := w.(io.ReaderFrom); !ok {
			_, _ = io.WriteString(w, "no ReaderFrom")
		}
	})
	if body != "" {
		t.Errorf("response controller: got %q, want nothing to complain of", body)
	}
}

// occupied is a connection whose request a handler has.
func occupied() *conn {
	c := &conn{}
	c.phase.Store(asked)
	return c
}

// notified tells what it finds in its writer, and waits until its client has gone.
func notified(w http.ResponseWriter, _ *http.Request) {
	notifier, told := w.(interface{ CloseNotify() <-chan bool })
	_, pushes := w.(http.Pusher)
	_, hijacks := w.(http.Hijacker)
	_, _ = fmt.Fprintf(w, "notifier %t, pusher %t, hijacker %t\n", told, pushes, hijacks)
	_ = http.NewResponseController(w).Flush()
	if told {
		<-notifier.CloseNotify()
	}
}

// TestAHandlerFindsInItsWriterWhatNetHTTPOffers also over HTTP/2 with a body, for
// which there is a wrapper of its own.
func TestAHandlerFindsInItsWriterWhatNetHTTPOffers(t *testing.T) {
	t.Parallel()
	for _, logged := range []bool{false, true} {
		p := plan{sockets: []testSocket{listenTLS(t)}}
		if logged {
			p.access = openAppend(t, t.TempDir()+"/access")
		}
		m := start(t, p).admit()
		for n, way := range []struct{ proto, body, want string }{
			{"http/1.1", "", "notifier true, pusher false, hijacker true\n"},
			{"http/1.1", "body", "notifier true, pusher false, hijacker true\n"},
			{"h2", "", "notifier true, pusher true, hijacker false\n"},
			{"h2", "body", "notifier true, pusher true, hijacker false\n"},
		} {
			client := &http.Client{Timeout: patience, Transport: &http.Transport{
				ForceAttemptHTTP2: way.proto == "h2", TLSClientConfig: clientConfig(way.proto),
			}}
			a, err := client.Post("https://"+p.sockets[0].addr.String()+"/notified", "text/plain", strings.NewReader(way.body))
			check(t, err)
			if got, err := bufio.NewReader(a.Body).ReadString('\n'); got != way.want {
				t.Errorf("access log %t, %v: got %q, %v", logged, way, got, err)
			}
			check(t, a.Body.Close())
			client.CloseIdleConnections()
			await(t, "end of the handler", func() bool { return m.slot().Requests.Load() == uint64(n+1) })
		}
	}
}
