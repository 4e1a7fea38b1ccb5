package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/control"
	"example.com/handover/supervisor/status"
)

// Check judges the config at path and its certificates as a reload would, and
// prints the result. It changes nothing.
func Check(ctx context.Context, path string, out Output) error {
	c, err := config.Load(path)
	if err != nil {
		return err
	}
	if err := c.JudgeChecks(cert.CheckNames); err != nil {
		return err
	}
	request := cert.Request{Sources: c.Certificate, TLS: c.TLS, Served: served(ctx, c)}
	bundle, checks, err := cert.Take(ctx, request)
	var refusal *cert.Refusal
	if err != nil && !errors.As(err, &refusal) {
		return err
	}
	result := status.CheckResult{Accepted: refusal == nil, Checks: checks, Certificates: []status.Certificate{}}
	if result.Accepted {
		result.Certificates = bundle.Published()
	}
	if !out.JSON {
		status.WriteCheckResult(out, result, time.Now(), out.coloured())
	} else if err := printJSON(out, result); err != nil {
		return err
	}
	if result.Accepted {
		return nil
	}
	return ended(status.Refused(checks), out)
}

// served returns what a running instance serves, nil if there is none.
func served(ctx context.Context, c *config.Config) []status.Certificate {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s, err := control.Dial(c.ControlSocket()).Status(ctx)
	switch {
	case err == nil:
		return s.Certificates
	case !errors.Is(err, control.ErrNotRunning):
		fmt.Fprintf(os.Stderr, "warn: not compared with what is served: %v\n", err)
	}
	return nil
}
