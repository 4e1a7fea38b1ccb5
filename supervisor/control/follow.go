package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"example.com/handover/supervisor/status"
)

// follower is how much of a reload a client has seen.
type follower struct {
	id    string // empty before the first event
	steps int
	end   *status.Reload
	step  func(status.Step)
}

// Reload asks for a reload, waits for its end and calls step, which may be nil,
// for each of its steps as it happens. That the checks in allow fail is only
// warned of, this once. The outcome of the reload is in the result; an error
// means that the outcome is not known.
func (c *Client) Reload(ctx context.Context, allow []string, step func(status.Step)) (*status.Reload, error) {
	if step == nil {
		step = func(status.Step) {}
	}
	f := &follower{step: step}
	for {
		err := c.follow(ctx, allow, f)
		switch {
		case f.end != nil:
			return f.end, nil
		case errors.Is(err, ErrNotRunning) && f.id != "":
			return nil, fmt.Errorf("the instance ended during the reload: %w", err)
		case !errors.Is(err, errBroken):
			return nil, err
		}
		if err := pause(ctx); err != nil {
			return nil, err
		}
	}
}

// follow reads one stream of events. Unless it holds the end it ends with an
// error, most often errBroken.
func (c *Client) follow(ctx context.Context, allow []string, f *follower) error {
	method, target, in := http.MethodPost, "/reload", any(reloadRequest{Allow: allow})
	if f.id != "" {
		method, target, in = http.MethodGet, fmt.Sprintf("/reload/%s?after=%d", url.PathEscape(f.id), f.steps), nil
	}
	events, err := c.open(ctx, method, target, in)
	if err != nil {
		return err
	}
	defer func() { _ = events.Close() }()
	for lines := json.NewDecoder(events); ; {
		var e status.Event
		if err := lines.Decode(&e); err != nil {
			return c.explain(ctx, err)
		}
		if f.see(e) {
			return errBroken
		}
	}
}

// see takes note of an event and tells whether it is the last of its stream.
func (f *follower) see(e status.Event) (last bool) {
	if e.ID != "" {
		f.id = e.ID
	}
	if e.Step != nil {
		f.steps++
		f.step(*e.Step)
	}
	f.end = e.End
	return e.End != nil || e.Moved
}
