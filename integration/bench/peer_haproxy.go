package bench

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"

	"example.com/handover/integration/harness"
)

// startHAProxy starts haproxy as a master with one worker, whose threads are the
// workers of the setup. It takes a folder of files that hold a chain and its key.
func startHAProxy(t testing.TB, setup Setup) *Server {
	t.Helper()
	program, address, folder := look(t, "haproxy"), harness.FreeAddress(t), harness.Folder(t)
	c := &combined{setup: setup, link: filepath.Join(folder, "pem")}
	if err := c.write(); err != nil {
		t.Fatal(err)
	}
	file := write(t, folder, "haproxy.cfg", fmt.Sprintf(`global
	nbthread %d
defaults
	mode http
	timeout connect 5s
	timeout client 1m
	timeout server 1m
frontend site
	bind %s ssl crt %s/ alpn h2,http/1.1
	http-request return status 200 content-type text/plain string "ok\n"
`, setup.Workers, address, c.link))
	b := harness.StartBackground(t, folder, nil, program, "-W", "-f", file)
	s := forked(b, address, 1, syscall.SIGUSR2)
	s.Prepare = c.write
	return s
}
