package pool_test

import (
	"slices"
	"testing"
	"time"

	"example.com/handover/supervisor/pool"
)

const silence = 30 * time.Second

// live boots workers that are killed for silence.
func live(t *testing.T, want int) *story {
	t.Helper()
	s := begin(t, want)
	s.pool = pool.New(pool.Limits{Boot: 30 * time.Second, Silence: silence, Drain: 35 * time.Second, Slots: 8}, want)
	s.serve()
	return s
}

// passes lets time pass, a second a look; alive says when a slot last showed life.
func (s *story) passes(d time.Duration, alive func(slot int) time.Time) []pool.Action {
	var done []pool.Action
	for end := s.now.Add(d); s.now.Before(end); {
		s.now = s.now.Add(time.Second)
		for _, w := range s.pool.Workers() {
			s.pool.Observe(s.now, w.Slot, alive(w.Slot))
		}
		done = append(done, s.pool.Tick(s.now)...)
	}
	return done
}

func (s *story) replace(slot int) {
	s.Helper()
	s.happens(slot, pool.Ready)
	s.happens(slot, pool.Passed)
}

func TestAThousandIdleMinutesRaiseNoAlarm(t *testing.T) {
	s := live(t, 4)
	beats := func(slot int) time.Time { return s.now.Add(-time.Duration(slot) * 240 * time.Millisecond) }
	s.expect("a thousand minutes", s.passes(1000*time.Minute, beats))
}

func TestAWorkerThatShowsNoLifeIsDumpedAndThenKilledAndReplacedAtOnce(t *testing.T) {
	s := live(t, 2)
	last := s.now.Add(10 * time.Second)
	beats := func(slot int) time.Time {
		if slot == 1 && s.now.After(last) {
			return last
		}
		return s.now
	}
	s.expect("silent for nearly too long", s.passes(10*time.Second+silence-time.Second, beats))
	if got, want := s.pool.Deadline(), last.Add(silence); !got.Equal(want) {
		t.Fatalf("deadline: got %v, want %v after the last sign", got, want)
	}
	s.expect("too long", s.passes(time.Second, beats), do(pool.Dump, 1))
	if got := s.pool.Deadline().Sub(s.now); got > time.Second {
		t.Errorf("killed %v after the dump was asked for, want less than a second", got)
	}
	s.now = s.pool.Deadline()
	s.expect("not gone", s.pool.Tick(s.now), do(pool.Kill, 1))
	if got := s.pool.Cause(1); got != pool.Silence {
		t.Errorf("cause: got %q, want %q", got, pool.Silence)
	}
	s.expect("gone", s.happens(1, pool.Exited), do(pool.Start, 1))
	if w := s.pool.Workers()[1]; w.State != pool.Serving {
		t.Errorf("the other worker: got %s, want serving throughout", w.State)
	}
}

func TestAWorkerThatWritesItsDumpInTimeIsNotKilled(t *testing.T) {
	s := live(t, 1)
	began := s.now
	s.expect("silent", s.passes(silence, func(int) time.Time { return began }), do(pool.Dump, 1))
	s.expect("gone by itself", s.happens(1, pool.Exited), do(pool.Start, 1))
	if w := s.pool.Workers()[0]; w.Restarts != 1 {
		t.Errorf("restarts: got %d, want 1", w.Restarts)
	}
}

func TestAMasterThatWasHeldUpRaisesNoAlarmForWhatItDidNotSee(t *testing.T) {
	s := live(t, 1)
	s.passes(5*time.Second, func(int) time.Time { return s.now })
	frozen := s.now
	s.now = s.now.Add(10 * time.Minute) // everything was stopped, and begins again with the master
	s.pool.Observe(s.now, 1, frozen)
	s.expect("first look", s.pool.Tick(s.now))
	s.expect("the worker goes on", s.passes(time.Minute, func(int) time.Time { return s.now }))
}

func TestAWorkerThatStaysSilentAfterAHeldUpMasterIsHungAFullTimeoutLater(t *testing.T) {
	s := live(t, 1)
	s.passes(5*time.Second, func(int) time.Time { return s.now })
	frozen := s.now
	s.now = s.now.Add(10 * time.Minute)
	s.pool.Observe(s.now, 1, frozen)
	s.expect("nearly a timeout", s.passes(silence-time.Second, func(int) time.Time { return frozen }))
	s.expect("a timeout", s.passes(time.Second, func(int) time.Time { return frozen }), do(pool.Dump, 1))
}

func TestWithoutATimeoutSilenceIsNoFault(t *testing.T) {
	s := begin(t, 1)
	s.serve()
	began := s.now
	s.expect("an hour", s.passes(time.Hour, func(int) time.Time { return began }))
}

