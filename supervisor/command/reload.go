package command

import (
	"context"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/status"
)

// Reload asks for a reload, shows its steps as they happen and ends as it does.
// After timeout the outcome is not waited for any longer; the reload goes on.
func Reload(ctx context.Context, path string, timeout time.Duration, allow []string, out Output) error {
	if timeout <= 0 {
		return status.Failed(status.ExitUsage, "such as --timeout 60s", "--timeout %v is no time to wait", timeout)
	}
	if err := cert.CheckAllow(allow); err != nil {
		return status.Failed(status.ExitUsage, "--allow takes the name that a refusal shows in parentheses", "%v", err)
	}
	client, err := Instance(path)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	asked := time.Now()
	outcome, err := client.Reload(ctx, allow, func(s status.Step) {
		if !out.JSON {
			status.WriteStep(out, asked, s)
		}
	})
	if err != nil {
		return err
	}
	if !out.JSON {
		status.WriteReload(out, outcome, out.coloured())
	} else if err := printJSON(out, outcome); err != nil {
		return err
	}
	return ended(outcome.Failure(), out)
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
