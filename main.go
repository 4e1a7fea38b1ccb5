// Handover keeps a Go service running: it forks workers that share the
// listening sockets and replaces all of them, without losing a request, when
// it is told to. "handover --help" lists the commands.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/handover/signals"
	"example.com/handover/supervisor"
	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/control"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/app"
	"example.com/handover/worker/wire"
	"github.com/urfave/cli/v2"
)

// version is set at link time; without that the build information counts.
var version string

// patience is how long a command waits for an answer of the instance.
const patience = 10 * time.Second

func main() {
	// The role comes first: a worker was started with the arguments of a program
	// that may have flags of its own.
	if wire.Role() == wire.RoleWorker {
		os.Exit(end(app.Serve()))
	}
	os.Exit(end(application().Run(arrange(os.Args))))
}

// end shows what an error means and returns the exit code for it.
func end(err error) int {
	if err == nil {
		return status.ExitDone
	}
	f := explain(err)
	f.Write(os.Stderr, status.Coloured(os.Stderr))
	return f.Code
}

func explain(err error) *status.Failure {
	var failure *status.Failure
	var problems *config.Error
	var answer *control.Error
	switch {
	case errors.As(err, &failure):
		return failure
	case errors.As(err, &problems):
		f := &status.Failure{Code: status.ExitConfig}
		for _, p := range problems.Problems {
			f.Complaints = append(f.Complaints, status.Complaint{Message: p.String(), Hint: p.Hint})
		}
		return f
	case errors.Is(err, control.ErrNotRunning):
		return status.Failed(status.ExitNotRunning, `"handover run" with the same -c starts it`, "%v", err)
	case errors.Is(err, control.ErrTimeout):
		return status.Failed(status.ExitTimeout, `what was asked for may still happen: see "handover status"`, "%v", err)
	case errors.As(err, &answer):
		return status.Failed(status.ExitFailed, answer.Hint, "%s", answer.Message)
	default:
		return status.Failed(status.ExitFailed, "", "%v", err)
	}
}

func application() *cli.App {
	commands := []*cli.Command{
		runCommand(), checkCommand(), reloadCommand(), statusCommand(), scaleCommand(),
		{
			Name: "reopen", Usage: "open the log files anew, as USR1 does", Action: alone(reopen),
			Description: "After a log rotation:\n\n  mv access.log access.log.1 && handover reopen",
		},
		stopCommand(), helpCommand(),
		{
			Name: "version", Usage: "print the versions of handover, Go and tableflip", Action: alone(printVersion),
			Description: "The first word is always \"handover\":\n\n  handover version | awk 'NR == 1 { print $2 }'",
		},
	}
	for _, c := range commands {
		c.HideHelpCommand, c.OnUsageError = true, misused
		c.HelpName = "handover " + c.Name
		if c.Name != "version" && c.Name != "help" {
			c.Flags = append([]cli.Flag{configFlag()}, c.Flags...)
		}
	}
	return &cli.App{
		Name: "handover", HelpName: "handover", Usage: "pre-forked workers that are replaced without losing a request",
		UsageText:   "handover COMMAND [-c FILE] [OPTIONS]\nhandover help COMMAND",
		Description: "Exit codes:\n\n" + status.ExitCodes,
		Commands:    commands, Flags: []cli.Flag{configFlag()},
		HideHelpCommand: true, HideVersion: true, OnUsageError: misused, Action: noCommand,
		// Errors are shown and turned into an exit code in one place: end.
		ExitErrHandler: func(*cli.Context, error) {},
	}
}

func configFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "config", Aliases: []string{"c"}, Usage: "configuration `FILE`",
		DefaultText: "$HANDOVER_CONFIG, else ./config.toml if there is one, else built-in defaults",
	}
}

func jsonFlag(what string) cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print " + what + " as JSON"}
}

func runCommand() *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "start; with COMMAND the workers are that program", Action: run,
		UsageText: "handover run [-c FILE] [-- COMMAND ARG...]",
		Description: "Examples:\n\n" +
			"  handover run                                   a welcome page on https://127.0.0.1:8443\n" +
			"  handover run -c /etc/handover/config.toml\n" +
			"  handover run -- ./myapp -flag                  a program that calls worker.Serve\n\n" +
			"Signals, to the process that was started:\n\n" + signals.Help(),
	}
}

func run(c *cli.Context) error {
	command := c.Args().Slice()
	// The parser drops the dashes. Without them a word here is more likely a
	// forgotten -c than a program.
	if at := len(os.Args) - len(command); len(command) > 0 && os.Args[at-1] != "--" {
		return status.Failed(status.ExitUsage, `a configuration goes after -c, a program after "--"`, "unexpected argument %q", command[0])
	}
	code := supervisor.Main(supervisor.Options{ConfigPath: configPath(c), Command: command, Version: ownVersion()})
	if code != status.ExitDone {
		return &status.Failure{Code: code} // it has said why
	}
	return nil
}

func checkCommand() *cli.Command {
	return &cli.Command{
		Name: "check", Usage: "judge configuration and certificates as a reload would", Action: alone(check),
		Flags: []cli.Flag{jsonFlag("the result")},
		Description: "Changes nothing. Certificates are compared with what a running instance serves.\nExits 0, 65 or 78.\n\n" +
			"  handover check -c new.toml && mv new.toml config.toml && handover reload\n" +
			"  handover check --json | jq '.checks[].name'",
	}
}

