package app

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/handover/worker"
	"example.com/handover/worker/wire"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// get asks a server for path, word for word.
func get(t *testing.T, s *httptest.Server, path string, header ...string) (int, string) {
	t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	check(t, err)
	defer func() { _ = c.Close() }()
	_, err = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: asked.example\r\nConnection: close\r\n%s\r\n", path, strings.Join(header, ""))
	check(t, err)
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	check(t, err)
	body, err := io.ReadAll(response.Body)
	check(t, err)
	return response.StatusCode, string(body)
}

func serve(t *testing.T, a wire.App) *httptest.Server {
	t.Helper()
	h, err := newHandler(a)
	check(t, err)
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	if p, ok := h.(interface{ CloseIdleConnections() }); ok {
		t.Cleanup(p.CloseIdleConnections)
	}
	return s
}

func TestFilesStayInTheirFolder(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	public := filepath.Join(top, "public")
	check(t, os.MkdirAll(filepath.Join(public, "sub"), 0o755))
	check(t, os.WriteFile(filepath.Join(top, "secret"), []byte("secret"), 0o644))
	check(t, os.WriteFile(filepath.Join(public, "page.txt"), []byte("page"), 0o644))
	check(t, os.WriteFile(filepath.Join(public, "sub", "index.html"), []byte("index"), 0o644))
	check(t, os.Symlink("../secret", filepath.Join(public, "link")))
	check(t, os.Symlink("page.txt", filepath.Join(public, "inner")))
	check(t, unix.Mkfifo(filepath.Join(public, "fifo"), 0o644))
	s := serve(t, wire.App{Kind: wire.AppFiles, Argument: public})
	for path, want := range map[string]string{
		"/page.txt": "200 page", "/inner": "200 page", "/sub/": "200 index",
		"/link": "404", "/../secret": "404", "/%2e%2e/secret": "404", "/sub/..%2f../secret": "404",
		"/none": "404", "/page.txt/x": "404", "/fifo": "404",
	} {
		code, body := get(t, s, path)
		if got := fmt.Sprint(code, " ", body); !strings.HasPrefix(got, want) || strings.Contains(got, "secret") {
			t.Errorf("GET %s: got %q, want %q", path, got, want)
		}
	}
	if _, err := newHandler(wire.App{Kind: wire.AppFiles, Argument: filepath.Join(top, "none")}); err == nil {
		t.Error("files of a missing folder: got no error")
	}
}

func TestProxyReachesItsTarget(t *testing.T) {
	t.Parallel()
	reply := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Host, " ", r.URL.Path, " ", r.Header.Get("X-Forwarded-Proto"), " ", r.Header.Get("X-Forwarded-For"))
	})
	tcp := httptest.NewServer(reply)
	t.Cleanup(tcp.Close)
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	check(t, err)
	local := &httptest.Server{Listener: l, Config: &http.Server{Handler: reply}}
	local.Start()
	t.Cleanup(local.Close)
	for target, want := range map[string]string{
		tcp.URL:           "200 asked.example /a http 127.0.0.1",
		tcp.URL + "/base": "200 asked.example /base/a http 127.0.0.1",
		"unix:" + path:    "200 asked.example /a http 127.0.0.1",
	} {
		s := serve(t, wire.App{Kind: wire.AppProxy, Argument: target})
		code, body := get(t, s, "/a", "X-Forwarded-For: 6.6.6.6\r\n")
		if got := fmt.Sprint(code, " ", body); got != want {
			t.Errorf("proxy to %s: got %q, want %q", target, got, want)
		}
	}
	s := serve(t, wire.App{Kind: wire.AppProxy, Argument: "unix:" + path + ".none"})
	if code, _ := get(t, s, "/"); code != http.StatusBadGateway {
		t.Errorf("proxy to nobody: got %d, want 502", code)
	}
	for _, target := range []string{"unix:", "ftp://x", "localhost:80", "http://", ":"} {
		if _, err := newHandler(wire.App{Kind: wire.AppProxy, Argument: target}); err == nil {
			t.Errorf("proxy to %q: got no error", target)
		}
	}
}

func TestProxyStreams(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "first\n")
		w.(http.Flusher).Flush()
		<-release
	}))
	defer target.Close()
	s := serve(t, wire.App{Kind: wire.AppProxy, Argument: target.URL})
	response, err := s.Client().Get(s.URL)
	check(t, err)
	line, err := bufio.NewReader(response.Body).ReadString('\n')
	if line != "first\n" {
		t.Errorf("while the target goes on: got %q (%v), want the first line", line, err)
	}
	close(release)
	check(t, response.Body.Close())
	s.Client().CloseIdleConnections()
}

func TestWelcomePageSaysWhoServes(t *testing.T) {
	t.Parallel()
	leaf := &x509.Certificate{
		Raw: []byte("der"), SerialNumber: big.NewInt(1), DNSNames: []string{"<b>.example"},
		NotAfter: time.Date(2027, 5, 6, 7, 0, 0, 0, time.UTC),
	}
	h := welcome{identify: func(*http.Request) worker.Identity {
		return worker.Identity{Generation: 3, Slot: 2, Certificate: leaf}
	}}
	ask := func(accept string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "https://localhost/", nil)
		r.Header.Set("Accept", accept)
		r.TLS.Version = tls.VersionTLS13
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	line := ask("*/*").Body.String()
	for _, want := range []string{fmt.Sprintf("generation 3, worker 2 (pid %d): certificate sha256 ", os.Getpid()), "until 2027-05-06", "TLS 1.3"} {
		if !strings.Contains(line, want) {
			t.Errorf("plain text: got %q, want %q in it", line, want)
		}
	}
	page := ask("text/html,*/*").Body.String()
	for _, want := range []string{"<!doctype html>", "2027-05-06", "&lt;b&gt;.example", "handover reload"} {
		if !strings.Contains(page, want) {
			t.Errorf("page: no %q in it", want)
		}
	}
	for _, not := range []string{"<b>", "src=", "http://", "https://"} {
		if strings.Contains(page, not) {
			t.Errorf("page: %q in it, want a page that asks nobody else", not)
		}
	}
	if got := (facts{Generation: 1, Slot: 1, Pid: 9, Protocol: "HTTP/1.1"}).line(); got != "generation 1, worker 1 (pid 9): no certificate, HTTP/1.1" {
		t.Errorf("over plain HTTP: got %q", got)
	}
}
