package commandline

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/command"
	"example.com/handover/supervisor/commandline/completion"
	"example.com/handover/supervisor/commandline/manual"
	"example.com/handover/supervisor/commandline/outline"
	"example.com/handover/supervisor/status"
	"github.com/urfave/cli/v2"
)

func manCommand(version, example string) *cli.Command {
	return &cli.Command{
		Name: "man", Usage: "print the manual page", UsageText: "handover man",
		Description: "In roff, for man(1).\n\n" +
			"  handover man | man -l -\n" +
			"  handover man > /usr/local/share/man/man1/handover.1",
		Action: alone(func(c *cli.Context) error {
			page := manual.Page{
				Program: outlineOf(c.App), Version: command.Version(version), Date: date(), Example: example, ExitCodes: status.ExitCodes,
			}
			_, err := fmt.Fprint(c.App.Writer, page)
			return err
		}),
	}
}

// date is that of the sources, as far as it is known: two builds of the same
// sources have the same page.
func date() time.Time {
	if seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		return time.Unix(seconds, 0)
	}
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, s := range build.Settings {
			if at, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				return at
			}
		}
	}
	return time.Now()
}

func completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print what makes a shell complete the commands", UsageText: "handover completion " + outline.Shell,
		Description: "SHELL is bash, zsh or fish. In one shell, now:\n\n" +
			"  source <(handover completion bash)\n" +
			"  source <(handover completion zsh)\n" +
			"  handover completion fish | source\n\n" +
			"In every one from the next on:\n\n" +
			"  handover completion bash > /etc/bash_completion.d/handover\n" +
			"  handover completion zsh > /usr/local/share/zsh/site-functions/_handover\n" +
			"  handover completion fish > ~/.config/fish/completions/handover.fish",
		Action: func(c *cli.Context) error {
			name := c.Args().First()
			if c.NArg() != 1 {
				return status.Failed(status.ExitUsage, "such as: handover completion bash", "expected bash, zsh or fish, found %q", strings.Join(c.Args().Slice(), " "))
			}
			script, known := completion.Script(name, outlineOf(c.App), checks())
			if !known {
				return status.Failed(status.ExitUsage, meant(name, completion.Shells)+more(c), "expected bash, zsh or fish, found %q", name)
			}
			_, err := fmt.Fprint(c.App.Writer, script)
			return err
		},
	}
}

func checks() []completion.Check {
	var list []completion.Check
	for _, e := range cert.Catalogue() {
		list = append(list, completion.Check{Name: e.Name, Reason: e.Reason, Fixed: e.Fixed})
	}
	return list
}
