package commandline

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"example.com/handover/supervisor/commandline/outline"
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

// otherWord returns the command that is called so elsewhere, or "".
func otherWord(name string) string {
	switch strings.ToLower(name) {
	case "start", "serve":
		return "run"
	case "restart", "upgrade", "hup":
		return "reload"
	case "renew":
		return "rotate"
	case "quit", "kill", "shutdown":
		return "stop"
	case "test", "configtest", "validate", "verify":
		return "check"
	case "rollback", "undo":
		return "certs rollback"
	case "ps", "info", "list", "watch", "top":
		return "status"
	case "certificates":
		return "certs"
	case "workers":
		return "scale"
	case "logrotate":
		return "reopen"
	default:
		return ""
	}
}

func unknown(c *cli.Context, name string, commands []*cli.Command) error {
	names := make([]string, 0, len(commands))
	for _, command := range commands {
		names = append(names, command.Name)
	}
	near := meant(name, names)
	other := otherWord(name)
	if first, _, _ := strings.Cut(other, " "); slices.Contains(names, first) {
		near = fmt.Sprintf("did you mean %q? ", other)
	}
	hint := fmt.Sprintf("%s%q lists the commands", near, strings.TrimSuffix(c.Command.HelpName, " help")+" --help")
	return status.Failed(status.ExitUsage, hint, "unknown command %q", name)
}

// misused is what happens when a flag is unknown or has a wrong value.
func misused(c *cli.Context, err error, _ bool) error {
	says := func(pattern string) []string { return regexp.MustCompile(pattern).FindStringSubmatch(err.Error()) }
	if m := says(`^flag provided but not defined: -(.*)$`); m != nil {
		return unknownFlag(c, m[1])
	}
	flags := flagsOf(c.Command.Flags)
	if m := says(`^flag needs an argument: -(.*)$`); m != nil {
		if f, found := named(m[1], flags); found {
			return status.Failed(status.ExitUsage, more(c), "flag needs an argument: %s %s", f.Names[0], f.Value)
		}
	}
	if m := says(`^invalid (?:boolean )?value ("(?:[^"\\]|\\.)*") for (?:flag )?-([^:]+): `); m != nil {
		f, found := named(m[2], flags)
		switch {
		case found && f.Value == "":
			return status.Failed(status.ExitUsage, f.Names[0]+" alone is what it takes", "flag %s takes no value, found %s", f.Names[0], m[1])
		case found && f.Default != "":
			return status.Failed(status.ExitUsage, fmt.Sprintf("with a unit, such as %s %s", f.Names[0], f.Default), "invalid value %s for flag %s", m[1], f.Names[0])
		}
	}
	return status.Failed(status.ExitUsage, more(c), "%v", err)
}

func named(name string, flags []outline.Flag) (outline.Flag, bool) {
	for _, f := range flags {
		for _, n := range f.Names {
			if strings.TrimLeft(n, "-") == name {
				return f, true
			}
		}
	}
	return outline.Flag{}, false
}

// otherFlags returns what may be meant by a flag of another program; the first
// that a command has is it.
func otherFlags(name string) []string {
	switch name {
	case "f", "force", "now", "q", "fast":
		return []string{"--quick", "--config"}
	case "file", "conf", "cfg":
		return []string{"--config"}
	case "w", "follow", "live":
		return []string{"--watch"}
	case "j", "o", "output":
		return []string{"--json"}
	case "t", "wait":
		return []string{"--timeout"}
	default:
		return nil
	}
}

func unknownFlag(c *cli.Context, name string) error {
	// The parser takes one dash for two, but not everybody knows.
	shown := "--" + name
	if len(name) == 1 {
		shown = "-" + name
	}
	if _, err := strconv.Atoi(name); err == nil && c.Command.Name == "scale" {
		return status.Failed(status.ExitUsage, scaleHint, "expected one number of workers, found %q", "-"+name)
	}
	if name == "version" || name == "v" || name == "V" {
		return status.Failed(status.ExitUsage, `"handover version" prints it`, "unknown flag %q", shown)
	}
	var names []string
	for _, f := range c.Command.Flags {
		names = append(names, "--"+f.Names()[0])
	}
	near := meant("--"+name, names)
	for _, other := range otherFlags(name) {
		if slices.Contains(names, other) {
			near = fmt.Sprintf("did you mean %q? ", other)
			break
		}
	}
	return status.Failed(status.ExitUsage, near+more(c), "unknown flag %q", shown)
}

// meant begins a hint with the nearest of the words, if one is near.
func meant(word string, words []string) string {
	if nearest := config.Nearest(word, words); nearest != "" {
		return fmt.Sprintf("did you mean %q? ", nearest)
	}
	return ""
}

func more(c *cli.Context) string { return fmt.Sprintf("%q explains it", c.Command.HelpName+" --help") }
