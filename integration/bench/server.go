package bench

import (
	"testing"

	"example.com/handover/integration/harness"
)

// Peer is a kind of server that can be measured.
type Peer struct {
	Name     string        // as the table shows it
	Version  func() string // of what is installed; "": it is not
	Start    func(testing.TB, Setup) *Server
	HTTP2    bool // it speaks HTTP/2
	OneByOne bool // it knows no number of workers: one process, whatever Setup says
}

// Setup is what every server is started with. The pairs lie in Dir as
// harness.Certs.Many writes them; a server answers "ok\n" with status 200 to GET
// of any path, for each of the sites.
type Setup struct {
	Certs   *harness.Certs
	Dir     string // a path whose folder is switched at a reload; see harness.Certs.Switch
	Sites   int
	Workers int
}

// Server is one that runs and has answered. It ends with the test.
type Server struct {
	Peer      Peer
	Addr      string
	Processes func() []harness.Process // all that belong to it, whose memory and CPU count
	Reload    func() error             // asks it to take the files of Dir, as its operator would; returns at once
	Settled   func() error             // nil when nothing of an older generation is left
}
