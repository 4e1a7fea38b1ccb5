package harness

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Release is the program and its worker programs as one release ships them.
type Release struct {
	Name string // which the status says as the version of a master
	dir  string
}

// Binary is the path of its program.
func (r Release) Binary() string { return filepath.Join(r.dir, "handover") }

// Program is the path of one of its programs of integration/programs.
func (r Release) Program(name string) string { return filepath.Join(r.dir, name) }

// beforeSubject finds the release before where no tag does. A subject, because
// hashes change when history is written anew.
const beforeSubject = "supervisor/master: give back what judging many took"

var errNoHistory = errors.New("no history to build the release before from")

// Each is built once per test process, on first use.
var (
	releaseBefore   = sync.OnceValues(buildBefore)
	releaseAfter    = sync.OnceValues(func() (Release, error) { return buildLater("after", 1, additions) })
	releaseTwoAfter = sync.OnceValues(func() (Release, error) { return buildLater("two-after", 2, nil) })
)

// ReleasePresent is the release under test.
func ReleasePresent(t testing.TB) Release {
	t.Helper()
	return Release{Name: "(devel)", dir: bin(t)}
}

// ReleaseBefore is the release before: of the last tag, or of the commit that was the
// last one then. Without the history to build it from the test is skipped.
func ReleaseBefore(t testing.TB) Release {
	t.Helper()
	r, err := releaseBefore()
	if errors.Is(err, errNoHistory) {
		t.Skipf("NOT TESTED against the release before: %v", err)
	}
	return must(t, r, err)
}

// ReleaseAfter is the release after: this one with its version counted up, which adds
// something to every format.
func ReleaseAfter(t testing.TB) Release {
	t.Helper()
	r, err := releaseAfter()
	return must(t, r, err)
}

// ReleaseTwoAfter is the release after that.
func ReleaseTwoAfter(t testing.TB) Release {
	t.Helper()
	r, err := releaseTwoAfter()
	return must(t, r, err)
}

func must(t testing.TB, r Release, err error) Release {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func buildBefore() (Release, error) {
	root, err := Module()
	if err != nil {
		return Release{}, err
	}
	commit, err := commitBefore(root)
	if err != nil {
		return Release{}, fmt.Errorf("%w: %v", errNoHistory, err)
	}
	source, err := sourceFolder("before")
	if err != nil {
		return Release{}, err
	}
	archive := source + ".tar"
	if _, err := output(root, "git", "archive", "--output="+archive, commit); err != nil {
		return Release{}, err
	}
	if _, err := output(source, "tar", "-xf", archive); err != nil {
		return Release{}, err
	}
	return buildRelease("before", source)
}

// commitBefore returns the commit of the last tag before this commit, or else the
// one with the subject.
func commitBefore(root string) (string, error) {
	if tag, err := output(root, "git", "describe", "--tags", "--abbrev=0", "HEAD^"); err == nil {
		return tag, nil
	}
	list, err := output(root, "git", "log", "--format=%H %s", "--fixed-strings", "--grep="+beforeSubject)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(list) {
		if hash, subject, _ := strings.Cut(strings.TrimSpace(line), " "); subject == beforeSubject {
			return hash, nil
		}
	}
	return "", fmt.Errorf("neither a tag nor a commit %q", beforeSubject)
}

func output(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("run %s %q: %v: %s", name, args, err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(text)), nil
}

func sourceFolder(name string) (string, error) {
	dir := filepath.Join(scratch(), "source-"+name)
	return dir, os.MkdirAll(dir, 0o755)
}

func buildRelease(name, source string) (Release, error) {
	r := Release{Name: name, dir: filepath.Join(scratch(), "release-"+name)}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return Release{}, err
	}
	return r, build(Race, source, r.dir+"/", name, ".", "./integration/programs/echo")
}

// buildLater builds the present tree as a release that is so many versions on.
func buildLater(name string, versions int, additions []addition) (Release, error) {
	root, err := Module()
	if err != nil {
		return Release{}, err
	}
	source, err := sourceFolder(name)
	if err != nil {
		return Release{}, err
	}
	if err := copyModule(root, source); err != nil {
		return Release{}, err
	}
	if err := countUp(filepath.Join(source, versionFile), versions); err != nil {
		return Release{}, err
	}
	for _, a := range additions {
		if err := a.apply(source); err != nil {
			return Release{}, err
		}
	}
	return buildRelease(name, source)
}

