// Handover keeps a Go service running: it forks workers that share the
// listening sockets and replaces all of them, without losing a request, when
// it is told to. "handover --help" lists the commands.
package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/handover/signals"
	"example.com/handover/supervisor"
	"example.com/handover/supervisor/command"
	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/app"
	"example.com/handover/worker/wire"
	"github.com/urfave/cli/v2"
)

// version is set at link time.
var version string

func main() {
	// The role comes before any flag: a worker has none.
	if wire.Role() == wire.RoleWorker {
		os.Exit(end(app.Serve()))
	}
	app := application()
	os.Exit(end(app.Run(append(os.Args[:1:1], arrange(os.Args[1:], app.Flags, app.Commands)...))))
}

// end shows what an error means and returns the exit code for it.
func end(err error) int {
	if err == nil {
		return status.ExitDone
	}
	f := command.Explain(err)
	f.Write(os.Stderr, status.Coloured(os.Stderr))
	return f.Code
}

// arrange puts the flags of each command before its other words: the parser
// takes none after the first of those. What follows "run" is another program's.
func arrange(args []string, flags []cli.Flag, commands []*cli.Command) []string {
	var before, words []string
	for len(args) > 0 {
		word := args[0]
		at := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.Name == word })
		valued := slices.ContainsFunc(flags, func(f cli.Flag) bool {
			_, alone := f.(*cli.BoolFlag)
			return !alone && strings.HasPrefix(word, "-") && slices.Contains(f.Names(), strings.TrimLeft(word, "-"))
		})
		switch {
		case word == "--", at >= 0 && word == "run" && len(words) == 0:
			return slices.Concat(before, args[:1], words, args[1:])
		case at >= 0 && len(words) == 0:
			return slices.Concat(before, args[:1], arrange(args[1:], commands[at].Flags, commands[at].Subcommands))
		case valued && len(args) == 1: // the parser is to miss the value, not to take a word for it
			return append(before, word)
		case valued:
			before, args = append(before, args[:2]...), args[2:]
		case strings.HasPrefix(word, "-"):
			before, args = append(before, word), args[1:]
		default:
			words, args = append(words, word), args[1:]
		}
	}
	return append(before, words...)
}

func application() *cli.App {
	commands := []*cli.Command{
		runCommand(), checkCommand(), reloadCommand(), rotateCommand(), statusCommand(), certsCommand(),
		scaleCommand(), reopenCommand(), stopCommand(), versionCommand(), helpCommand(),
	}
	equip(commands)
	return &cli.App{
		Name: "handover", HelpName: "handover", Usage: "pre-forked workers that are replaced without losing a request",
		UsageText:   "handover COMMAND [-c FILE] [OPTIONS]\nhandover help COMMAND",
		Description: "Exit codes:\n\n" + status.ExitCodes,
		Commands:    commands, Flags: []cli.Flag{configFlag(), cli.HelpFlag},
		HideHelpCommand: true, HideVersion: true, OnUsageError: misused, Action: noCommand,
		// Errors are shown and turned into an exit code in one place: end.
		ExitErrHandler: func(*cli.Context, error) {},
	}
}

// equip gives commands what all of them have.
func equip(commands []*cli.Command) {
	for _, c := range commands {
		c.HideHelpCommand, c.OnUsageError = true, misused
		if c.Name != "version" && c.Name != "help" {
			c.Flags = append([]cli.Flag{configFlag()}, c.Flags...)
		}
		equip(c.Subcommands)
	}
}

func configFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "config", Aliases: []string{"c"}, Usage: "configuration `FILE`",
		DefaultText: "$HANDOVER_CONFIG, else ./config.toml if there is one, else built-in defaults",
	}
}

// configPath takes -c from after the command or from before it.
func configPath(c *cli.Context) string {
	for _, level := range c.Lineage() {
		if path := level.String("config"); path != "" {
			return config.Find(path)
		}
	}
	return config.Find("")
}

func jsonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", DisableDefaultText: true, Usage: "print the outcome as JSON"}
}

