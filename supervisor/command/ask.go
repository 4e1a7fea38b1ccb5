package command

import (
	"context"
	"fmt"
	"time"

	"example.com/handover/supervisor/control"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
)

// Status prints what the instance says about itself.
func Status(ctx context.Context, path string, out Output) error {
	return ask(ctx, path, func(ctx context.Context, c *control.Client) error {
		s, err := c.Status(ctx)
		if err != nil {
			return err
		}
		if out.JSON {
			return printJSON(out, s)
		}
		status.Write(out, s, time.Now(), out.look())
		return nil
	})
}

// Scale sets the number of workers.
func Scale(ctx context.Context, path string, workers int, out Output) error {
	if workers < 1 || workers > wire.MaxSlots {
		return status.Failed(status.ExitUsage, "such as: handover scale 4", "expected a number of workers from 1 to %d, found %d", wire.MaxSlots, workers)
	}
	return ask(ctx, path, func(ctx context.Context, c *control.Client) error {
		s, err := c.Scale(ctx, workers)
		if err != nil {
			return err
		}
		if out.JSON {
			return printJSON(out, s)
		}
		_, err = fmt.Fprintf(out, "workers wanted: %d\n", workers)
		return err
	})
}

// Reopen has the log files opened anew.
func Reopen(ctx context.Context, path string) error {
	return ask(ctx, path, func(ctx context.Context, c *control.Client) error { return c.Reopen(ctx) })
}

// Stop asks for a stop.
func Stop(ctx context.Context, path string, quick bool) error {
	return ask(ctx, path, func(ctx context.Context, c *control.Client) error { return c.Stop(ctx, quick) })
}

// ask finds the instance and asks it within the time it may take.
func ask(ctx context.Context, path string, question func(context.Context, *control.Client) error) error {
	c, err := Instance(path)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return missing(path, question(ctx, c))
}
