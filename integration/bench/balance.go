package bench

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"

	"example.com/handover/integration/harness"
)

const (
	balanced = 24 // connections
	among    = 4  // workers
)

// ways are the two ways in which clients come.
var ways = []struct {
	name string
	open func(c client) ([]*connection, error)
}{
	{"one after another", client.oneByOne},
	{"at once", client.atOnce},
}

// oneByOne opens connections, each when the one before was answered.
func (c client) oneByOne() ([]*connection, error) {
	var open []*connection
	for range balanced {
		conn, err := c.dial()
		if err != nil {
			return open, err
		}
		open = append(open, conn)
		if err := conn.ask(); err != nil {
			return open, err
		}
	}
	return open, nil
}

// atOnce opens connections side by side.
func (c client) atOnce() ([]*connection, error) {
	open, errs := make([]*connection, balanced), make([]error, balanced)
	var all sync.WaitGroup
	for n := range balanced {
		all.Go(func() {
			if open[n], errs[n] = c.dial(); errs[n] == nil {
				errs[n] = open[n].ask()
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return open, err
		}
	}
	return open, nil
}

// balance measures how connections are dealt out to workers.
func (b *bench) balance(t *testing.T) {
	subjects := b.start(t, among, func(p Peer) bool { return !p.OneByOne })
	for range b.effort.rounds {
		b.each(t, subjects, func(s *subject) error {
			for _, way := range ways {
				if err := b.dealt(s, way.name, way.open); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

func (b *bench) dealt(s *subject, way string, open func(client) ([]*connection, error)) error {
	conns, err := open(s.client("http/1.1"))
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.close()
			}
		}
	}()
	if err != nil {
		return err
	}
	counts, err := s.held(conns)
	if err != nil {
		return err
	}
	idle, fewest, most := 0, balanced, 0
	for _, n := range counts {
		fewest, most = min(fewest, n), max(most, n)
		if n == 0 {
			idle++
		}
	}
	b.add(key(way, "idle"), s.name(), float64(idle))
	// A worker without one counts as one with one here: the other figure says so.
	b.add(key(way, "spread"), s.name(), float64(most)/float64(max(1, fewest)))
	return nil
}

// held counts how many of the connections each worker holds: their sockets, by the
// number that /proc/net/tcp gives them, among the worker's descriptors.
func (s *subject) held(conns []*connection) ([]int, error) {
	workers := s.Workers()
	if len(workers) != among {
		return nil, fmt.Errorf("count connections: %d processes, want %d workers", len(workers), among)
	}
	sockets, err := serverSockets(conns)
	if err != nil {
		return nil, err
	}
	counts, sum := make([]int, len(workers)), 0
	for n, w := range workers {
		for _, link := range harness.Descriptors(w.Pid) {
			if sockets[link] {
				counts[n]++
				sum++
			}
		}
	}
	return counts, harness.Unless(sum == len(conns), "count connections: %d of %d are held by workers", sum, len(conns))
}

// serverSockets returns the server's ends of connections, as links of descriptors
// name them.
func serverSockets(conns []*connection) (map[string]bool, error) {
	clients := map[string]bool{}
	for _, c := range conns {
		clients[hexadecimal(netip.MustParseAddrPort(c.raw.LocalAddr().String()))] = true
	}
	text, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return nil, err
	}
	sockets := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
		if f := strings.Fields(line); len(f) > 9 && clients[f[2]] {
			sockets["socket:["+f[9]+"]"] = true
		}
	}
	return sockets, nil
}

// hexadecimal writes an address as /proc/net/tcp does: its four bytes as a number of
// the machine's own order.
func hexadecimal(a netip.AddrPort) string {
	ip := a.Addr().As4()
	return fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), a.Port())
}
