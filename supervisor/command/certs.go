package command

import (
	"context"
	"time"

	"example.com/handover/supervisor/control"
	"example.com/handover/supervisor/status"
)

// Certs prints what is served, what is on disk, and until when.
func Certs(ctx context.Context, path string, out Output) error {
	return ask(ctx, path, func(ctx context.Context, c *control.Client) error {
		s, err := c.Status(ctx)
		if err != nil {
			return err
		}
		if out.JSON {
			return printJSON(out, s.Certs())
		}
		status.WriteCerts(out, s.Certs(), time.Now(), out.look())
		return nil
	})
}
