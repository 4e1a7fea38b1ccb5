package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// built compiles everything once per test process, on first use.
var built = sync.OnceValues(compile)

// Binary returns the path of the program under test.
func Binary(t testing.TB) string {
	t.Helper()
	return filepath.Join(bin(t), "handover")
}

// Program returns the path of a program of integration/programs.
func Program(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(bin(t), name)
}

// static holds, by name, what compiles a program once per test process.
var static sync.Map

// Static returns the path of the program under test, or of one of
// integration/programs, as it is shipped: it needs no C library, so that an
// image may hold nothing else, and has no race detector, which would multiply
// what it costs.
func Static(t testing.TB, name string) string {
	t.Helper()
	once, _ := static.LoadOrStore(name, sync.OnceValues(func() (string, error) { return compileStatic(name) }))
	path, err := once.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func compileStatic(name string) (string, error) {
	root, err := Module()
	if err != nil {
		return "", err
	}
	folder := "./integration/programs/" + name
	if name == "handover" {
		folder = "."
	}
	path := filepath.Join(scratch(), "static", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, build(false, root, path, "", folder)
}

func bin(t testing.TB) string {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func compile() (string, error) {
	root, err := Module()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(scratch(), "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return dir, Build(root, dir+"/", ".", "./integration/programs/...")
}

// Build compiles packages of the module in folder root into out, with the race
// detector if this test has it.
func Build(root, out string, packages ...string) error {
	return build(Race, root, out, "", packages...)
}

// build gives the program a version, if there is one.
func build(race bool, root, out, version string, packages ...string) error {
	link := "-s -w"
	if version != "" {
		link += " -X main.version=" + version
	}
	// As the Makefile builds it.
	args := []string{"build", "-trimpath", "-tags", "urfave_cli_no_docs", "-ldflags", link, "-o", out}
	if race {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, packages...)...)
	cmd.Dir = root
	if !race {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	}
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %q: %v\n%s", packages, err, text)
	}
	return nil
}

// Module returns the root folder of the checkout.
func Module() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("find go.mod above the test's folder: none")
		}
		dir = up
	}
}
