package bench

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"example.com/handover/integration/harness"
)

// described is the version that the build of Handover has.
func described() string {
	root, err := harness.Module()
	if err == nil {
		if text := output(root, "git", "describe", "--tags", "--always", "--dirty"); text != "" {
			return text
		}
	}
	return "unknown"
}

func goVersion() string { return strings.TrimPrefix(runtime.Version(), "go") }

// required is the version of a library in go.mod.
func required(module string) func() string {
	return func() string {
		root, err := harness.Module()
		if err != nil {
			return ""
		}
		text, _ := os.ReadFile(filepath.Join(root, "go.mod"))
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) == 2 && f[0] == module {
				return strings.TrimPrefix(f[1], "v")
			}
		}
		return ""
	}
}

var dotted = regexp.MustCompile(`\d+(\.\d+)+`)

// installed is the version that a program says, "" if there is none.
func installed(program string, words ...string) func() string {
	return func() string { return dotted.FindString(output("", program, words...)) }
}

// output is what a command prints, "" if it cannot be run.
func output(folder, program string, words ...string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, words...)
	cmd.Dir = folder
	text, err := cmd.CombinedOutput()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
