package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"example.com/handover/integration/harness"
)

const webdavProgram = `package main

import (
	"log"
	"os"

	"example.com/handover/worker"
	"golang.org/x/net/webdav"
)

func main() {
	log.Fatal(worker.Serve(&webdav.Handler{FileSystem: webdav.Dir(os.Args[1]), LockSystem: webdav.NewMemLS()}))
}
`

const selfProgram = `package main

import (
	"context"
	"io"
	"log"
	"net/http"
	"os"

	"example.com/handover/supervisor"
	"example.com/handover/supervisor/config"
	"example.com/handover/worker"
)

func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, _ = w.Write(body)
}

func main() {
	if worker.Supervised() {
		log.Fatal(worker.Serve(http.HandlerFunc(echo)))
	}
	c, err := config.Load(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if err := supervisor.Run(context.Background(), c); err != nil {
		log.Fatal(err)
	}
}
`

// outside builds a program in a module of its own, which knows this one by a
// replace alone.
func outside(t *testing.T, source string) string {
	t.Helper()
	root, err := harness.Module()
	if err != nil {
		t.Fatal(err)
	}
	dir := harness.Folder(t)
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"main.go": source,
		"go.sum":  string(sums),
		"go.mod": "module example.org/outside\n\ngo 1.26.0\n\nrequire example.com/handover v0.0.0\n\n" +
			"replace example.com/handover => " + root + "\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "program")
	args := []string{"build", "-mod=mod", "-o", program}
	if harness.Race {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, ".")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build outside the tree: %v\n%s", err, text)
	}
	return program
}

func TestAModuleOutsideTheTreeServesWebDAVAcrossReloads(t *testing.T) {
	t.Parallel()
	program := outside(t, webdavProgram)
	files := harness.Folder(t)
	i := harness.Start(t, harness.Config{Command: []string{program, files}})
	bodies := map[string][]byte{}
	put := func(name string) {
		t.Helper()
		bodies[name] = harness.Body()
		c, err := i.Dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if a, err := c.Do("PUT", name, bodies[name]); err != nil || a.Status != 201 {
			t.Errorf("PUT %s: status %d, %v; want 201", name, a.Status, err)
		}
	}
	for n := range 3 {
		put(fmt.Sprintf("/before-%d", n))
		pair := i.Certs.Renew()
		ended := make(chan harness.Result, 1)
		go func() { ended <- i.Do("reload") }()
		for k := 0; ; k++ {
			put(fmt.Sprintf("/during-%d-%d", n, k))
			select {
			case got := <-ended:
				ok(t, got)
			default:
				continue
			}
			break
		}
		served(t, i, pair)
		put(fmt.Sprintf("/after-%d", n))
	}
	for name, body := range bodies {
		if a, err := i.Get(name); err != nil || !bytes.Equal(a.Body, body) {
			t.Errorf("GET %s: %d bytes, %v; want the %d that were put", name, len(a.Body), err, len(body))
		}
	}
	t.Logf("%d files", len(bodies))
}

func TestAProgramSupervisesItself(t *testing.T) {
	t.Parallel()
	i := harness.Prepare(t, harness.Config{Binary: outside(t, selfProgram), Command: []string{}})
	i.Config.Words = []string{i.ConfigFile()}
	i.Launch()
	i.WaitServing()
	load := i.Load(t, harness.Load{New: 1, Kept: 2})
	for range 3 {
		renew(t, i)
		load.More(t, 20)
	}
	load.Stop().NothingLost(t)
	reloadWorks(t, i)
}
