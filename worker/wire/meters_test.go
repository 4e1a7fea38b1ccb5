package wire

import (
	"bytes"
	"math"
	"testing"
	"time"
)

func TestMetersAreSeenByEveryMappingAndSummedByName(t *testing.T) {
	t.Parallel()
	ours, f, err := CreateMeters(7)
	check(t, err)
	defer func() { _ = f.Close() }()
	theirs, err := MapMeters(f)
	check(t, err)
	for _, slot := range []int{1, 2, MaxSlots} {
		theirs.Slot(slot).Add(Responses2xx, uint64(slot))
		theirs.Slot(slot).Observe(3 * time.Millisecond)
		theirs.Slot(slot).Observe(time.Minute)
	}
	sums := map[string]uint64{"of another release": 3, "responses.2xx": 10}
	for _, slot := range []int{1, 2, MaxSlots} {
		ours.Slot(slot).AddTo(sums)
	}
	for name, want := range map[string]uint64{
		"of another release": 3, "responses.2xx": 10 + 3 + MaxSlots, "duration.0.005": 3, "duration.more": 3,
		"duration.microseconds": 3 * uint64(time.Minute+3*time.Millisecond) / 1000,
	} {
		if sums[name] != want {
			t.Errorf("sum of %s: got %d, want %d", name, sums[name], want)
		}
	}
	if len(sums) != 5 {
		t.Errorf("sums: got %v, want nothing else", sums)
	}
	ours.Slot(2).Reset()
	if got := theirs.Slot(2).Load(Responses2xx); got != 0 {
		t.Errorf("after a reset: got %d", got)
	}
	check(t, theirs.Close())
	check(t, theirs.Close())
	check(t, ours.Close())
}

func TestMetersOfADistantReleaseAreRefused(t *testing.T) {
	t.Parallel()
	ours, f, err := CreateMeters(1)
	check(t, err)
	defer func() { _ = f.Close() }()
	for theirs, want := range map[uint32]bool{0: true, Version - 1: true, Version: true, Version + 1: true, Version + 2: false} {
		ours.version().Store(theirs)
		again, err := MapMeters(f)
		if (err == nil) != want {
			t.Errorf("meters of version %d: got %v, want them mapped: %v", theirs, err, want)
		}
		check(t, again.Close())
	}
	check(t, ours.Close())
	foreign, err := Seal("short", []byte("x"))
	check(t, err)
	defer func() { _ = foreign.Close() }()
	if _, err := MapMeters(foreign); err == nil {
		t.Error("map a memfd of another size: got no error")
	}
}

func TestEveryMeasureHasANameOfItsOwn(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for i := range measures {
		name := Measure(i).String()
		if name == "" || seen[name] {
			t.Errorf("measure %d is called %q", i, name)
		}
		seen[name] = true
	}
}

// A bound belongs to its bucket: "le" is less or equal.
func TestARequestIsCountedInTheFirstBucketThatHoldsIt(t *testing.T) {
	t.Parallel()
	m := new(Meter)
	for i, bound := range DurationBounds() {
		m.Observe(bound)
		if got := m.Load(Duration(i)); got != 1 {
			t.Errorf("bucket of %v: got %d, want 1", bound, got)
		}
	}
	m.Observe(DurationBounds()[13] + 1)
	if got := m.Load(Duration(14)); got != 1 {
		t.Errorf("bucket of what is longer: got %d, want 1", got)
	}
	for range 100 {
		m.Observe(math.MaxInt64)
	}
	if got := m.Load(DurationSum); got < 100*(math.MaxInt64/1000) {
		t.Errorf("all the time of many streams: got %d µs, which has gone round", got)
	}
	var none *Meter
	none.Observe(time.Second)
	none.Add(AccessLost, 1)
	none.AddTo(nil)
}

func BenchmarkAMeasuredRequest(b *testing.B) {
	m := new(Meter)
	began := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			at := time.Since(began)
			m.Observe(time.Since(began) - at)
			m.Add(Responses2xx, 1)
		}
	})
}

func FuzzMapMeters(f *testing.F) {
	f.Add([]byte{}, metersSize)
	f.Add([]byte{Version + 1, 0, 0, 0}, metersSize)
	f.Add([]byte{Version + 2, 0, 0, 0}, metersSize)
	f.Add([]byte{0, 0}, metersSize+1)
	f.Add(bytes.Repeat([]byte{0xff}, 2*meterSize), metersSize)
	f.Fuzz(func(t *testing.T, begin []byte, size int) {
		if size < len(begin) || size > 2*metersSize {
			return
		}
		file, err := Seal("fuzz", append(begin, make([]byte, size-len(begin))...))
		check(t, err)
		if size == metersSize {
			check(t, file.Close())
			var m *Meters
			m, file, err = CreateMeters(1)
			check(t, err)
			copy(m.memory, begin)
			check(t, m.Close())
		}
		defer func() { _ = file.Close() }()
		m, err := MapMeters(file)
		if err != nil {
			return
		}
		if v := m.version().Load(); size != metersSize || v != 0 && Judge("meters", int(v), "") != nil {
			t.Errorf("meters of %d bytes and version %d were mapped", size, v)
		}
		for _, slot := range []int{1, MaxSlots} {
			m.Slot(slot).AddTo(map[string]uint64{})
		}
		check(t, m.Close())
	})
}
