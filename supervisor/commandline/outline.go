package commandline

import (
	"strings"

	"example.com/handover/supervisor/commandline/outline"
	"github.com/urfave/cli/v2"
)

// outlineOf returns the definition of app.
func outlineOf(app *cli.App) outline.Command {
	return outline.Command{Usage: app.Usage, Flags: flagsOf(app.Flags), Commands: commandsOf("", app.Commands)}
}

func commandsOf(above string, commands []*cli.Command) []outline.Command {
	list := make([]outline.Command, 0, len(commands))
	for _, c := range commands {
		path := strings.TrimSpace(above + " " + c.Name)
		description, _, _ := strings.Cut(c.Description, signalsHeading)
		list = append(list, outline.Command{
			Path: path, Usage: c.Usage, Words: outline.WordsOf(c.UsageText, path), Description: strings.TrimSpace(description),
			Flags: flagsOf(append(c.Flags[:len(c.Flags):len(c.Flags)], cli.HelpFlag)), Commands: commandsOf(path, c.Subcommands),
		})
	}
	return list
}

func flagsOf(flags []cli.Flag) []outline.Flag {
	list, seen := make([]outline.Flag, 0, len(flags)), map[string]bool{}
	for _, f := range flags {
		documented, ok := f.(cli.DocGenerationFlag)
		if name := f.Names()[0]; !ok || seen[name] { // the parser adds --help by itself, but not before it runs
			continue
		}
		seen[f.Names()[0]] = true
		entry := outline.Flag{Usage: strings.ReplaceAll(documented.GetUsage(), "`", "")}
		for _, name := range f.Names() {
			dashes := map[bool]string{true: "-", false: "--"}[len(name) == 1]
			entry.Names = append(entry.Names, dashes+name)
		}
		if documented.TakesValue() {
			entry.Value, entry.Default = "VALUE", documented.GetDefaultText()
			if parts := strings.Split(documented.GetUsage(), "`"); len(parts) == 3 {
				entry.Value = parts[1]
			}
		}
		if slice, ok := f.(cli.DocGenerationSliceFlag); ok {
			entry.Repeats, entry.Default = slice.IsSliceFlag(), ""
		}
		list = append(list, entry)
	}
	return list
}
