package integration

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// The times of a replayed rolling update: how often readiness is asked for, how
// late a balancer hears of a change, how unevenly a renewed secret comes to the
// instances, and how long one that stops still serves. Between the second and the
// last lies what a busy machine may add.
const (
	readyEvery    = 20 * time.Millisecond
	balancerLag   = 300 * time.Millisecond
	secretJitter  = 150 * time.Millisecond
	shutdownDelay = 4 * time.Second
)

// replica is one of several instances of a service.
type replica struct {
	*harness.Instance
	admin string
}

// balancer sends clients to the replicas that were ready a while ago.
type balancer struct {
	mu       sync.Mutex
	replicas []*replica
	ready    []string // addresses, as clients know them
	pending  []hearsay
	deaf     bool // hears of nothing any more
}

// hearsay is a list of addresses that counts from a moment on.
type hearsay struct {
	from      time.Time
	addresses []string
}

// poll asks every replica whether it is ready, and lets clients know later.
func (b *balancer) poll(now time.Time) {
	b.mu.Lock()
	replicas := slices.Clone(b.replicas)
	b.mu.Unlock()
	var ready []string
	for _, r := range replicas {
		if status, _, err := probe("tcp", r.admin, "/readyz"); err == nil && status == 200 {
			ready = append(ready, r.Addr)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.deaf {
		return
	}
	b.pending = append(b.pending, hearsay{now.Add(balancerLag), ready})
	for len(b.pending) > 0 && !b.pending[0].from.After(now) {
		b.ready, b.pending = b.pending[0].addresses, b.pending[1:]
	}
}

func (b *balancer) add(r *replica) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.replicas = append(b.replicas, r)
}

// list returns the addresses that clients are sent to.
func (b *balancer) list() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.ready)
}

// public is the clients of the service that never try again: those that connect for
// each request, and those that keep their connection until they are told.
type public struct {
	trust            *tls.Config
	balancer         *balancer
	requests, asking atomic.Int64 // answered; full handshakes of clients that had a ticket
	mu               sync.Mutex
	losses           []error
}

func (c *public) lost(address string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.losses = append(c.losses, fmt.Errorf("at %s: %w", address, err))
}

// go on with requests until ctx ends, n of them on each connection.
func (c *public) client(ctx context.Context, n int) {
	trust := c.trust.Clone()
	trust.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for first := true; ctx.Err() == nil; {
		addresses := c.balancer.list()
		if len(addresses) == 0 {
			c.lost("nowhere", fmt.Errorf("no replica is ready"))
			return
		}
		address := addresses[rand.N(len(addresses))]
		conn, err := harness.Dial("tcp", address, trust)
		if err != nil {
			c.lost(address, err)
			harness.After(10 * time.Millisecond) // a refusal must not become a busy loop
			continue
		}
		if !conn.Resumed && !first {
			c.asking.Add(1)
		}
		first = false
		for i := 0; i < n && ctx.Err() == nil; i++ {
			a, err := conn.Do("GET", "/health", nil)
			if err == nil && a.Status != 200 {
				err = fmt.Errorf("status %d", a.Status)
			}
			if err != nil {
				c.lost(address, err)
				break
			}
			c.requests.Add(1)
			if a.Close {
				break
			}
			harness.After(rand.N(10 * time.Millisecond))
		}
		conn.Close()
	}
}

// deployed is a service of several replicas with clients at work.
type deployed struct {
	*public
	keys  *mount
	certs *harness.Certs // of the first replica, whose authority clients trust
	pair  harness.Pair
	delay time.Duration
	stop  func()

	living, leaving []*replica
}

// rollOut starts replicas behind a balancer, and clients.
func rollOut(t *testing.T, n int, delay time.Duration) *deployed {
	t.Helper()
	d := &deployed{public: &public{balancer: &balancer{}}, keys: newMount(t, newSecret()), delay: delay}
	ctx, cancel := context.WithCancel(context.Background())
	var goroutines sync.WaitGroup
	d.stop = func() { cancel(); goroutines.Wait() }
	t.Cleanup(d.stop)
	for range n {
		d.surge(t)
	}
	d.trust = d.certs.Trust("http/1.1")
	goroutines.Go(func() {
		tick := time.NewTicker(readyEvery)
		defer tick.Stop()
		for ctx.Err() == nil {
			d.balancer.poll(<-tick.C)
		}
	})
	for _, r := range d.living {
		d.known(t, r, true)
	}
	for range 3 {
		goroutines.Go(func() { d.client(ctx, 1) })
		goroutines.Go(func() { d.client(ctx, 1<<30) })
	}
	d.more(t, 50)
	return d
}

