package bench

import (
	"strconv"
	"syscall"
	"testing"

	"example.com/handover/integration/harness"
)

// startGunicorn starts gunicorn with workers of four threads each. It knows one
// pair.
func startGunicorn(t testing.TB, setup Setup) *Server {
	t.Helper()
	program, address, folder := look(t, "gunicorn"), harness.FreeAddress(t), harness.Folder(t)
	if setup.Sites > 1 {
		t.Skipf("%d sites: gunicorn knows one", setup.Sites)
	}
	write(t, folder, "answer.py", `def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]
`)
	certfile, keyfile := setup.site(0)
	b := harness.StartBackground(t, folder, nil, program, "--bind", address, "--certfile", certfile, "--keyfile", keyfile,
		"--worker-class", "gthread", "--threads", "4", "--workers", strconv.Itoa(setup.Workers), "--log-level", "warning", "answer:app")
	return forked(b, address, setup.Workers, syscall.SIGHUP)
}
