package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"example.com/handover/supervisor/anchor"
	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/journal"
	"example.com/handover/supervisor/master"
	"example.com/handover/supervisor/outlet"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
)

// Options say what the command line asked for.
type Options struct {
	ConfigPath string   // empty: the built-in defaults
	Command    []string // what the workers are, in place of [app]; empty: as the config says
	Version    string
}

// Main runs the role of this process, anchor or master, and returns its exit
// status.
func Main(o Options) int {
	if wire.Role() != wire.RoleMaster {
		code, _ := runAnchor(context.Background(), complain)
		return code
	}
	return master.Run(master.Options{Version: o.Version, Load: func() (*config.Config, error) {
		c, err := config.Load(o.ConfigPath)
		if err != nil || len(o.Command) == 0 {
			return c, err
		}
		return config.WithCommand(c, o.Command)
	}})
}

// Run supervises the calling program itself: its workers are this program, which
// finds worker.Supervised true in them and calls worker.Serve. Run must be
// reached in every process that is no worker, with the same arguments.
//
// A stop by signal ends the process with status 0. Run returns when ctx is done,
// with its cause, after a graceful stop; and when it could not start or go on.
//
// Config files are read again at each reload; a Config that came from none is
// made anew by the program itself, whose binary each reload starts afresh.
func Run(ctx context.Context, c *config.Config) error {
	if wire.Role() == wire.RoleMaster {
		load := func() (*config.Config, error) { return c, nil }
		if c.Path != "" {
			load = func() (*config.Config, error) { return config.Load(c.Path) }
		}
		os.Exit(master.Run(master.Options{Self: true, Boot: c, Load: load}))
	}
	code, err := runAnchor(ctx, func(io.Writer, error) {}) // the caller is told
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case code == status.ExitDone:
		os.Exit(status.ExitDone)
	}
	return fmt.Errorf("run service: %w", exitError(code))
}

// exitError is the exit status of a master that could not go on; it has said
// why on standard error.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("master ended with status %d", int(e)) }

// ExitCode returns the exit status that stands for err: that of the master
// where Run failed for its sake, 1 for any other error, 0 for none.
func ExitCode(err error) int {
	var e exitError
	switch {
	case err == nil:
		return status.ExitDone
	case errors.As(err, &e):
		return int(e)
	default:
		return status.ExitFailed
	}
}

// runAnchor runs the anchor. Its log never holds it: a signal is taken and a lost
// master started again whether or not somebody reads standard error.
func runAnchor(ctx context.Context, fail func(io.Writer, error)) (code int, err error) {
	format := func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) }
	if readByJournal() {
		format = func(w io.Writer) slog.Handler { return journal.Text(w, nil) }
	}
	out := outlet.New(os.Stderr, outlet.Options{Format: format})
	defer outlet.Flush(out)
	code, err = anchor.Run(anchor.Options{Args: os.Args, Env: os.Environ(), Log: slog.New(format(out)), Context: ctx})
	if err != nil {
		fail(out, err)
	}
	return code, err
}

func readByJournal() bool { return journal.Reads(os.Stderr, os.Getenv(journal.Variable)) }

// complain says why the anchor could not go on.
func complain(to io.Writer, err error) {
	text := fmt.Appendf(nil, "error: %v\n", err)
	if readByJournal() {
		text = journal.Mark(slog.LevelError, text)
	}
	_, _ = to.Write(text)
}
