package harness

import (
	"fmt"
	"testing"
	"time"
)

// Until waits for a condition and fails the test, saying what never came, when
// it does not hold in time. The condition is asked every five milliseconds; it
// returns nil when it holds, else what it saw instead.
func Until(t testing.TB, what string, limit time.Duration, cond func() error) {
	t.Helper()
	if err := Await(limit, cond); err != nil {
		t.Fatalf("%s: not within %v: %v", what, limit, err)
	}
}

// Await is Until for those who bear a failure.
func Await(limit time.Duration, cond func() error) error {
	end := time.NewTimer(limit)
	defer end.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := cond()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-end.C:
			return err
		}
	}
}

// Unless turns a boolean into the error that Until wants.
func Unless(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// Every calls f count times, the given time apart, the first at once. It is the
// rhythm of a stimulus, not a wait for an effect.
func Every(apart time.Duration, count int, f func(n int)) {
	tick := time.NewTicker(apart)
	defer tick.Stop()
	for n := range count {
		if n > 0 {
			<-tick.C
		}
		f(n)
	}
}

// After waits as long as a scenario says that time passes: between a HUP and
// the TERM that is to hit it, for instance.
func After(d time.Duration) { <-time.After(d) }
