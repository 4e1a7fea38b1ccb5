package integration

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/handover/integration/harness"
)

const module = "example.com/handover"

// rule says what a package, and everything below it, may not import. Names end
// in "/..." to mean all below; what follows "but" is excepted.
type rule struct {
	of     string
	forbid []string
	but    []string
	reason string
}

var importMap = []rule{
	{".", []string{module + "/..."}, []string{module + "/supervisor/...", module + "/worker/...", module + "/signals"}, "main wires the roles together and nothing else"},
	{"supervisor", []string{module + "/worker/...", module + "/integration/..."}, []string{module + "/worker/wire", module + "/worker/footprint"}, "of a worker it knows leaves alone: the wire format, and how to give memory back"},
	{"worker", []string{module + "/supervisor/...", module + "/integration/..."}, nil, "a worker program must not carry the supervisor"},
	{"worker/wire", []string{module + "/...", "net/http", "crypto/tls"}, nil, "both sides import the border, so it imports neither"},
	{"worker/footprint", []string{module + "/...", "net/http", "crypto/tls"}, nil, "a leaf that both sides import imports neither"},
	{"supervisor/anchor", []string{
		module + "/supervisor/config", module + "/supervisor/cert", module + "/supervisor/status", module + "/supervisor/master",
		module + "/supervisor/control", "crypto/...", "net/http/...", "github.com/BurntSushi/toml",
	}, nil, "what lives for ever stays tiny: it reads no config and no certificate and speaks no HTTP"},
	{"supervisor/archive", beside, []string{module + "/supervisor/cert", module + "/supervisor/config", module + "/supervisor/status", module + "/worker/wire"}, "it keeps what was taken, and knows nothing of processes or of who asks"},
	{"supervisor/watch", beside, nil, "it knows files, not what they are for"},
	{"supervisor/journal", beside, nil, "the anchor's log has it too"},
	{"supervisor/outlet", beside, []string{module + "/worker/wire"}, "the anchor's log has it too"},
	{"supervisor/hook", beside, []string{module + "/supervisor/process", module + "/worker/wire"}, "it runs a command, whatever the event means"},
	{"supervisor/cgroup", beside, nil, "a leaf: the kernel's word, whoever asks"},
	{"supervisor/metrics", append([]string{"os/...", "net/...", "log/...", "sync/..."}, beside...), []string{module + "/supervisor/status"}, "it says a status in other words, whoever asks"},
	{"supervisor/page", append([]string{"os/...", "net/...", "log/..."}, beside...), []string{module + "/supervisor/status"}, "it shows a status, whoever asks"},
	{"supervisor/pool", impure, nil, "decide and do are different packages"},
	{"supervisor/handover", impure, nil, "decide and do are different packages"},
	{"supervisor/machine", impure, nil, "decide and do are different packages"},
	{"supervisor/commandline/outline", append([]string{module + "/..."}, impure...), nil, "it is what the commands are, whoever parses or describes them"},
	{"supervisor/commandline/manual", append([]string{module + "/..."}, impure...), []string{module + "/signals", module + "/supervisor/commandline/outline"}, "it writes what it is handed"},
	{"supervisor/commandline/completion", append([]string{module + "/..."}, impure...), []string{module + "/supervisor/commandline/outline"}, "it writes what it is handed"},
	{"supervisor/unit", append([]string{module + "/..."}, impure...), []string{module + "/supervisor/config"}, "a unit follows from a config: what the machine knows is an argument"},
	{"signals", []string{module + "/..."}, nil, "everyone reads the table; it reads nobody"},
	{"integration", []string{module + "/supervisor/...", module + "/signals"}, nil, "tests against the contract see what a user sees"},
}

// beside is for what serves the master: it must not reach back.
var beside = []string{module + "/..."}

var impure = []string{"os/...", "net/...", "log/...", "sync/...", "syscall", "context", "golang.org/x/sys/..."}

// onlyIn lists imports that belong to one place, or to each of several.
var onlyIn = map[string]struct{ where, reason string }{
	"github.com/cloudflare/tableflip": {"supervisor/master integration/programs/flip", "one package knows how a master replaces itself; one program is compared with it"},
	"github.com/BurntSushi/toml":      {"supervisor/config", "one package knows what the file looks like"},
	"github.com/urfave/cli/v2":        {"supervisor/commandline", "one package knows what a person types"},
	"github.com/fsnotify/fsnotify":    {"supervisor/watch", "one package knows what inotify does not see"},
	"github.com/google/renameio/v2":   {"supervisor/archive", "one package writes files that must be whole"},
	"golang.org/x/text/width":         {"supervisor/status", "one package knows how much room a text takes"},
	"github.com/chromedp/chromedp":    {"integration/browser", "one package drives a browser, and only tests do"},

	"github.com/elastic/go-seccomp-bpf": {"integration/programs/container", "one program does what a container's engine does"},

	"github.com/prometheus/common/expfmt": {"supervisor/metrics", "one package knows Prometheus' words, and only its tests link them"},
}

