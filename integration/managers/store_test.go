package managers

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/handover/integration/harness"
)

// stores requires that systemd keeps so many descriptors of the service.
func (s *tenant) stores(want int) {
	s.t.Helper()
	s.is("NFileDescriptorStore", fmt.Sprint(want))
}

func TestSystemdsStoreHoldsConnectionsOverARestartAndAKilledAnchor(t *testing.T) {
	t.Parallel()
	eachRelease(t, func(t *testing.T, release string) {
		s := lodge(t, release, harness.Config{})
		s.runs("FileDescriptorStoreMax=16")
		s.do("start")
		s.stores(1)
		load := s.Load(t, clients)
		for range 2 {
			pair := s.Certs.Renew() // what lies on disk counts
			s.do("restart")
			s.shows(pair)
			load.More(t, 20)
			s.stores(1)
		}
		pair := s.Certs.Renew()
		s.killAnchor()
		s.shows(pair)
		load.More(t, 20)
		s.stores(1)
		s.is("NRestarts", "1")
		s.do("reload")
		load.More(t, 20)
		load.Stop().NothingLost(t)
		s.do("stop")
		s.stores(0)
		s.refuses("tcp", s.Addr)
	})
}

func TestWhatTheConfigLosesLeavesSystemdsStore(t *testing.T) {
	t.Parallel()
	eachRelease(t, func(t *testing.T, release string) {
		s := lodge(t, release, harness.Config{})
		second := harness.FreeAddress(t)
		c := s.Config
		c.Tables = fmt.Sprintf("[[listen]]\naddress = %q\ntls = false", second)
		s.runs("FileDescriptorStoreMax=16")
		s.do("start")
		s.stores(1)
		load := s.Load(t, clients)
		for _, verb := range []string{"reload", "restart"} {
			s.Configure(c)
			s.do(verb)
			s.stores(2)
			s.meets("a client of the second address", s.comes("tcp", second))
			without := c
			without.Tables = ""
			s.Configure(without)
			s.do(verb)
			s.stores(1)
			s.refuses("tcp", second)
		}
		load.More(t, 20)
		load.Stop().NothingLost(t)
		// What was stored is in the way of what the config now says.
		_, port, err := net.SplitHostPort(s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		for _, address := range []string{":" + port, s.Addr} {
			s.WriteConfig(strings.Replace(s.ConfigText(), fmt.Sprintf("%q", s.Addr), fmt.Sprintf("%q", address), 1))
			s.do("restart")
			s.stores(1)
			s.meets("a client of "+address, s.comes("tcp", s.Addr))
		}
	})
}

func TestAStoredUnixSocketIsUsedOnlyWhileItsPathLeadsToIt(t *testing.T) {
	t.Parallel()
	eachRelease(t, func(t *testing.T, release string) {
		s := lodge(t, release, harness.Config{})
		name := strings.TrimSuffix(s.service, ".service")
		kept, gone := filepath.Join(s.Dir, "s.sock"), filepath.Join("/run", name, "s.sock")
		c := s.Config
		c.Tables = fmt.Sprintf("[[listen]]\naddress = %q\ntls = false\n[[listen]]\naddress = %q\ntls = false", "unix:"+kept, "unix:"+gone)
		s.Configure(c)
		s.runs("FileDescriptorStoreMax=16", "RuntimeDirectory="+name) // which systemd removes at each stop
		s.do("start")
		s.stores(3)
		made, err := os.Stat(kept)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			s.do("restart")
			s.stores(3)
			now, err := os.Stat(kept)
			if err != nil || !os.SameFile(made, now) {
				t.Errorf("got %v, %v, want the socket file that the first start made", now, err)
			}
			s.meets("a client of the path that stayed", s.comes("unix", kept))
			s.meets("a client of the path that was removed", s.comes("unix", filepath.Join(s.m.Root(), gone)))
		}
		s.killAnchor()
		s.stores(3)
		s.meets("a client after a killed anchor", s.comes("unix", kept))
		s.do("stop")
		s.refuses("unix", kept)
		s.do("start")
		s.stores(3)
		s.meets("a client after a stop", s.comes("unix", kept))
		c.Tables = ""
		s.Configure(c)
		s.do("restart")
		s.stores(1)
		if _, err := os.Lstat(kept); !os.IsNotExist(err) {
			t.Errorf("%q: got %v, want it removed with its address", kept, err)
		}
	})
}

func TestAStoreThatOutlivesTheStopHoldsConnectionsUntilTheNextStart(t *testing.T) {
	t.Parallel()
	s := lodge(t, Trixie, harness.Config{}) // FileDescriptorStorePreserve= came with 254
	s.runs("FileDescriptorStoreMax=16", "FileDescriptorStorePreserve=yes")
	target := strings.TrimSuffix(s.service, ".service") + ".target"
	s.m.Unit(target, "[Unit]\nWants="+s.service+"\n") // a unit that nobody wants is forgotten at its stop, store and all
	s.m.Must("systemctl", "start", target)
	s.is("ActiveState", "active")
	load := s.Load(t, clients)
	for range 2 {
		s.do("stop")
		s.stores(1)
		early := s.comes("tcp", s.Addr)
		s.do("start")
		s.meets("a client that came while the service was stopped", early)
		load.More(t, 20)
		s.stores(1)
	}
	load.Stop().NothingLost(t)
}