func output(c *cli.Context) command.Output {
	asked := func(level *cli.Context) bool { return level.Bool("json") } // "certs --json rollback" asks too
	return command.Output{File: os.Stdout, JSON: slices.ContainsFunc(c.Lineage(), asked)}
}

func runCommand() *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "start; with COMMAND the workers are that program", Action: run,
		UsageText: "handover run [-c FILE] [-- COMMAND ARG...]",
		Description: "Examples:\n\n" +
			"  handover run                               a welcome page on https://127.0.0.1:8443\n" +
			"  handover run -c /etc/handover/config.toml\n" +
			"  handover run -- ./myapp -flag              a program that calls worker.Serve\n\n" +
			"Signals, to the process that was started:\n\n" + signals.Help(),
	}
}

func run(c *cli.Context) error {
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
		Flags: []cli.Flag{&cli.StringFlag{Name: "explain", Usage: "only explain the check `NAME`; all: list them"}, jsonFlag()},
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

func reloadCommand() *cli.Command {
	return &cli.Command{
		Name: "reload", Usage: "as HUP, but wait, show each step, and say how it ended",
		Flags: changeFlags(),
		Description: "When it exits 0 every new connection meets the new generation and its certificates.\n\n" +
			"  certbot renew --deploy-hook 'handover reload -c /etc/handover/config.toml'\n" +
			"  handover reload --timeout 5m --allow name.lost",
		Action: alone(func(c *cli.Context) error { return change(c).Reload(c.Context) }),
	}
}

func rotateCommand() *cli.Command {
	return &cli.Command{
		Name: "rotate", Usage: "take the certificates on disk in place: no process is replaced",
		Flags: append(changeFlags(), &cli.BoolFlag{Name: "new-tickets", DisableDefaultText: true, Usage: "no client resumes a session of before"}),
		Description: "Connections live on, websockets too. If nothing on disk is new it says \"unchanged\" and exits 0.\n\n" +
			"  certbot renew --deploy-hook 'handover rotate -c /etc/handover/config.toml'\n  handover rotate --new-tickets",
		Action: alone(func(c *cli.Context) error { return change(c).Rotate(c.Context, c.Bool("new-tickets")) }),
	}
}

// changeFlags are those of every command that has something else served.
func changeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.DurationFlag{Name: "timeout", Value: time.Minute, DefaultText: "60s", Usage: "wait this `LONG` for the outcome"},
		&cli.StringSliceFlag{Name: "allow", Usage: "only warn of `CHECK`, this once; may be repeated"},
		jsonFlag(),
	}
}

func change(c *cli.Context) command.Change {
	return command.Change{Path: configPath(c), Timeout: c.Duration("timeout"), Allow: c.StringSlice("allow"), Out: output(c)}
}

func statusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "show generations, workers, certificates and the last reload",
		Flags: []cli.Flag{jsonFlag()},
		Description: "Exits 69 if nothing runs.\n\n" +
			"  handover status\n  handover status --json | jq '.certificates[] | {name, not_after}'",
		Action: alone(func(c *cli.Context) error { return command.Status(c.Context, configPath(c), output(c)) }),
	}
}

func certsCommand() *cli.Command {
	rollback := &cli.Command{
		Name: "rollback", Usage: "serve the previous certificate again", UsageText: "handover certs rollback [-c FILE] [OPTIONS] [NAME]",
		Flags: append(changeFlags(), &cli.BoolFlag{Name: "undo", DisableDefaultText: true, Usage: "serve what lies on disk again"}),
		Description: "In place, of all certificates or of the one called NAME. It holds until its files change. Needs state_dir.\n\n" +
			"  handover certs rollback example.org\n  handover certs rollback --undo",
		Action: func(c *cli.Context) error {
			if second := c.Args().Get(1); second != "" {
				return status.Failed(status.ExitUsage, more(c), "unexpected argument %q", second)
			}
			return change(c).Rollback(c.Context, c.Args().First(), c.Bool("undo"))
		},
	}
	return &cli.Command{
		Name: "certs", Usage: "show what is served, what is on disk, and until when", Flags: []cli.Flag{jsonFlag()},
		UsageText:   "handover certs [-c FILE] [--json]\nhandover certs rollback [-c FILE] [OPTIONS] [NAME]",
		Description: "Exits 69 if nothing runs.\n\n  handover certs\n  handover certs --json | jq '.certificates[] | select(.disk != \"same\")'",
		Subcommands: []*cli.Command{rollback},
		Action: func(c *cli.Context) error {
			if name := c.Args().First(); name != "" {
				return unknown(c, name, c.Command.Subcommands)
			}
			return command.Certs(c.Context, configPath(c), output(c))
		},
	}
}

