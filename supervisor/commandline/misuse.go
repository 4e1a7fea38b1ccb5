package commandline

import (
	"fmt"
	"strings"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
	"github.com/urfave/cli/v2"
)

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
