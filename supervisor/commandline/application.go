package commandline

import (
	"os"
	"slices"
	"strings"

	"example.com/handover/supervisor/command"
	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
	"github.com/urfave/cli/v2"
)

// Run carries out what args, which begin with the program's name, ask for.
// version is the one that was linked in, example the text of the example
// configuration. The error is for command.Explain.
func Run(args []string, version, example string) error {
	app := application(version, example)
	return app.Run(append(args[:1:1], arrange(args[1:], app.Flags, app.Commands)...))
}

func application(version, example string) *cli.App {
	commands := []*cli.Command{
		runCommand(version), checkCommand(), reloadCommand(), rotateCommand(), statusCommand(), certsCommand(),
		scaleCommand(), reopenCommand(), stopCommand(), unitCommand(),
		manCommand(version, example), completionCommand(), versionCommand(version), helpCommand(),
	}
	equip(commands)
	return &cli.App{
		Name: "handover", HelpName: "handover", Usage: "pre-forked workers that are replaced without losing a request",
		UsageText: "handover COMMAND [-c FILE] [OPTIONS]\nhandover help COMMAND",
		Description: "Examples:\n\n  handover run\n  handover status --watch\n  handover man | man -l -\n  source <(handover completion bash)\n\n" +
			"Exit codes:\n\n" + status.ExitCodes,
		Commands: commands, Flags: []cli.Flag{configFlag(), cli.HelpFlag},
		HideHelpCommand: true, HideVersion: true, OnUsageError: misused, Action: noCommand,
		// Errors are shown and turned into an exit code in one place: end.
		ExitErrHandler: func(*cli.Context, error) {},
	}
}

// equip gives commands what all of them have.
func equip(commands []*cli.Command) {
	for _, c := range commands {
		c.HideHelpCommand, c.OnUsageError = true, misused
		if !slices.Contains([]string{"man", "completion", "version", "help"}, c.Name) {
			c.Flags = append([]cli.Flag{configFlag()}, c.Flags...)
		}
		equip(c.Subcommands)
	}
}

// arrange puts the flags of each command before its other words: the parser
// takes none after the first of those. What follows "run" is another program's.
func arrange(args []string, flags []cli.Flag, commands []*cli.Command) []string {
	var before, words []string
	for len(args) > 0 {
		word := args[0]
		at := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.Name == word })
		valued := isFlag(word, flags, true)
		switch {
		case word == "--", at >= 0 && word == "run" && len(words) == 0:
			return slices.Concat(before, args[:1], words, args[1:])
		case at >= 0 && len(words) == 0:
			return slices.Concat(before, args[:1], arrange(args[1:], commands[at].Flags, commands[at].Subcommands))
		case valued && (len(args) == 1 || isFlag(args[1], flags, false)): // the parser is to miss the value, not to take a word for it
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

// isFlag says whether word is one of the flags, or one of those that take a
// value.
func isFlag(word string, flags []cli.Flag, valued bool) bool {
	return slices.ContainsFunc(flags, func(f cli.Flag) bool {
		_, alone := f.(*cli.BoolFlag)
		return !(alone && valued) && strings.HasPrefix(word, "-") && slices.Contains(f.Names(), strings.TrimLeft(word, "-"))
	})
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
