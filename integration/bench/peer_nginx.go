package bench

import (
	"syscall"
	"testing"

	"example.com/handover/integration/harness"
)

// startNginx starts nginx with a server block for each site.
func startNginx(t testing.TB, setup Setup) *Server {
	t.Helper()
	n := harness.StartNginx(t, setup.Dir, setup.Sites, setup.Workers)
	return forked(n.Background, n.Addr, setup.Workers, syscall.SIGHUP)
}