func TestImportsFollowTheMap(t *testing.T) {
	t.Parallel()
	for _, f := range sources(t) {
		for _, r := range importMap {
			if !under(f.dir, r.of) {
				continue
			}
			for _, imported := range f.imports {
				if matches(imported, r.forbid) && !matches(imported, r.but) && !inside(imported, r.of) {
					t.Errorf("%s imports %q: %s", f.path, imported, r.reason)
				}
			}
		}
		for _, imported := range f.imports {
			if o, found := onlyIn[imported]; found && !slices.ContainsFunc(strings.Fields(o.where), func(where string) bool { return under(f.dir, where) }) {
				t.Errorf("%s imports %q, want it in %q alone: %s", f.path, imported, o.where, o.reason)
			}
		}
	}
}

// TestTheAnchorsWholeGraphIsTiny follows the imports inside the module: a leaf
// that grows heavy makes the anchor heavy.
func TestTheAnchorsWholeGraphIsTiny(t *testing.T) {
	t.Parallel()
	files := sources(t)
	queue, seen := []string{"supervisor/anchor"}, map[string]bool{}
	for len(queue) > 0 {
		dir := queue[0]
		queue = queue[1:]
		if seen[dir] {
			continue
		}
		seen[dir] = true
		for _, f := range files {
			if f.dir != dir {
				continue
			}
			for _, imported := range f.imports {
				if matches(imported, []string{"crypto/tls", "crypto/x509", "net/http/...", module + "/supervisor/config", "github.com/BurntSushi/toml"}) {
					t.Errorf("the anchor reaches %q through %s", imported, f.path)
				}
				if rest, ours := strings.CutPrefix(imported, module+"/"); ours {
					queue = append(queue, rest)
				}
			}
		}
	}
	if len(seen) < 2 {
		t.Errorf("the anchor reaches %v, want it to reach something", seen)
	}
}

func TestPurePackagesNeverAskForTheTime(t *testing.T) {
	t.Parallel()
	for _, f := range sources(t) {
		if !under(f.dir, "supervisor/pool") && !under(f.dir, "supervisor/handover") && !under(f.dir, "supervisor/machine") && !under(f.dir, "supervisor/page") {
			continue
		}
		for _, clock := range []string{"Now", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Since", "Until"} {
			if strings.Contains(f.text, "time."+clock+"(") {
				t.Errorf("%s calls time.%s: time is an argument", f.path, clock)
			}
		}
	}
}

// source is one file that is not a test.
type source struct {
	path, dir, text string
	imports         []string
}

func sources(t *testing.T) []source {
	t.Helper()
	root, err := harness.Module()
	if err != nil {
		t.Fatal(err)
	}
	var found []source
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && (strings.HasPrefix(name, ".") && p != root || name == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		s, err := read(root, p)
		found = append(found, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func read(root, file string) (source, error) {
	rel, err := filepath.Rel(root, file)
	if err != nil {
		return source{}, err
	}
	s := source{path: rel, dir: path.Dir(rel)}
	b, err := os.ReadFile(file)
	if err != nil {
		return source{}, err
	}
	s.text = string(b)
	parsed, err := parser.ParseFile(token.NewFileSet(), file, b, parser.ImportsOnly)
	if err != nil {
		return source{}, err
	}
	for _, i := range parsed.Imports {
		name, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return source{}, err
		}
		s.imports = append(s.imports, name)
	}
	return s, nil
}

// under says whether a folder is another one or below it; "." is only itself.
func under(dir, of string) bool {
	return dir == of || of != "." && strings.HasPrefix(dir, of+"/")
}

// inside says whether an import is of the rule's own package.
func inside(imported, of string) bool {
	return of != "." && under(strings.TrimPrefix(imported, module+"/"), of)
}

func matches(imported string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if stem, all := strings.CutSuffix(p, "/..."); all {
			return imported == stem || strings.HasPrefix(imported, stem+"/")
		}
		return imported == p
	})
}
