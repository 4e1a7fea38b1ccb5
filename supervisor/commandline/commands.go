package commandline

import (
	"os"
	"strconv"
	"strings"

	"example.com/handover/signals"
	"example.com/handover/supervisor"
	"example.com/handover/supervisor/command"
	"example.com/handover/supervisor/status"
	"github.com/urfave/cli/v2"
)

// signalsHeading begins what only the help of "run" says again: it is a table of
// its own.
const signalsHeading = "Signals, to the process that was started:"

func runCommand(version string) *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "start; with COMMAND the workers are that program", Action: func(c *cli.Context) error { return run(c, version) },
		UsageText: "handover run [-c FILE] [-- COMMAND ARG...]",
		Description: "Examples:\n\n" +
			"  handover run                               a welcome page on https://127.0.0.1:8443\n" +
			"  handover run -c /etc/handover/config.toml\n" +
			"  handover run -- ./myapp -flag              a program that calls worker.Serve\n\n" +
			signalsHeading + "\n\n" + signals.Help(),
	}
}

func run(c *cli.Context, version string) error {
	words := c.Args().Slice()
	// The parser drops the dashes. Without them a word here is more likely a
	// forgotten -c than a program.
	if at := len(os.Args) - len(words); len(words) > 0 && os.Args[at-1] != "--" {
		return status.Failed(status.ExitUsage, `a configuration goes after -c, a program after "--"`, "unexpected argument %q", words[0])
	}
	code := supervisor.Main(supervisor.Options{ConfigPath: configPath(c), Command: words, Version: command.Version(version)})
	if code != status.ExitDone {
		return &status.Failure{Code: code} // it has said why
	}
	return nil
}

func checkCommand() *cli.Command {
	return &cli.Command{
		Name: "check", Usage: "judge configuration and certificates as a reload would",
		Flags: []cli.Flag{&cli.StringFlag{Name: "explain", Usage: "only explain `CHECK`; all: list them"}, jsonFlag()},
		Description: "Changes nothing. Certificates are compared with what a running instance serves.\nExits 0, 65 or 78.\n\n" +
			"  handover check && handover reload\n  handover check --json | jq '.checks[].name'\n" +
			"  handover check --explain chain.incomplete",
		Action: alone(func(c *cli.Context) error {
			if c.IsSet("explain") {
				return command.ExplainCheck(c.String("explain"), output(c))
			}
			return command.Check(c.Context, configPath(c), output(c))
		}),
	}
}

func statusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "show generations, workers, certificates and the last reload",
		Flags: []cli.Flag{
			jsonFlag(),
			&cli.BoolFlag{Name: "watch", DisableDefaultText: true, Usage: "show it live until Ctrl-C; with --json a line for each change"},
		},
		Description: "Exits 69 if nothing runs. With --watch it waits until something does.\n\n" +
			"  handover status\n  handover status --watch\n  handover status --json | jq '.certificates[] | {name, not_after}'\n" +
			"  handover status --watch --json | jq --unbuffered .state",
		Action: alone(func(c *cli.Context) error {
			if c.Bool("watch") {
				return command.Watch(c.Context, configPath(c), output(c))
			}
			return command.Status(c.Context, configPath(c), output(c))
		}),
	}
}

const scaleHint = "such as: handover scale 4; the signals TTIN and TTOU add one and take one away"

func scaleCommand() *cli.Command {
	return &cli.Command{
		Name: "scale", Usage: "set the number of workers", UsageText: "handover scale [-c FILE] [--json] N",
		Flags:       []cli.Flag{jsonFlag()},
		Description: "It lasts through reloads until the number in the configuration changes.\n\n  handover scale 4",
		Action: func(c *cli.Context) error {
			workers, err := strconv.Atoi(c.Args().First())
			if err != nil || c.NArg() != 1 || strings.HasPrefix(c.Args().First(), "+") {
				return status.Failed(status.ExitUsage, scaleHint, "expected one number of workers, found %q", strings.Join(c.Args().Slice(), " "))
			}
			return command.Scale(c.Context, configPath(c), workers, output(c))
		},
	}
}

func reopenCommand() *cli.Command {
	return &cli.Command{
		Name: "reopen", Usage: "open the log files anew, as USR1 does",
		Description: "After a log rotation:\n\n  mv handover.log handover.log.1 && handover reopen",
		Action:      alone(func(c *cli.Context) error { return command.Reopen(c.Context, configPath(c)) }),
	}
}

func stopCommand() *cli.Command {
	return &cli.Command{
		Name: "stop", Usage: "stop gracefully as TERM does, or at once as QUIT does",
		Flags:       []cli.Flag{&cli.BoolFlag{Name: "quick", DisableDefaultText: true, Usage: "do not wait for clients"}},
		Description: "Asks for a stop and returns. Clients are served for shutdown_delay, while /readyz says no,\nand then have until graceful_timeout.\n\n  handover stop\n  handover stop --quick",
		Action:      alone(func(c *cli.Context) error { return command.Stop(c.Context, configPath(c), c.Bool("quick")) }),
	}
}

func unitCommand() *cli.Command {
	return &cli.Command{
		Name: "unit", Usage: "print a systemd unit for the configuration",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "user", DisableDefaultText: true, Usage: "for \"systemctl --user\""},
			&cli.StringFlag{Name: "at", Usage: "the configuration will lie at `FILE`", DefaultText: "where it lies now"},
			&cli.StringFlag{Name: "binary", Usage: "handover will lie at `FILE`", DefaultText: "where it lies now"},
		},
		Description: "Its times, folders and rights follow from the configuration: print it again when that changes.\n\n" +
			"  handover unit -c /etc/handover/config.toml | sudo tee /etc/systemd/system/handover.service\n" +
			"  handover unit --user -c ~/site/config.toml > ~/.config/systemd/user/handover.service\n\n" +
			"For an image or a package, whose files lie elsewhere while it is made:\n\n" +
			"  handover unit -c config.toml --at /etc/handover/config.toml --binary /usr/bin/handover",
		Action: alone(func(c *cli.Context) error {
			return command.PrintUnit(os.Stdout, configPath(c), command.Unit{User: c.Bool("user"), At: c.String("at"), Binary: c.String("binary")})
		}),
	}
}

func versionCommand(version string) *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print the versions of handover, Go and tableflip",
		Description: "For scripts:\n\n  handover version | awk 'NR == 1 { print $2 }'",
		Action:      alone(func(*cli.Context) error { return command.PrintVersion(os.Stdout, version) }),
	}
}