func check(c *cli.Context) error {
	configuration, err := config.Load(configPath(c))
	if err != nil {
		return err
	}
	if err := cert.CheckNames(configuration.TLS.Checks); err != nil {
		return status.Failed(status.ExitConfig, "", "%v", err)
	}
	request := cert.Request{Sources: configuration.Certificate, Served: served(c.Context, configuration), Moved: configuration.TLS.Checks}
	request.MinVersion = configuration.TLS.Version()
	bundle, checks, err := cert.Take(c.Context, request)
	var refusal *cert.Refusal
	if err != nil && !errors.As(err, &refusal) {
		return err
	}
	result := status.CheckResult{Accepted: refusal == nil, Checks: checks, Certificates: []status.Certificate{}}
	if result.Accepted {
		result.Certificates = bundle.Published()
	}
	if c.Bool("json") {
		err = printJSON(result)
	} else {
		status.WriteCheckResult(os.Stdout, result, time.Now(), status.Coloured(os.Stdout))
		err = nil
	}
	if result.Accepted || err != nil {
		return err
	}
	if c.Bool("json") {
		return &status.Failure{Code: status.ExitRefused}
	}
	return status.Refused(checks)
}

// served returns what a running instance serves, nil if there is none.
func served(ctx context.Context, configuration *config.Config) []status.Certificate {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s, err := control.Dial(configuration.ControlSocket()).Status(ctx)
	switch {
	case err == nil:
		return s.Certificates
	case !errors.Is(err, control.ErrNotRunning):
		fmt.Fprintf(os.Stderr, "warn: not compared with what is served: %v\n", err)
	}
	return nil
}

func reloadCommand() *cli.Command {
	return &cli.Command{
		Name: "reload", Usage: "as HUP, but wait, show each step, and say how it ended", Action: alone(reload),
		Flags: []cli.Flag{
			&cli.DurationFlag{Name: "timeout", Value: time.Minute, Usage: "wait this `LONG`; the reload goes on after it"},
			&cli.StringSliceFlag{Name: "allow", Usage: "only warn of `CHECK`, this once; may be repeated"},
			jsonFlag("the outcome"),
		},
		Description: "When it exits 0 every new connection meets the new generation and its certificates.\n\n" +
			"  certbot renew --deploy-hook 'handover reload -c /etc/handover/config.toml'\n" +
			"  handover reload --timeout 5m --allow name.lost",
	}
}

func reload(c *cli.Context) error {
	if c.Duration("timeout") <= 0 {
		return status.Failed(status.ExitUsage, "such as --timeout 60s", "--timeout %v: not a time to wait", c.Duration("timeout"))
	}
	allow := c.StringSlice("allow")
	if err := cert.CheckAllow(allow); err != nil {
		return status.Failed(status.ExitUsage, "", "--allow: %v", err)
	}
	client, err := instance(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context, c.Duration("timeout"))
	defer cancel()
	asked, silent := time.Now(), c.Bool("json")
	outcome, err := client.Reload(ctx, allow, func(s status.Step) {
		if !silent {
			status.WriteStep(os.Stdout, asked, s)
		}
	})
	if err != nil {
		return err
	}
	failure := outcome.Failure()
	if silent {
		if err := printJSON(outcome); err != nil || failure == nil {
			return err
		}
		return &status.Failure{Code: failure.Code}
	}
	status.WriteReload(os.Stdout, outcome, status.Coloured(os.Stdout))
	if failure == nil {
		return nil // not failure, which as an error would not be nil
	}
	return failure
}

func statusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "show generations, workers, certificates and the last reload",
		Flags: []cli.Flag{jsonFlag("everything")},
		Description: "Exits 69 if nothing runs.\n\n" +
			"  handover status\n  handover status --json | jq '.certificates[] | {name, not_after}'",
		Action: alone(func(c *cli.Context) error {
			return ask(c, func(ctx context.Context, client *control.Client) error {
				s, err := client.Status(ctx)
				if err != nil {
					return err
				}
				if c.Bool("json") {
					return printJSON(s)
				}
				status.Write(os.Stdout, s, time.Now(), status.Coloured(os.Stdout))
				return nil
			})
		}),
	}
}

func scaleCommand() *cli.Command {
	return &cli.Command{
		Name: "scale", Usage: "set the number of workers, as TTIN and TTOU do by one", UsageText: "handover scale [-c FILE] N",
		Description: "It lasts through reloads until the number in the configuration changes.\n\n  handover scale 4",
		Action: func(c *cli.Context) error {
			workers, err := strconv.Atoi(c.Args().First())
			if err != nil || c.NArg() != 1 || workers < 1 || workers > wire.MaxSlots {
				return status.Failed(status.ExitUsage, "such as: handover scale 4", "expected one number of workers from 1 to %d, found %q", wire.MaxSlots, strings.Join(c.Args().Slice(), " "))
			}
			return ask(c, func(ctx context.Context, client *control.Client) error {
				if _, err := client.Scale(ctx, workers); err != nil {
					return err
				}
				fmt.Printf("workers wanted: %d\n", workers)
				return nil
			})
		},
	}
}

func reopen(c *cli.Context) error {
	return ask(c, func(ctx context.Context, client *control.Client) error { return client.Reopen(ctx) })
}

func stopCommand() *cli.Command {
	return &cli.Command{
		Name: "stop", Usage: "stop gracefully as TERM does, or at once as QUIT does",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "quick", Usage: "do not wait for clients"}},
		Description: "Asks for a stop and returns; clients are answered until graceful_timeout.\n\n" +
			"  handover stop\n  handover stop --quick",
		Action: alone(func(c *cli.Context) error {
			return ask(c, func(ctx context.Context, client *control.Client) error { return client.Stop(ctx, c.Bool("quick")) })
		}),
	}
}
