package worker

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/handover/worker/wire"
)

// bodies are handlers that treat the bodies of their requests in their own ways.
func bodies(mux *http.ServeMux) {
	mux.HandleFunc("POST /pour", pour)
	mux.HandleFunc("POST /duplex", func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = fmt.Fprint(w, "answered")
	})
	mux.HandleFunc("POST /converse", converse)
	mux.HandleFunc("POST /patient", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		_, _ = io.Copy(w, r.Body)
	})
	mux.HandleFunc("POST /trailer", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, r.Trailer.Get("Sum"))
	})
}

const poured = 24 << 20 // more than sockets hold

// pour leaves its body unread and answers more than sockets hold.
func pour(w http.ResponseWriter, r *http.Request) {
	part := make([]byte, 64<<10)
	for range poured / len(part) {
		if _, err := w.Write(part); err != nil || r.Context().Err() != nil {
			return
		}
	}
	_, _ = fmt.Fprint(w, "ended")
}

// converse sends back each line that it is sent, as soon as it has come.
func converse(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.EnableFullDuplex()
	_ = control.Flush()
	for lines := bufio.NewScanner(r.Body); lines.Scan(); {
		_, _ = fmt.Fprintln(w, lines.Text())
		_ = control.Flush()
	}
}

// request writes a request with the first part of its body.
func request(t *testing.T, c net.Conn, path, length, part string) *bufio.Reader {
	t.Helper()
	_, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n%s", path, length, part)
	check(t, err)
	return bufio.NewReader(c)
}

func answer(t *testing.T, r *bufio.Reader) *http.Response {
	t.Helper()
	a, err := http.ReadResponse(r, nil)
	check(t, err)
	return a
}

func TestAClientMayPauseLongerInItsAnswerThanInItsBody(t *testing.T) {
	t.Parallel()
	const pause = 200 * time.Millisecond
	socket := pausing(t, pause)
	c := dial(t, socket)
	a := answer(t, request(t, c, "/pour", "Content-Length: 4", "left"))
	await(t, "pause", elapsed(5*pause))
	body, err := io.ReadAll(a.Body)
	if err != nil || len(body) != poured+len("ended") {
		t.Errorf("after a pause: %d bytes, %v; want all %d", len(body), err, poured+len("ended"))
	}
	get(t, c, "/log")
}

func TestTheRestOfABodyThatPausedIsNoRequestInFullDuplexEither(t *testing.T) {
	t.Parallel()
	const pause = 200 * time.Millisecond
	socket := pausing(t, pause)
	for length, part := range map[string]string{"Content-Length: 200": "part", "Transfer-Encoding: chunked": "c8\r\npart"} {
		c := dial(t, socket)
		answers := request(t, c, "/duplex", length, part)
		if body, err := io.ReadAll(answer(t, answers).Body); string(body) != "answered" {
			t.Errorf("%s: answer %q, %v; want it before the body has come", length, body, err)
		}
		await(t, "pause", elapsed(5*pause))
		_, _ = io.WriteString(c, "GET /log HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if rest, _ := io.ReadAll(answers); len(rest) > 0 {
			t.Errorf("%s: %q after the answer, want the connection closed", length, rest)
		}
	}
}

func TestAConversationMayPauseForAsLongAsItLikes(t *testing.T) {
	t.Parallel()
	const pause = 200 * time.Millisecond
	socket := pausing(t, pause)
	for _, proto := range []string{"http/1.1", "h2"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			w, a := upload(t, socket, proto, "/converse")
			if a := <-a; a != nil {
				lines := bufio.NewScanner(a.Body)
				for _, line := range []string{"first", "second"} {
					await(t, "pause", elapsed(3*pause))
					_, err := fmt.Fprintln(w, line)
					check(t, err)
					if !lines.Scan() || lines.Text() != line {
						t.Errorf("got %q, %v; want %q back", lines.Text(), lines.Err(), line)
					}
				}
			}
			_ = w.Close()
		})
	}
}

func TestAHandlersOwnDeadlineTakesThePlaceOfTheLimit(t *testing.T) {
	t.Parallel()
	const pause = 200 * time.Millisecond
	socket := pausing(t, pause)
	for _, proto := range []string{"http/1.1", "h2"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			w, a := upload(t, socket, proto, "/patient")
			_, err := io.WriteString(w, "begun, ")
			check(t, err)
			await(t, "pause", elapsed(5*pause))
			_, err = io.WriteString(w, "ended")
			check(t, err)
			check(t, w.Close())
			if a := <-a; a != nil {
				if body, err := io.ReadAll(a.Body); string(body) != "begun, ended" {
					t.Errorf("got %q, %v; want all that was sent", body, err)
				}
			}
		})
	}
}

// upload posts a body that is written bit by bit; the answer is nil if there is none.
func upload(t *testing.T, socket testSocket, proto, path string) (io.WriteCloser, <-chan *http.Response) {
	t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		ForceAttemptHTTP2: proto == "h2", TLSClientConfig: clientConfig(proto),
	}}
	r, w := io.Pipe()
	answered, done := make(chan *http.Response, 1), make(chan struct{})
	var a *http.Response
	go func() {
		defer close(done)
		var err error
		if a, err = client.Post("https://"+socket.addr.String()+path, "text/plain", r); err != nil {
			t.Errorf("post: %v", err)
		}
		answered <- a
	}()
	t.Cleanup(func() {
		_ = w.Close()
		if <-done; a != nil {
			_ = a.Body.Close()
		}
		client.CloseIdleConnections()
	})
	return w, answered
}

func TestTrailersThatWereNotDeclaredReachTheHandler(t *testing.T) {
	t.Parallel()
	socket := pausing(t, patience)
	for _, declared := range []string{"", "Trailer: Sum\r\n"} {
		c := dial(t, socket)
		a := answer(t, request(t, c, "/trailer", declared+"Transfer-Encoding: chunked", "4\r\nbody\r\n0\r\nSum: 7\r\n\r\n"))
		if body, err := io.ReadAll(a.Body); string(body) != "7" {
			t.Errorf("declared %q: got %q, %v; want the trailer", strings.TrimSpace(declared), body, err)
		}
	}
}

// TestABodyThatOutlivesItsRequestHasNoShareInTheNext has a read of it end then.
func TestABodyThatOutlivesItsRequestHasNoShareInTheNext(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
	c := newRoster(new(wire.Slot), nil, limitsOf(wire.Limits{})).add(ours, true)
	first := c.watch(http.NoBody, patience)
	first.expect()
	c.forgive()
	second := c.watch(http.NoBody, patience)
	second.expect()
	first.relent()
	if c.until.ours.IsZero() {
		t.Error("while the second is read there is no deadline, want one")
	}
	second.relent()
	if ours := c.until.ours; !ours.IsZero() {
		t.Errorf("afterwards: deadline %v, want none", ours)
	}
}