// copyModule copies what a build needs.
func copyModule(root, to string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name := entry.Name()
		switch {
		case entry.IsDir() && rel != "." && (strings.HasPrefix(name, ".") || name == "bin" || name == "testdata"):
			return filepath.SkipDir
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		case !entry.Type().IsRegular() || strings.HasPrefix(name, ".") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), text, 0o644)
	})
}

// versionFile declares the one version of everything that crosses a border.
const versionFile = "worker/wire/version.go"

var versionLine = regexp.MustCompile(`(?m)^const Version = (\d+)$`)

func countUp(file string, by int) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	found := versionLine.FindAllSubmatchIndex(text, -1)
	if len(found) != 1 {
		return fmt.Errorf("count up the version: %d declarations of it in %q, want 1", len(found), versionFile)
	}
	from, to := found[0][2], found[0][3]
	n, err := strconv.Atoi(string(text[from:to]))
	if err != nil {
		return err
	}
	changed := fmt.Appendf(nil, "%s%d%s", text[:from], n+by, text[to:])
	return os.WriteFile(file, changed, 0o644)
}

// addition is something that a later release adds: text behind what stands in a
// file once.
type addition struct{ file, behind, text string }

func (a addition) apply(root string) error {
	path := filepath.Join(root, a.file)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if n := bytes.Count(text, []byte(a.behind)); n != 1 {
		return fmt.Errorf("make the release after: %q is %d times in %q, want once: look for the line that has taken its place", a.behind, n, a.file)
	}
	return os.WriteFile(path, bytes.Replace(text, []byte(a.behind), []byte(a.behind+a.text), 1), 0o644)
}

// additions are one to each format: a field and its value, a kind of message, a
// name, a line.
var additions = []addition{
	{"worker/wire/messages.go", "type Settings struct {\n", "\tWeather map[string]int `json:\"weather\"`\n"},
	{"supervisor/master/workers.go", "s := &wire.Settings{\n", "\t\tWeather: map[string]int{\"wind\": 7},\n"},
	{"supervisor/master/workers.go", "files := []process.Named{\n", "\t\t{Name: \"thoughts\", File: m.ends.counters},\n"},
	{"supervisor/master/workers.go", "func (w *worker) assign(bundle *os.File) error {\n", "\tw.say(\"dance\")\n"},
	{"supervisor/master/workers.go", "case pool.Go:\n", "\t\t\tw.say(\"dance\")\n"},
	{"worker/lifeline.go", "func (l *lifeline) ready() error {\n", "\t_ = l.say(wire.Message{Kind: \"sing\"})\n"},
	{"worker/lifeline.go", "\t\tclose(l.started)\n", "\t\t_ = l.say(wire.Message{Kind: \"sing\"})\n"},
	{"supervisor/master/state.go", "type state struct {\n", "\tMood map[string]int `json:\"mood\"`\n"},
	{"supervisor/master/state.go", "s := state{\n", "\t\tMood: map[string]int{\"merry\": 1},\n"},
	{"supervisor/master/boot.go", "m.anchor.store(ofGeneration(nameServe, g), pipes[nameServe][1])\n", "" +
		"\tm.hold.files[fmt.Sprintf(\"thoughts.%d.1\", g)], _ = wire.Duplicate(pipes[nameGone][0])\n" +
		"\tm.anchor.store(fmt.Sprintf(\"thoughts.%d.1\", g), pipes[nameGone][0])\n"},
	{"supervisor/status/counts.go", "type Counts struct {\n", "\tMood map[string]int `json:\"mood\"`\n"},
	{"supervisor/config/config.go", "type Config struct {\n", "\tWeather string `toml:\"weather\"`\n"},
	{"supervisor/config/default.go", "return &Config{\n", "\t\tWeather: \"fair\",\n"},
	{"supervisor/notify/message.go", "func (m Message) Encode() []byte {\n\tvar b strings.Builder\n", "\tb.WriteString(\"X_WEATHER=fair\\n\")\n"},
	{"supervisor/status/status.go", "type Event struct {\n", "\tWeather string `json:\"weather\"`\n"},
}
