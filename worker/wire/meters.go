package wire

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"
)

const (
	meterRoom  = 64 // measures that fit one; more than there are, so that neighbours may add some
	meterSize  = meterRoom * 8
	metersSize = (MaxSlots + 1) * meterSize
)

// Meter is what one worker counts besides its Slot, each number at the place of
// its Measure. All are written by the worker alone, and read by anyone at any
// time. A nil Meter counts nothing: the master is of a release that has none.
type Meter [meterRoom]atomic.Uint64

// A meter must have room for every measure.
var _ [meterRoom - measures]struct{}

// Add counts. It takes no lock and allocates nothing.
func (m *Meter) Add(what Measure, n uint64) {
	if m != nil {
		m[what].Add(n)
	}
}

// Observe counts a request by how long it took.
func (m *Meter) Observe(took time.Duration) {
	if m == nil {
		return
	}
	bucket := 0
	for bucket < len(durationBounds) && took > durationBounds[bucket] {
		bucket++
	}
	m[Duration(bucket)].Add(1)
	m[DurationSum].Add(uint64(max(0, took).Round(time.Microsecond) / time.Microsecond))
}

// Load returns what was counted.
func (m *Meter) Load(what Measure) uint64 {
	if m == nil {
		return 0
	}
	return m[what].Load()
}

// Reset begins anew.
func (m *Meter) Reset() {
	if m == nil {
		return
	}
	for i := range measures {
		m[i].Store(0)
	}
}

// AddTo adds what was counted to sums by name.
func (m *Meter) AddTo(sums map[string]uint64) {
	if m == nil {
		return
	}
	for i := range measures {
		if n := m[i].Load(); n > 0 {
			sums[measureNames[i]] += n
		}
	}
}

// Meters is a memfd like Counters, for what these have no room for. A release that
// does not know it hands it on, and its workers leave it alone: then nothing is
// counted there. What a release adds to measure goes into the free room of each
// meter.
type Meters struct {
	memory []byte
}

// CreateMeters makes the memory for one generation and maps it.
func CreateMeters(generation int) (*Meters, *os.File, error) {
	f, err := createShared(fmt.Sprintf("handover-meters-%d", generation), metersSize)
	if err != nil {
		return nil, nil, err
	}
	m, err := MapMeters(f)
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	m.version().Store(Version)
	return m, f, nil
}

// MapMeters maps what CreateMeters made; f may be closed afterwards. It refuses
// what MapCounters would.
func MapMeters(f *os.File) (*Meters, error) {
	memory, err := mapShared(f, "meters", metersSize)
	if err != nil {
		return nil, err
	}
	m := &Meters{memory: memory}
	if v := m.version().Load(); v != 0 { // it is being made
		if err := Judge("meters", int(v), HintBuild); err != nil {
			_ = m.Close()
			return nil, err
		}
	}
	return m, nil
}

func (m *Meters) version() *atomic.Uint32 { return (*atomic.Uint32)(unsafe.Pointer(&m.memory[0])) }

// Slot returns the meter of a slot, from 1 to MaxSlots; of no Meters it is nil.
func (m *Meters) Slot(n int) *Meter {
	if n < 1 || n > MaxSlots {
		panic(fmt.Sprintf("BUG: slot %d of %d", n, MaxSlots))
	}
	if m == nil {
		return nil
	}
	return (*Meter)(unsafe.Pointer(&m.memory[n*meterSize]))
}

// Close unmaps the memory; no Meter of it may be used after it.
func (m *Meters) Close() error {
	if m == nil {
		return nil
	}
	return unmap(&m.memory)
}
