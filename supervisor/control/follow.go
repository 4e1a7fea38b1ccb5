package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"example.com/handover/supervisor/status"
)

// follower is how much of a reload, a rotation or a rollback a client has seen.
type follower struct {
	what   string // for errors
	target string // where it is asked for
	in     any    // and with what
	once   bool   // done twice it would be another thing than done once
	step   func(status.Step)

	id    string // empty before the first event
	steps int
	end   *status.Reload
}

// Reload asks for a reload, waits for its end and calls step, which may be nil,
// for each of its steps as it happens. That the checks in allow fail is only
// warned of, this once. The outcome of the reload is in the result; an error
// means that the outcome is not known.
func (c *Client) Reload(ctx context.Context, allow []string, step func(status.Step)) (*status.Reload, error) {
	return c.attend(ctx, &follower{what: "reload", target: "/reload", in: reloadRequest{Allow: allow}, step: step})
}

// Rotate asks for new certificates in place; the rest is as with Reload.
func (c *Client) Rotate(ctx context.Context, r RotateRequest, step func(status.Step)) (*status.Reload, error) {
	return c.attend(ctx, &follower{what: "rotation", target: "/rotate", in: r, step: step})
}

// Rollback asks for previous certificates; the rest is as with Reload. Asked
// twice it goes back twice, so an instance that breaks off before it has said
// anything leaves it at ErrUnknownOutcome.
func (c *Client) Rollback(ctx context.Context, r RollbackRequest, step func(status.Step)) (*status.Reload, error) {
	return c.attend(ctx, &follower{what: "rollback", target: "/rollback", in: r, once: true, step: step})
}

// attend follows from master to master until the end.
func (c *Client) attend(ctx context.Context, f *follower) (*status.Reload, error) {
	for {
		err := c.follow(ctx, f)
		switch {
		case f.end != nil:
			return f.end, nil
		case errors.Is(err, ErrNotRunning) && f.id != "":
			return nil, fmt.Errorf("the instance ended during the %s: %w", f.what, err)
		case f.id != "" && forgotten(err):
			// The master that had taken it was killed before its successor heard of it.
			if f.once {
				return nil, fmt.Errorf("ask for a %s: %w", f.what, ErrUnknownOutcome)
			}
			f.id, f.steps = "", 0
		case !errors.Is(err, errBroken):
			return nil, err
		case f.once && f.id == "" && !errors.Is(err, errAway):
			return nil, fmt.Errorf("ask for a %s: %w", f.what, ErrUnknownOutcome)
		}
		if err := pause(ctx); err != nil {
			return nil, err
		}
	}
}

// forgotten says whether the instance does not know what is followed.
func forgotten(err error) bool {
	var answer *Error
	return errors.As(err, &answer) && answer.Code == http.StatusNotFound
}

// follow reads one stream of events. Unless it holds the end it ends with an
// error, most often errBroken.
func (c *Client) follow(ctx context.Context, f *follower) error {
	method, target, in := http.MethodPost, f.target, f.in
	if f.id != "" {
		method, target, in = http.MethodGet, fmt.Sprintf("/reload/%s?after=%d", url.PathEscape(f.id), f.steps), nil
	}
	events, err := c.open(ctx, method, target, in)
	if err != nil {
		return err
	}
	defer func() { _ = events.Close() }()
	if err := f.read(events); err != nil {
		return c.explain(ctx, err)
	}
	return errBroken
}

// read sees the events of a stream, as far as its last one.
func (f *follower) read(events io.Reader) error {
	for lines := json.NewDecoder(events); ; {
		var e status.Event
		if err := lines.Decode(&e); err != nil {
			return err
		}
		if f.see(e) {
			return nil
		}
	}
}

// see takes note of an event and tells whether it is the last of its stream. Of
// one that a neighbouring release has added nothing is noted.
func (f *follower) see(e status.Event) (last bool) {
	if e.ID != "" {
		f.id = e.ID
	}
	if e.Step != nil {
		f.steps++
		if f.step != nil {
			f.step(*e.Step)
		}
	}
	f.end = e.End
	return e.End != nil || e.Moved
}
