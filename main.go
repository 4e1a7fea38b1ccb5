// Handover keeps a Go service running: it forks workers that share the
// listening sockets and replaces all of them, without losing a request, when
// it is told to. "handover --help" lists the commands.
package main

import (
	_ "embed"
	"os"

	"example.com/handover/supervisor/command"
	"example.com/handover/supervisor/commandline"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/app"
	"example.com/handover/worker/wire"
)

// version is set at link time.
var version string

// example is every key of the configuration: the manual page has them all.
//
//go:embed config.example.toml
var example string

func main() {
	// The role comes before any flag: a worker has none.
	if wire.Role() == wire.RoleWorker {
		os.Exit(end(app.Serve()))
	}
	os.Exit(end(commandline.Run(os.Args, version, example)))
}

// end shows what an error means and returns the exit code for it.
func end(err error) int {
	if err == nil {
		return status.ExitDone
	}
	f := command.Explain(err)
	f.Write(os.Stderr, status.Coloured(os.Stderr))
	return f.Code
}
