package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"example.com/handover/integration/harness"
)

// manual writes the manual page to a file.
func manual(t *testing.T) (file, text string) {
	t.Helper()
	got := typedWith(t, "/", []string{"SOURCE_DATE_EPOCH=86400"}, "man")
	if got.Exit != 0 || got.Stderr != "" {
		t.Fatalf("man: %v, want exit 0", got)
	}
	file = filepath.Join(harness.Folder(t), "handover.1")
	if err := os.WriteFile(file, []byte(got.Stdout), 0o644); err != nil {
		t.Fatal(err)
	}
	return file, got.Stdout
}

// need requires a program that make test-deps installs.
func need(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getuid() == 0 {
			t.Fatalf("%v: make test-deps", err)
		}
		t.Skipf("SKIPPED, NOT PASSED: %v", err)
	}
}

func TestTheManualPageGivesNoToolAReasonToWarn(t *testing.T) {
	t.Parallel()
	file, text := manual(t)
	if !strings.Contains(text, `.TH HANDOVER 1 "1970-01-02" "handover `) {
		t.Errorf("got %.200q, want the date of SOURCE_DATE_EPOCH", text)
	}
	for _, words := range [][]string{
		{"mandoc", "-Tlint", "-Wwarning", file},
		{"man", "--warnings", "-l", file},
		{"groff", "-man", "-ww", "-Tutf8", "-z", file},
	} {
		need(t, words[0])
		got := harness.Do(t, words[0], words[1:]...)
		said := got.Stderr
		if words[0] == "mandoc" {
			said += got.Stdout
		}
		if got.Exit != 0 || said != "" {
			t.Errorf("%q: exit %d, %s; want no warning", words, got.Exit, said)
		}
	}
}

// TestTheManualPageHasEveryCommandFlagSignalKeyAndCode reads it as it is shown.
func TestTheManualPageHasEveryCommandFlagSignalKeyAndCode(t *testing.T) {
	t.Parallel()
	need(t, "mandoc")
	file, _ := manual(t)
	rendered := harness.Do(t, "mandoc", "-Tascii", "-Owidth=200", file)
	page := regexp.MustCompile(`.\x08`).ReplaceAllString(rendered.Stdout, "")
	has := func(what, pattern string) {
		t.Helper()
		if !regexp.MustCompile(`(?m)` + pattern).MatchString(page) {
			t.Errorf("the page has no %s (%s)", what, pattern)
		}
	}
	for _, section := range strings.Split("NAME SYNOPSIS DESCRIPTION COMMANDS SIGNALS CONFIGURATION EXIT_STATUS ENVIRONMENT FILES EXAMPLES SEE_ALSO", " ") {
		has("section", "^"+strings.ReplaceAll(section, "_", " ")+"$")
	}
	flag := regexp.MustCompile(`(?m)^   (--[a-z-]+)`)
	for _, name := range append([]string{"certs rollback"}, commandList...) {
		has("synopsis", `^ +handover `+name+`\b`)
		has("command", `^   handover `+name+`\b`)
		_, options, _ := strings.Cut(typed(t, "/", append([]string{"help"}, strings.Fields(name)...)...).Stdout, "OPTIONS:\n")
		for _, m := range flag.FindAllStringSubmatch(options, -1) {
			has("flag of "+name, regexp.QuoteMeta(m[1])+`\b`)
		}
	}
	root, err := harness.Module()
	if err != nil {
		t.Fatal(err)
	}
	for file, row := range map[string]string{
		"README.md":           `(?m)^\| ((?:[A-Z0-9]+(?:, )?)+) \|`,
		"config.example.toml": `(?m)^(?:# )?([a-z_]+) = `,
	} {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		if _, table, found := strings.Cut(string(text), "<!-- signals -->"); found {
			rest, _, _ := strings.Cut(table, "<!-- end of signals -->")
			text = []byte(rest)
		}
		rows := regexp.MustCompile(row).FindAllSubmatch(text, -1)
		if len(rows) < 8 {
			t.Errorf("%s has %d rows like %s, want more", file, len(rows), row)
		}
		for _, m := range rows {
			for _, word := range strings.Split(string(m[1]), ", ") {
				has("word of "+file, map[bool]string{true: `^ +SIG` + word + `\b`, false: `^ +` + word + ` = `}[file == "README.md"])
			}
		}
	}
	for _, code := range strings.Fields("0 1 64 65 69 70 75 78") {
		has("exit status", `^ +`+code+` +[a-z]`)
	}
}