// surge starts one replica more.
func (d *deployed) surge(t *testing.T) *replica {
	t.Helper()
	r := &replica{admin: harness.FreeAddress(t)}
	r.Instance = harness.Prepare(t, harness.Config{
		Workers: 1, Keys: delayed(d.delay.String()),
		Tables: fmt.Sprintf("[tls]\nreload = \"watch\"\nticket_keys = %q\n%s", d.keys.path(), watched(r.admin)),
	})
	if d.certs == nil {
		d.certs, d.pair = r.Certs, r.First
	}
	r.Certs.Install(d.pair)
	r.Launch()
	r.WaitServing()
	d.living = append(d.living, r)
	d.balancer.add(r)
	return r
}

// known waits until clients are sent to a replica, or not any more.
func (d *deployed) known(t *testing.T, r *replica, want bool) {
	t.Helper()
	harness.Until(t, fmt.Sprintf("clients are sent to %s: %v", r.Addr, want), within, func() error {
		list := d.balancer.list()
		return harness.Unless(slices.Contains(list, r.Addr) == want, "they are sent to %q", list)
	})
}

// more waits for so many answers.
func (d *deployed) more(t *testing.T, n int64) {
	t.Helper()
	from := d.requests.Load()
	harness.Until(t, "more answers", within, func() error {
		got := d.requests.Load() - from
		return harness.Unless(got >= n, "%d, want %d", got, n)
	})
}

// retire tells the oldest replica to stop, as the kubelet does. Nobody waits for
// the end of it, and so the next one is replaced meanwhile.
func (d *deployed) retire(t *testing.T) {
	t.Helper()
	r := d.living[0]
	d.living, d.leaving = d.living[1:], append(d.leaving, r)
	r.Signal(syscall.SIGTERM)
}

// gone waits until nothing is left of those that were told to stop.
func (d *deployed) gone(t *testing.T) {
	t.Helper()
	for _, r := range d.leaving {
		if code := r.WaitExit(within); code != 0 {
			t.Errorf("replica %s: exit %d, want 0", r.Addr, code)
		}
		d.known(t, r, false)
	}
}

// renew has a renewed certificate come to each replica in its own time.
func (d *deployed) renew(t *testing.T) {
	t.Helper()
	d.pair = d.certs.Issue(harness.Leaf{})
	for _, r := range d.living {
		harness.After(rand.N(secretJitter))
		r.Certs.Install(d.pair)
	}
	for _, r := range d.living {
		harness.Until(t, "the renewed certificate", within, func() error {
			c, err := harness.Dial("tcp", r.Addr, d.trust)
			if err != nil {
				return err
			}
			defer c.Close()
			return harness.Unless(c.Fingerprint == d.pair.Fingerprint, "%s serves another", r.Addr)
		})
	}
}

func TestARollingUpdateOfThreeInstancesBehindALateBalancerLosesNothing(t *testing.T) {
	t.Parallel()
	d := rollOut(t, 3, shutdownDelay)
	for n := range 3 {
		d.known(t, d.surge(t), true)
		if n == 1 {
			d.renew(t)
		}
		d.retire(t)
	}
	d.gone(t)
	d.more(t, 50)
	d.stop()
	for n, err := range d.losses {
		if n < 5 {
			t.Error(err)
		}
	}
	t.Logf("%d of %d requests lost, %d sessions not resumed", len(d.losses), d.requests.Load(), d.asking.Load())
	if len(d.losses) > 0 || d.asking.Load() > 0 {
		t.Errorf("%d requests lost, %d sessions not resumed; want none", len(d.losses), d.asking.Load())
	}
}

// What the test above shows is not shown by clients that would not notice.
func TestWithoutAShutdownDelayALateBalancerSendsClientsToWhereNobodyListens(t *testing.T) {
	t.Parallel()
	d := rollOut(t, 2, 0)
	d.balancer.mu.Lock()
	d.balancer.deaf = true // for as long as it takes a client to be sent there
	d.balancer.mu.Unlock()
	d.retire(t)
	harness.Until(t, "a lost request", within, func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		return harness.Unless(len(d.losses) > 0, "0 of %d lost", d.requests.Load())
	})
}