func scaleCommand() *cli.Command {
	return &cli.Command{
		Name: "scale", Usage: "set the number of workers", UsageText: "handover scale [-c FILE] [--json] N",
		Flags:       []cli.Flag{jsonFlag()},
		Description: "It lasts through reloads until the number in the configuration changes.\n\n  handover scale 4",
		Action: func(c *cli.Context) error {
			workers, err := strconv.Atoi(c.Args().First())
			if err != nil || c.NArg() != 1 {
				return status.Failed(status.ExitUsage, "such as: handover scale 4", "expected one number of workers, found %q", strings.Join(c.Args().Slice(), " "))
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

func versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print the versions of handover, Go and tableflip",
		Description: "For scripts:\n\n  handover version | awk 'NR == 1 { print $2 }'",
		Action:      alone(func(*cli.Context) error { return command.PrintVersion(os.Stdout, version) }),
	}
}

func helpCommand() *cli.Command {
	return &cli.Command{
		Name: "help", Usage: "explain a command", UsageText: "handover help [COMMAND]",
		Description: "The same as COMMAND --help:\n\n  handover help reload",
		Action: func(c *cli.Context) error {
			words, commands := c.Args().Slice(), c.App.Commands
			for _, name := range words {
				at := slices.IndexFunc(commands, func(k *cli.Command) bool { return k.Name == name })
				if at < 0 {
					return unknown(c, name, commands)
				}
				commands = commands[at].Subcommands
			}
			return c.App.Run(slices.Concat([]string{c.App.Name}, words, []string{"--help"}))
		},
	}
}

// alone is for commands that take flags but no further words.
func alone(action cli.ActionFunc) cli.ActionFunc {
	return func(c *cli.Context) error {
		if c.Args().Present() {
			return status.Failed(status.ExitUsage, more(c), "unexpected argument %q", c.Args().First())
		}
		return action(c)
	}
}

// noCommand is what happens when the first word is none of the commands.
func noCommand(c *cli.Context) error {
	if name := c.Args().First(); name != "" {
		return unknown(c, name, c.App.Commands)
	}
	return status.Failed(status.ExitUsage, `"handover --help" lists the commands, "handover run" starts with built-in defaults`, "no command given")
}

func unknown(c *cli.Context, name string, commands []*cli.Command) error {
	names := make([]string, 0, len(commands))
	for _, command := range commands {
		names = append(names, command.Name)
	}
	hint := fmt.Sprintf("%s%q lists the commands", meant(name, names), strings.TrimSuffix(c.Command.HelpName, " help")+" --help")
	return status.Failed(status.ExitUsage, hint, "unknown command %q", name)
}

// misused is what happens when a flag is unknown or has a wrong value.
func misused(c *cli.Context, err error, _ bool) error {
	name, isUnknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !isUnknown {
		return status.Failed(status.ExitUsage, more(c), "%v", err)
	}
	var names []string
	for _, f := range c.Command.Flags {
		names = append(names, "--"+f.Names()[0])
	}
	// The parser takes one dash for two, but not everybody knows.
	name = "--" + name
	return status.Failed(status.ExitUsage, meant(name, names)+more(c), "unknown flag %q", name)
}

// meant begins a hint with the nearest of the words, if one is near.
func meant(word string, words []string) string {
	if nearest := config.Nearest(word, words); nearest != "" {
		return fmt.Sprintf("did you mean %q? ", nearest)
	}
	return ""
}

func more(c *cli.Context) string { return fmt.Sprintf("%q explains it", c.Command.HelpName+" --help") }
