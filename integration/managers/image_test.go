package managers

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"example.com/handover/integration/harness"
)

// image is what a Dockerfile describes, laid out in a folder.
type image struct {
	root        string
	env         []string
	user, group string
	entrypoint  []string
	health      []string
}

// build follows a Dockerfile of the plain kind; files are what its COPY words
// name. It knows no other instructions than those that it met: a new one fails
// here and is not passed over.
func build(t *testing.T, dockerfile string, files map[string]string) *image {
	t.Helper()
	text, err := os.ReadFile(dockerfile)
	if err != nil {
		t.Fatal(err)
	}
	m := &image{root: harness.Folder(t), user: "0", group: "0"}
	whole := strings.ReplaceAll(string(text), "\\\n", " ")
	for line := range strings.Lines(whole) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch instruction {
		case "", "#", "EXPOSE":
		case "FROM":
			if rest != "scratch" {
				t.Fatalf("FROM %s: an image that is not at hand", rest)
			}
		case "COPY":
			from, to, _ := strings.Cut(rest, " ")
			m.copy(t, files[from], to)
		case "ENV":
			m.env = append(m.env, rest)
		case "USER":
			m.user, m.group, _ = strings.Cut(rest, ":")
		case "ENTRYPOINT":
			m.entrypoint = list(t, rest)
		case "HEALTHCHECK":
			_, command, _ := strings.Cut(rest, "CMD ")
			m.health = list(t, command)
		default:
			t.Fatalf("instruction %q: unknown here", instruction)
		}
	}
	return m
}

func list(t *testing.T, text string) (words []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &words); err != nil {
		t.Fatalf("read %s: %v", text, err)
	}
	return words
}

func (m *image) copy(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatalf("copy to %s: %v", to, err)
	}
	stat, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	to = filepath.Join(m.root, to)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	layOut(t, to, stat.Mode().Perm(), string(text))
}

// start runs the image as an engine does: the options are those of the program
// container.
func (m *image) start(t *testing.T, i *contained, options ...string) {
	t.Helper()
	words := append([]string{
		harness.Program(t, "container"), "-root", m.root, "-user", m.user, "-group", m.group,
	}, options...)
	for _, e := range m.env {
		words = append(words, "-env", e)
	}
	words = append(append(words, "--"), m.entrypoint...)
	i.ward = harness.Enter(t, i.Dir, nil, words...)
}

// reach makes the control socket inside the one that the instance is asked by.
func (i *contained) reach(t *testing.T, socket string) {
	t.Helper()
	_ = os.Remove(i.ControlSocket())
	if err := os.Symlink(fmt.Sprintf("/proc/%d/root%s", i.ward.First, socket), i.ControlSocket()); err != nil {
		t.Fatal(err)
	}
}

// unreach takes that back before the folder is looked at.
func (i *contained) unreach(t *testing.T) {
	t.Helper()
	if err := os.Remove(i.ControlSocket()); err != nil {
		t.Fatal(err)
	}
}

// execute is "docker exec" and "kubectl exec": a command inside, as the user and
// with the environment of the PID 1.
func (i *contained) execute(t *testing.T, m *image, command ...string) harness.Result {
	t.Helper()
	words := append([]string{
		"-t", strconv.Itoa(i.ward.First), "-p", "-m", "-r", "-w", "-S", m.user, "-G", m.group, "--",
	}, command...)
	cmd := exec.Command("nsenter", words...)
	cmd.Env = harness.Environ(i.ward.First)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return harness.Result{Exit: cmd.ProcessState.ExitCode(), Stdout: out.String(), Stderr: errs.String()}
}
