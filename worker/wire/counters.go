package wire

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"
)

// MaxSlots is the largest number of workers in a generation.
const MaxSlots = 1024

const (
	slotSize     = 128 // a pair of cache lines, so that workers do not slow one another
	countersSize = (MaxSlots + 1) * slotSize
)

// Slot is what one worker counts for every process to see. All fields are
// written by the worker alone and read by anyone at any time.
type Slot struct {
	Requests    atomic.Uint64 // answered since the worker started
	Connections atomic.Int64  // of clients, open now
	Heartbeat   atomic.Int64  // when the worker last showed life, CLOCK_MONOTONIC in nanoseconds
	Accepting   atomic.Uint32 // 1 while it accepts clients in turn with the others, 2 while it cannot; a release that does not has 0
	_           [slotSize - 28]byte
}

// Counters is a memfd that every worker of a generation and the masters map.
// It never grows; a page of it costs memory only when a worker writes there. What
// a release adds to count goes into Meters, or into the free room of the slots.
// The slot of number 0, which no worker has, begins with the version.
type Counters struct {
	memory []byte
}

// CreateCounters makes the memory for one generation and maps it.
func CreateCounters(generation int) (*Counters, *os.File, error) {
	f, err := createShared(fmt.Sprintf("handover-counters-%d", generation), countersSize)
	if err != nil {
		return nil, nil, err
	}
	c, err := MapCounters(f)
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	c.version().Store(Version)
	return c, f, nil
}

// MapCounters maps what CreateCounters made; f may be closed afterwards. It
// refuses a descriptor that is not such memory, and the version of a release that
// is no neighbour.
func MapCounters(f *os.File) (*Counters, error) {
	memory, err := mapShared(f, "counters", countersSize)
	if err != nil {
		return nil, err
	}
	c := &Counters{memory: memory}
	if v := c.version().Load(); v != 0 { // a neighbour's that says none
		if err := Judge("counters", int(v), HintBuild); err != nil {
			_ = c.Close()
			return nil, err
		}
	}
	return c, nil
}

func (c *Counters) version() *atomic.Uint32 { return (*atomic.Uint32)(unsafe.Pointer(&c.memory[0])) }

// Slot returns the counters of a slot, from 1 to MaxSlots.
func (c *Counters) Slot(n int) *Slot {
	if n < 1 || n > MaxSlots {
		panic(fmt.Sprintf("BUG: slot %d of %d", n, MaxSlots))
	}
	return (*Slot)(unsafe.Pointer(&c.memory[n*slotSize]))
}

// Close unmaps the memory; no Slot may be used after it.
func (c *Counters) Close() error { return unmap(&c.memory) }
