package bench

import (
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// Peer is a kind of server that can be measured.
type Peer struct {
	Name     string        // as the table shows it
	Version  func() string // of what is installed, "1.22.1"; "": it is not
	Start    func(testing.TB, Setup) *Server
	HTTP2    bool // it speaks HTTP/2
	OneByOne bool // it knows no number of workers: one process, whatever Setup says
	MaxSites int  // how many pairs it can serve; 0: any number
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
	Main      func() int               // the process that its operator would signal
	Workers   func() []harness.Process // those that answer clients; Main alone where there are no others
	Processes func() []harness.Process // all that belong to it, whose memory and CPU count
	Beside    func() []harness.Process // what it answers from and is not counted: a terminator's backend; nil: nothing

	// Prepare is what its operator does with the files of Dir before he asks for a
	// reload, and is no part of its time: another form of them beside. nil: nothing.
	Prepare func() error
	Reload  func() error // asks it to take the files, as its operator would; returns at once
	Settled func() error // nil when nothing of an older generation is left

	Instance *harness.Instance // of Handover; nil of all others

	// until waits for a condition as long as the program lives.
	until func(t testing.TB, what string, limit time.Duration, cond func() error)
}
