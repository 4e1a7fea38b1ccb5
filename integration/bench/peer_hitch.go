package bench

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/handover/integration/harness"
)

// startHitch starts hitch, which ends TLS and no more, in front of a net/http
// server in the clear. It takes a folder of files that hold a chain and its key.
func startHitch(t testing.TB, setup Setup) *Server {
	t.Helper()
	program, address, folder, behind := look(t, "hitch"), harness.FreeAddress(t), harness.Folder(t), harness.FreeAddress(t)
	backend := harness.StartBackground(t, harness.Folder(t), nil, harness.Static(t, "plain"), "-listen", behind, "-http")
	var config strings.Builder
	fmt.Fprintf(&config, "frontend = %q\nbackend = %q\nworkers = %d\n", bracketed(address), bracketed(behind), setup.Workers)
	fmt.Fprintf(&config, "daemon = off\nlog-level = 1\nocsp-dir = \"\"\n")
	if os.Getuid() == 0 { // it insists
		fmt.Fprintf(&config, "user = \"nobody\"\n")
	}
	c := &combined{setup: setup, link: filepath.Join(folder, "pem")}
	if err := c.write(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&config, "pem-dir = %q\n", c.link)
	b := harness.StartBackground(t, folder, nil, program, "--config="+write(t, folder, "hitch.conf", config.String()))
	s := forked(b, address, setup.Workers, syscall.SIGHUP)
	s.Prepare = c.write
	s.Beside = backend.Processes
	return s
}

// bracketed is an address as hitch wants it.
func bracketed(address string) string {
	host, port, _ := net.SplitHostPort(address)
	return fmt.Sprintf("[%s]:%s", host, port)
}
