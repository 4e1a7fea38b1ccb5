package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Nginx is an nginx to compare with. All its files lie in a folder of its own.
type Nginx struct {
	*Background
	Addr    string
	workers int
}

// StartNginx starts it with one server block for each site of a folder that
// Certs.Many filled; each answers "ok\n". Without nginx the test is skipped.
func StartNginx(t testing.TB, dir string, sites, workers int) *Nginx {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		t.Skipf("%v: make test-deps installs it; there is nothing to compare with", err)
	}
	folder, address := Folder(t), FreeAddress(t)
	var b strings.Builder
	fmt.Fprintf(&b, "daemon off;\nworker_processes %d;\npid nginx.pid;\nevents { worker_connections 1024; }\n", workers)
	b.WriteString("http {\naccess_log off;\nssl_protocols TLSv1.2 TLSv1.3;\ndefault_type text/plain;\n" +
		"server_names_hash_max_size 16384;\nserver_names_hash_bucket_size 128;\n")
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&b, "%s_temp_path temp;\n", kind)
	}
	for n := range sites {
		pair := filepath.Join(dir, Site(n))
		fmt.Fprintf(&b, "server { listen %s ssl http2; server_name %s; ssl_certificate %s.crt; ssl_certificate_key %s.key; return 200 'ok\\n'; }\n",
			address, Site(n), pair, pair)
	}
	b.WriteString("}\n")
	file := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	n := &Nginx{Addr: address, workers: workers}
	n.Background = StartBackground(t, folder, nil, program, "-p", folder, "-c", file, "-e", "stderr")
	n.Background.Until(t, "nginx", 3*time.Minute, n.Settled) // 4 ms of CPU for each pair
	return n
}

// Settled is the condition that it runs with its workers and no older ones.
func (n *Nginx) Settled() error {
	count := len(n.Processes())
	return Unless(count == 1+n.workers, "%d processes of nginx, want a master and %d workers", count, n.workers)
}
