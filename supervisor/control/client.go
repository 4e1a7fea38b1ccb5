package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"time"

	"example.com/handover/supervisor/status"
	"golang.org/x/sys/unix"
)

// retryPause lies between two attempts to get an answer, so that a master which
// says "moved" and accepts on, or breaks at each request, is not asked in a
// tight loop. Waiting for a successor is done in the socket's queue.
const retryPause = 10 * time.Millisecond

var (
	// errBroken marks a conversation that broke off: the master that answered was
	// killed or has handed over, and its successor is to be asked.
	errBroken = errors.New("conversation broke off")

	// errAway is an errBroken of which is known that nothing was heard: nobody has
	// taken the request, or who did is about to leave and said so.
	errAway = fmt.Errorf("nobody to answer: %w", errBroken)
)

// Client asks the instance behind a control socket. It holds no connection
// between two requests and may be used by several goroutines. An error is
// ErrNotRunning, ErrTimeout when the context ended first, ErrUnknownOutcome, or
// an *Error with the answer of the instance.
type Client struct {
	path string
	http *http.Client
}

// Dial returns a client of the socket at path. Connecting is left to each
// request.
func Dial(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	return &Client{path: path, http: &http.Client{Transport: &http.Transport{
		DialContext: dial, DisableKeepAlives: true, DisableCompression: true,
	}}}
}

// Status returns the current status.
func (c *Client) Status(ctx context.Context) (*status.Status, error) {
	var s status.Status
	if err := c.call(ctx, http.MethodGet, "/status", nil, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// Scale sets how many workers are wanted.
func (c *Client) Scale(ctx context.Context, workers int) (*status.Status, error) {
	var s status.Status
	if err := c.call(ctx, http.MethodPost, "/scale", scaleRequest{Workers: &workers}, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// Reopen has the log files opened anew.
func (c *Client) Reopen(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/reopen", nil, nil)
}

// Stop asks for a stop and does not wait for its end.
func (c *Client) Stop(ctx context.Context, quick bool) error {
	return c.call(ctx, http.MethodPost, "/stop", stopRequest{Quick: quick}, nil)
}

// call asks until there is an answer: each request may be repeated without
// doing more than once what it asks for.
func (c *Client) call(ctx context.Context, method, target string, in, out any) error {
	for {
		err := c.attempt(ctx, method, target, in, out)
		if !errors.Is(err, errBroken) {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func (c *Client) attempt(ctx context.Context, method, target string, in, out any) error {
	answer, err := c.open(ctx, method, target, in)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	b, err := io.ReadAll(answer)
	if err != nil {
		return c.explain(ctx, err)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("read the answer to %s: %v", target, err)
	}
	return nil
}

// open sends a request and returns the body of a successful answer.
func (c *Client) open(ctx context.Context, method, target string, in any) (io.ReadCloser, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://handover"+target, body)
	if err != nil {
		return nil, err
	}
	sayVersion(request.Header)
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	if e := judgeVersion("running instance", answer.Header); e != nil {
		_ = answer.Body.Close()
		return nil, e
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode == http.StatusServiceUnavailable {
		return nil, errAway
	}
	e := &Error{Code: answer.StatusCode}
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	if json.Unmarshal(b, e) != nil || e.Message == "" {
		e.Message = "the instance answers " + answer.Status
	}
	return nil, estranged(e)
}

// explain says what a failed conversation means.
func (c *Client) explain(ctx context.Context, err error) error {
	var op *net.OpError
	dialled := !errors.As(err, &op) || op.Op != "dial"
	switch {
	case ctx.Err() != nil:
		return ErrTimeout
	case dialled:
		return errBroken
	case errors.Is(err, unix.EAGAIN): // the queue is full
		return errAway
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("%w: nobody listens on %q", ErrNotRunning, c.path)
	case errors.Is(err, fs.ErrPermission):
		return &Error{
			Code: http.StatusForbidden, Message: fmt.Sprintf("connect to %q: permission denied", c.path),
			Hint: "run the command as root or as the user of the instance",
		}
	default:
		return fmt.Errorf("connect to %q: %v", c.path, op.Err)
	}
}

// pause waits before the next attempt, or says that there is no time for one.
func pause(ctx context.Context) error {
	timer := time.NewTimer(retryPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ErrTimeout
	}
}
