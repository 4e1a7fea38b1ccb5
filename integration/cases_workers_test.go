package integration

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// Not parallel: the amount is the test.
func TestAThousandSignalsInAHundredMegabytesChangeNoByte(t *testing.T) {
	heavy(t)
	const piece = 10 << 20
	pieces := 10
	if harness.Race {
		pieces = 3 // the detector multiplies what copying costs
	}
	i := one(t, harness.Config{})
	before := manned(t, i, 1)
	c, err := i.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var hail sync.WaitGroup
	done := make(chan struct{})
	sent := 0
	hail.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for over := false; !over || sent < 1000; sent++ {
			_ = syscall.Kill(before.Workers[0].Pid, harmless[sent%len(harmless)])
			select {
			case <-tick.C:
			case <-done:
				over = true
			}
		}
	})
	body := make([]byte, piece)
	for n := range pieces { // up, and down again
		for k := 0; k < len(body); k += 512 {
			body[k] = byte(rand.Uint32())
		}
		if a, err := c.Do("POST", "/", body); err != nil || !bytes.Equal(a.Body, body) {
			t.Errorf("piece %d: %d bytes came back, %v; want the same %d", n, len(a.Body), err, len(body))
		}
	}
	close(done)
	hail.Wait()
	t.Logf("%d signals", sent)
	same(t, before, manned(t, i, 1))
	calm(t, i)
}
