package commandline

import (
	"time"

	"example.com/handover/supervisor/command"
	"example.com/handover/supervisor/status"
	"github.com/urfave/cli/v2"
)

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
