package integration

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/handover/integration/harness"
)

// shells are those that complete the commands, each with the words that start
// it without anybody's own settings.
var shells = map[string][]string{
	"bash": {"bash", "--noprofile", "--norc"},
	"zsh":  {"zsh", "-f"},
	"fish": {"fish", "--no-config"},
}

// completed has a shell complete lines, and returns what it offers for each.
// Fish says after a tab what an offer means.
func completed(t *testing.T, shell, folder string, lines ...string) map[string][]string {
	t.Helper()
	need(t, shells[shell][0])
	driver, err := filepath.Abs("testdata/complete." + shell)
	if err != nil {
		t.Fatal(err)
	}
	path := "PATH=" + filepath.Dir(harness.Binary(t)) + ":" + os.Getenv("PATH")
	words := slices.Concat([]string{"-u", "HANDOVER_CONFIG", "-C", folder, path, "HOME=" + folder, "TERM=xterm"}, shells[shell], []string{driver}, lines)
	got := harness.Do(t, "/usr/bin/env", words...)
	if got.Exit != 0 || got.Stderr != "" {
		t.Fatalf("%s: %v, want exit 0 and no complaint", shell, got)
	}
	offers := map[string][]string{}
	for _, part := range strings.Split("\n"+got.Stdout, "\n== ")[1:] {
		line, rest, _ := strings.Cut(part, "\n")
		offers[line] = slices.DeleteFunc(strings.Split(rest, "\n"), func(s string) bool { return strings.TrimSpace(s) == "" })
	}
	return offers
}

// offered are offers without what they mean.
func offered(offers []string) []string {
	var names []string
	for _, o := range offers {
		name, _, _ := strings.Cut(o, "\t")
		names = append(names, name)
	}
	return names
}

// completions are lines, what must be offered, and what must not.
var completions = []struct {
	line      string
	want, not []string
}{
	{"handover ", commandList, []string{"rollback", "site.toml"}},
	{"handover st", []string{"status", "stop"}, []string{"run"}},
	{"handover status --", []string{"--config", "--json", "--watch"}, []string{"--allow"}},
	{"handover status -c si", []string{"site.toml"}, []string{"status"}},
	{"handover -c si", []string{"site.toml"}, []string{"status"}},
	{"handover -c site.toml sta", []string{"status"}, []string{"site.toml"}},
	{"handover reload --allow name.", []string{"name.lost", "name.missing"}, []string{"pair.mismatch", "time.expired"}},
	{"handover reload --allow name.lost --allow time.", []string{"time.expired"}, []string{"name.lost"}},
	{"handover check --explain pair.", []string{"pair.mismatch"}, []string{"name.lost"}},
	{"handover check --explain al", []string{"all"}, []string{"--json"}},
	{"handover certs r", []string{"rollback"}, []string{"run"}},
	{"handover certs rollback --", []string{"--undo", "--allow", "--timeout"}, []string{"--watch"}},
	{"handover rotate --new", []string{"--new-tickets"}, []string{"--undo"}},
	{"handover completion ", []string{"bash", "zsh", "fish"}, []string{"run"}},
	{"handover help ro", []string{"rotate"}, []string{"run"}},
	{"handover run -", []string{"--"}, []string{"--json"}},
	{"handover run -- ca", []string{"cat"}, []string{"--config", "check", "certs"}},
	{"handover run -- cat si", []string{"site.toml"}, []string{"status"}},
}

func TestEachShellCompletesCommandsFlagsFilesAndChecks(t *testing.T) {
	t.Parallel()
	for shell := range shells {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			folder := harness.Folder(t)
			if err := os.WriteFile(filepath.Join(folder, "site.toml"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, c := range completions {
				lines = append(lines, c.line)
			}
			signed := "handover status --config=si" // fish repeats the flag
			got := completed(t, shell, folder, append(lines, signed)...)
			for _, c := range completions {
				names := offered(got[c.line])
				for _, w := range c.want {
					if !slices.Contains(names, w) {
						t.Errorf("%q: got %q, want %q among it", c.line, names, w)
					}
				}
				for _, w := range c.not {
					if slices.Contains(names, w) {
						t.Errorf("%q: got %q, want no %q among it", c.line, names, w)
					}
				}
			}
			if names := offered(got[signed]); len(names) != 1 || !strings.HasSuffix(names[0], "site.toml") {
				t.Errorf("%q: got %q, want site.toml", signed, names)
			}
			if shell == "fish" && !slices.Contains(got["handover check --explain pair."], "pair.mismatch\tno handshake succeeds with another certificate's key") {
				t.Errorf("got %q, want the reason of each check too", got["handover check --explain pair."])
			}
		})
	}
}

// TestEachShellCompletesTheNamesOfServedCertificates has one whose name is a
// command to a careless shell.
func TestEachShellCompletesTheNamesOfServedCertificates(t *testing.T) {
	t.Parallel()
	const hostile = `odd$(touch stolen)`
	i := harness.Start(t, harness.Config{Workers: 1, Tables: "[[certificate]]\nname = '" + hostile + "'\nself_signed = [\"odd.example\"]\n"})
	for shell := range shells {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			file := " -c " + i.ConfigFile() + " "
			before, after := "handover"+file+"certs rollback ", "handover certs rollback"+file
			nowhere := "handover certs rollback -c /nonexistent.toml "
			folder := harness.Folder(t) // which is the home too
			if err := os.Symlink(i.ConfigFile(), filepath.Join(folder, "mine.toml")); err != nil {
				t.Fatal(err)
			}
			own := "handover certs rollback -c ~/mine.toml "
			got := completed(t, shell, folder, before, after, own, nowhere)
			for _, line := range []string{before, after, own} {
				names := offered(got[line])
				plain := func(s string) bool { return strings.ReplaceAll(s, `\`, "") == hostile }
				if !slices.Contains(names, harness.Name) || !slices.ContainsFunc(names, plain) {
					t.Errorf("%q: got %q, want %q and %q", line, names, harness.Name, hostile)
				}
			}
			if names := offered(got[nowhere]); len(names) != 0 {
				t.Errorf("%q: got %q, want nothing", nowhere, names)
			}
			if _, err := os.Stat(filepath.Join(folder, "stolen")); err == nil {
				t.Error("the name of a certificate was evaluated")
			}
		})
	}
}
