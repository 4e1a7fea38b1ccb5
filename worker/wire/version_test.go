package wire

import (
	"errors"
	"strings"
	"testing"
)

func TestAReleaseUnderstandsItsNeighboursAndNobodyElse(t *testing.T) {
	t.Parallel()
	for theirs, want := range map[int]bool{Version - 2: false, Version - 1: true, Version: true, Version + 1: true, Version + 2: false} {
		err := Judge("message", theirs, HintRestart)
		if (err == nil) != want {
			t.Errorf("version %d: got %v, want it understood: %v", theirs, err, want)
		}
		var version *VersionError
		if err != nil && (!errors.As(err, &version) || !strings.Contains(err.Error(), HintRestart)) {
			t.Errorf("version %d: got %v, want what to do in it", theirs, err)
		}
	}
}

func TestABundleOfANeighbourIsOpened(t *testing.T) {
	t.Parallel()
	whole, err := ReadSealed(mustSeal(t, someBundle()))
	check(t, err)
	for digit, want := range map[byte]bool{'0': false, '1': true, '2': true, '3': true, '4': false, ' ': false} {
		whole[len(bundleName)] = digit
		f, err := Seal("bundle", whole)
		check(t, err)
		m, err := OpenBundle(f)
		if (err == nil) != want {
			t.Errorf("bundle of version %c: got %v, want it opened: %v", digit, err, want)
		}
		if m != nil {
			check(t, m.Close())
		}
		check(t, f.Close())
	}
}

func TestCountersOfANeighbourAreMapped(t *testing.T) {
	t.Parallel()
	ours, f, err := CreateCounters(1)
	check(t, err)
	defer func() { _ = f.Close() }()
	if got := ours.version().Load(); got != Version {
		t.Errorf("version in the counters: got %d, want %d", got, Version)
	}
	// 0 is the release before, which says none.
	for theirs, want := range map[uint32]bool{0: true, Version - 1: true, Version + 1: true, Version + 2: false, 1 << 31: false} {
		ours.version().Store(theirs)
		again, err := MapCounters(f)
		if (err == nil) != want {
			t.Errorf("counters of version %d: got %v, want them mapped: %v", theirs, err, want)
		}
		if again != nil {
			check(t, again.Close())
		}
	}
	check(t, ours.Close())
}

// Whatever a descriptor holds that is called counters, it is refused or it can be
// read to its end.
func FuzzMapCounters(f *testing.F) {
	f.Add([]byte{}, countersSize)
	f.Add([]byte{Version + 1, 0, 0, 0}, countersSize)
	f.Add([]byte{Version + 2, 0, 0, 0}, countersSize)
	f.Add([]byte{0, 0}, countersSize+1)
	f.Add([]byte{0}, 0)
	f.Fuzz(func(t *testing.T, begin []byte, size int) {
		if size < len(begin) || size > 2*countersSize {
			return
		}
		c, file, err := CreateCounters(1)
		check(t, err)
		copy(c.memory, begin)
		check(t, c.Close())
		if size != countersSize {
			check(t, file.Close())
			file, err = Seal("fuzz", append(begin, make([]byte, size-len(begin))...))
			check(t, err)
		}
		defer func() { _ = file.Close() }()
		c, err = MapCounters(file)
		if err != nil {
			return
		}
		if v := c.version().Load(); size != countersSize || v != 0 && Judge("counters", int(v), "") != nil {
			t.Errorf("counters of %d bytes and version %d were mapped", size, v)
		}
		_ = c.Slot(MaxSlots).Heartbeat.Load()
		check(t, c.Close())
	})
}
