package command

import (
	"context"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/control"
	"example.com/handover/supervisor/status"
)

// Change asks an instance to serve something else, shows the steps as they happen
// and ends as it does. After Timeout the outcome is not waited for any longer;
// what was asked for goes on.
type Change struct {
	Path    string // of the config
	Timeout time.Duration
	Allow   []string // checks that only warn, this once
	Out     Output
}

// follow is how a client asks for a change and waits for its end.
type follow func(context.Context, *control.Client, func(status.Step)) (*status.Reload, error)

// Reload asks for a fresh generation.
func (c Change) Reload(ctx context.Context) error {
	return c.run(ctx, func(ctx context.Context, client *control.Client, step func(status.Step)) (*status.Reload, error) {
		return client.Reload(ctx, c.Allow, step)
	})
}

// Rotate asks for the certificates on disk, in place; with newTickets no session
// of before is resumed.
func (c Change) Rotate(ctx context.Context, newTickets bool) error {
	return c.run(ctx, func(ctx context.Context, client *control.Client, step func(status.Step)) (*status.Reload, error) {
		return client.Rotate(ctx, control.RotateRequest{Allow: c.Allow, NewTickets: newTickets}, step)
	})
}

// Rollback asks for the previous certificate of that name, or of all if it is
// empty; with undo for the ones on disk again.
func (c Change) Rollback(ctx context.Context, name string, undo bool) error {
	return c.run(ctx, func(ctx context.Context, client *control.Client, step func(status.Step)) (*status.Reload, error) {
		return client.Rollback(ctx, control.RollbackRequest{Name: name, Undo: undo, Allow: c.Allow}, step)
	})
}

func (c Change) run(ctx context.Context, ask follow) error {
	if c.Timeout <= 0 {
		return status.Failed(status.ExitUsage, "such as --timeout 60s", "--timeout %v is no time to wait", c.Timeout)
	}
	if err := cert.CheckAllow(c.Allow); err != nil {
		return status.Failed(status.ExitUsage, "--allow takes the name that a refusal shows in parentheses", "%v", err)
	}
	client, err := Instance(c.Path)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	shown := begin(c.Out, time.Now())
	outcome, err := ask(ctx, client, shown.step)
	shown.end()
	if err != nil {
		return missing(c.Path, err)
	}
	if !c.Out.JSON {
		status.WriteReload(c.Out, outcome, c.Out.coloured())
	} else if err := printJSON(c.Out, outcome); err != nil {
		return err
	}
	return ended(outcome.Failure(), c.Out)
}

// ended returns a failure as an error, which nil is only if it has no type. To
// a program the JSON has said it all, but for the exit code.
func ended(f *status.Failure, out Output) error {
	switch {
	case f == nil:
		return nil
	case out.JSON:
		return &status.Failure{Code: f.Code}
	default:
		return f
	}
}