func TestARespawnedWorkerThatCannotBootIsTriedEverMoreSeldomAndTheOthersServeOn(t *testing.T) {
	s := live(t, 2)
	s.passes(time.Minute, func(int) time.Time { return s.now })
	s.expect("lost", s.happens(1, pool.Exited), do(pool.Start, 1))
	var waits []time.Duration
	for range 9 {
		s.expect("boot failed", s.happens(1, pool.Exited))
		list := s.pool.Failing()
		if len(list) != 1 || list[0].Slot != 1 || list[0].Reason != "because" || list[0].Failures < 2 {
			t.Fatalf("failing: got %+v, want slot 1 because", list)
		}
		began := s.now
		var started []pool.Action
		for len(started) == 0 {
			s.now = s.now.Add(10 * time.Millisecond)
			s.pool.Observe(s.now, 2, s.now)
			started = s.pool.Tick(s.now)
		}
		s.expect("tried again", started, do(pool.Start, 1))
		waits = append(waits, s.now.Sub(began))
	}
	want := []time.Duration{100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000}
	for i := range want {
		want[i] *= time.Millisecond
	}
	if !slices.Equal(waits, want) {
		t.Errorf("waits: got %v, want %v", waits, want)
	}
	if w := s.pool.Workers()[1]; w.Slot != 2 || w.State != pool.Serving {
		t.Errorf("the other worker: got %+v, want slot 2 serving throughout", w)
	}
	s.replace(1)
	if list := s.pool.Failing(); len(list) != 0 {
		t.Errorf("failing after a good boot: got %+v, want none", list)
	}
}

func TestAUsedWorkerServesOnUntilAnotherHasTakenItsPlace(t *testing.T) {
	s := live(t, 2)
	if !s.pool.Wear(1) || s.pool.Wear(1) {
		t.Error("a worker is marked once")
	}
	s.expect("its turn", s.pool.Recycle(s.now), do(pool.Start, 3))
	if got := s.pool.Serving(); got != 2 {
		t.Errorf("serving meanwhile: got %d, want 2", got)
	}
	s.expect("the replacement is ready", s.happens(3, pool.Ready), do(pool.Prove, 3))
	s.expect("and proved", s.happens(3, pool.Passed), do(pool.Go, 3), do(pool.Retire, 1))
	if got := s.pool.Cause(1); got != pool.Recycled {
		t.Errorf("cause: got %q, want %q", got, pool.Recycled)
	}
	s.expect("gone", s.happens(1, pool.Exited))
	if got := s.pool.Serving(); got != 2 {
		t.Errorf("serving afterwards: got %d, want 2", got)
	}
}

func TestUsedWorkersAreRecycledOneAtATime(t *testing.T) {
	s := live(t, 3)
	for slot := 1; slot <= 3; slot++ {
		s.pool.Wear(slot)
	}
	s.expect("the first", s.pool.Recycle(s.now), do(pool.Start, 4))
	s.expect("no second beside it", s.pool.Recycle(s.now))
	s.replace(4)
	s.expect("the second while the first drains", s.pool.Recycle(s.now), do(pool.Start, 5))
}

func TestAUsedWorkerWhoseReplacementDoesNotBootServesOn(t *testing.T) {
	s := live(t, 1)
	s.pool.Wear(1)
	s.expect("its turn", s.pool.Recycle(s.now), do(pool.Start, 2))
	for range 5 {
		s.happens(2, pool.Exited)
		s.now = s.pool.Deadline()
		s.pool.Observe(s.now, 1, s.now)
		s.expect("tried again", s.pool.Tick(s.now), do(pool.Start, 2))
	}
	if w := s.pool.Workers()[0]; w.Slot != 1 || w.State != pool.Spent {
		t.Errorf("the used one: got %+v, want slot 1 spent", w)
	}
}

func TestAUsedWorkerWithoutASlotForAnotherRetiresAtOnce(t *testing.T) {
	s := live(t, 8)
	s.pool.Wear(3)
	s.expect("its turn", s.pool.Recycle(s.now), do(pool.Retire, 3))
	s.expect("gone", s.happens(3, pool.Exited), do(pool.Start, 3))
}

func TestNoWorkerIsStartedBeyondTheLastSlot(t *testing.T) {
	s := live(t, 8)
	s.expect("down", s.pool.Scale(s.now, 7), do(pool.Retire, 8))
	s.expect("up while the last one drains", s.pool.Scale(s.now, 8))
	s.expect("when it is gone", s.happens(8, pool.Exited), do(pool.Start, 8))
}

