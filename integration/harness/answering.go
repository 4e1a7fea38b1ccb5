package harness

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"
)

// Frozen is a process at a standstill and the clients it was answering: what
// its death may cost, and nothing else may.
type Frozen struct {
	Pid     int
	At      time.Time       // nothing that was dialled later can be its
	Clients map[string]bool // the addresses that its connections come from
}

// Freeze stops a process of the instance and looks whom it answers. From its
// standstill on it can accept nobody else, which is why a killed process is
// stopped first: asked a moment before, the answer would be older than the kill.
func (i *Instance) Freeze(pid int) (Frozen, error) {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return Frozen{}, err
	}
	if err := Await(10*time.Second, func() error {
		p, ok := Find(pid)
		return Unless(!ok || p.State == "T" || p.State == "Z", "%v is not at a standstill", p)
	}); err != nil {
		return Frozen{}, err
	}
	f := Frozen{Pid: pid, At: time.Now(), Clients: map[string]bool{}}
	held := map[string]bool{}
	for _, link := range Descriptors(pid) {
		held[link] = true
	}
	for _, s := range sockets() {
		if s.local == i.Addr && held[s.link()] {
			f.Clients[s.remote] = true
		}
	}
	return f, nil
}

// Answered says whether a loss is of a request that the process was to answer.
func (f Frozen) Answered(l Loss) bool {
	return f.Clients[l.On.From] && l.On.Dialled.Before(f.At)
}

// Listeners returns how often an address of the instance is listened on, and
// which other TCP sockets its processes listen on.
func (i *Instance) Listeners() (own int, others []string) {
	held := map[string]bool{}
	for _, p := range i.Processes() {
		for _, link := range Descriptors(p.Pid) {
			held[link] = true
		}
	}
	for _, s := range sockets() {
		switch {
		case !s.listens || !held[s.link()]:
		case s.local == i.Addr:
			own++
		default:
			others = append(others, s.local)
		}
	}
	return own, others
}

// Holds counts the descriptors of a process besides its connections to clients.
// The sockets are looked at before and after: clients come and go meanwhile.
func (i *Instance) Holds(pid int) int {
	table := sockets()
	links := Descriptors(pid)
	clients := map[string]bool{}
	for _, s := range append(table, sockets()...) {
		if s.local == i.Addr && !s.listens {
			clients[s.link()] = true
		}
	}
	n := 0
	for _, link := range links {
		if !clients[link] {
			n++
		}
	}
	return n
}

// socket is a line of /proc/net/tcp.
type socket struct {
	local, remote string
	listens       bool
	inode         string // "0" until it is accepted
}

func (s socket) link() string { return "socket:[" + s.inode + "]" }

// sockets lists what the kernel knows. It lists a page at a time, so a line may
// come twice, or not at all, while others come and go: the list is read twice, and
// each line counts once.
func sockets() []socket {
	known := map[socket]bool{}
	var found []socket
	for range 2 {
		table, _ := os.ReadFile("/proc/net/tcp")
		for line := range bytes.Lines(table) {
			f := strings.Fields(string(line))
			if len(f) < 10 || f[9] == "0" || f[9] == "inode" {
				continue
			}
			s := socket{endpoint(f[1]), endpoint(f[2]), f[3] == "0A", f[9]}
			if !known[s] {
				known[s] = true
				found = append(found, s)
			}
		}
	}
	return found
}

// endpoint reads "0100007F:1F90": the address as the machine's own word.
func endpoint(text string) string {
	var address uint32
	var port uint16
	if _, err := fmt.Sscanf(text, "%08X:%04X", &address, &port); err != nil {
		return text
	}
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], address)
	return net.JoinHostPort(netip.AddrFrom4(b).String(), fmt.Sprint(port))
}
