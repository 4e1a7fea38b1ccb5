package worker

import (
	"time"

	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// What clients are held to where a master says nothing, as one of the release
// before does not.
const (
	handshakeTimeout = 30 * time.Second
	headerTimeout    = 30 * time.Second
	idleTimeout      = 2 * time.Minute
	headerSize       = 64 << 10
)

// limitsOf completes what the master says.
func limitsOf(said wire.Limits) wire.Limits {
	l := said
	l.Handshake = orElse(l.Handshake, handshakeTimeout)
	l.Header = orElse(l.Header, headerTimeout)
	l.Idle = orElse(l.Idle, idleTimeout)
	l.HeaderSize = orElse(l.HeaderSize, headerSize)
	var allowed unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &allowed); err == nil {
		l.Connections = affordable(l.Connections, int(min(allowed.Cur, 1<<30)))
	}
	return l
}

func orElse[T ~int | ~int64](said, otherwise T) T {
	if said == 0 {
		return otherwise
	}
	return said
}

// own is how many descriptors a worker has for itself, with room for a few probes
// at once: see what a master equips it with.
const own = 32

// affordable returns how many clients may be connected to a process with so many
// descriptors: those asked for (0: any number), but a quarter of all is left to
// what handlers open, files and connections of their own.
func affordable(asked, files int) int {
	most := max(1, files-files/4-own)
	if asked == 0 {
		return most
	}
	return min(asked, most)
}