func TestScalingDownEndsAUsedWorkerFirst(t *testing.T) {
	s := live(t, 2)
	s.pool.Wear(2)
	s.pool.Recycle(s.now) // starts slot 3
	s.expect("down", s.pool.Scale(s.now, 1), do(pool.Kill, 3), do(pool.Retire, 2))
}

func TestAWorkerThatLeavesByItselfIsReplacedBeforeItHasEnded(t *testing.T) {
	s := live(t, 1)
	s.expect("left", s.happens(1, pool.Left), do(pool.Start, 2))
	s.replace(2)
	if got := s.pool.Cause(1); got != pool.Lost {
		t.Errorf("cause: got %q, want %q", got, pool.Lost)
	}
	s.expect("gone", s.happens(1, pool.Exited))
	if got := s.pool.Serving(); got != 1 {
		t.Errorf("serving: got %d, want 1", got)
	}
}

func TestTheCauseOfAnEndIsToldApart(t *testing.T) {
	s := live(t, 2)
	if got := s.pool.Cause(1); got != pool.Lost {
		t.Errorf("a serving worker: got %q, want %q", got, pool.Lost)
	}
	s.pool.Scale(s.now, 3)
	if got := s.pool.Cause(3); got != pool.Unborn {
		t.Errorf("a starting worker: got %q, want %q", got, pool.Unborn)
	}
	s.pool.Scale(s.now, 1)
	s.happens(2, pool.Left) // as it says whoever told it to
	if got := s.pool.Cause(2); got != pool.Asked {
		t.Errorf("a retired worker: got %q, want %q", got, pool.Asked)
	}
}

func TestAPauseThatOutlastsAShortTimeoutRaisesNoAlarm(t *testing.T) {
	s := begin(t, 2)
	s.pool = pool.New(pool.Limits{Boot: 30 * time.Second, Silence: 2 * time.Second, Drain: 35 * time.Second, Slots: 8}, 2)
	s.serve()
	beat := s.now
	s.passes(10*time.Second, func(int) time.Time { beat = s.now.Add(-900 * time.Millisecond); return beat })
	for _, pause := range []time.Duration{1600, 2000, 2500, 2900, 3100, 60_000} {
		s.now = s.now.Add(pause * time.Millisecond)
		s.pool.Observe(s.now, 1, beat)
		s.pool.Observe(s.now, 2, beat)
		s.expect("after a pause of "+pause.String(), s.pool.Tick(s.now))
		s.passes(5*time.Second, func(int) time.Time { beat = s.now.Add(-900 * time.Millisecond); return beat })
	}
}

func TestABootIsForgivenWhatNobodySaw(t *testing.T) {
	s := begin(t, 1)
	s.pool.Fill(s.now)
	s.pool.Tick(s.now)
	s.now = s.now.Add(time.Minute) // everything was stopped
	s.expect("first look", s.pool.Tick(s.now))
	if got, want := s.pool.Deadline(), s.now.Add(30*time.Second); !got.Equal(want) {
		t.Errorf("deadline: got %v, want %v", got, want)
	}
}

func TestNoMoreRecycledWorkersDrainThanAreWanted(t *testing.T) {
	s := live(t, 2)
	started := 2
	for range 20 {
		for _, w := range s.pool.Workers() {
			s.pool.Wear(w.Slot)
		}
		for _, a := range s.pool.Recycle(s.now) {
			if a.Order == pool.Start {
				started++
				s.replace(a.Slot)
			}
		}
	}
	if got := len(s.pool.Workers()); got != 4 || started != 4 {
		t.Errorf("got %d workers of %d started, want 2 that serve and 2 that drain", got, started)
	}
	s.happens(1, pool.Exited)
	s.expect("when one has gone", s.pool.Recycle(s.now), do(pool.Start, 1))
}

func TestAProcessThatOutlivesSIGKILLHoldsNoPlace(t *testing.T) {
	s := live(t, 1)
	began := s.now
	s.expect("silent", s.passes(silence, func(int) time.Time { return began }), do(pool.Dump, 1))
	s.now = s.pool.Deadline()
	s.expect("killed", s.pool.Tick(s.now), do(pool.Kill, 1))
	s.now = s.pool.Deadline()
	s.expect("and still there", s.pool.Tick(s.now), do(pool.Kill, 1), do(pool.Start, 2))
	s.replace(2)
	s.expect("gone at last", s.happens(1, pool.Exited))
	if got := s.pool.Serving(); got != 1 {
		t.Errorf("serving: got %d, want 1", got)
	}
}
