package cert

import (
	"crypto/elliptic"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"time"

	"example.com/handover/supervisor/config"
	"golang.org/x/sys/unix"
)

// folderOf fills a new folder with so many pairs, "p00000" and on.
func folderOf(t testing.TB, a *authority, n int) string {
	t.Helper()
	dir := t.TempDir()
	each(n, func(i int) { a.put(t, dir, fmt.Sprintf("p%05d", i)) })
	return dir
}

// put writes a fresh pair for NAME.example.org into a folder.
func (a *authority) put(t testing.TB, dir, name string) {
	key := ecdsaKey(t, elliptic.P256())
	leaf := a.leaf(key, forNames(name+".example.org", "www."+name+".example.org"))
	write(t, filepath.Join(dir, name+".crt"), join(certPEM(leaf), certPEM(a.intermediate)))
	write(t, filepath.Join(dir, name+".key"), keyPEM(t, key))
}

// heap is the largest heap in bytes that was seen while f ran.
func heap(f func()) uint64 {
	runtime.GC()
	var most atomic.Uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			now := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}} // runtime.ReadMemStats would stop the world
			metrics.Read(now)
			most.Store(max(most.Load(), now[0].Value.Uint64()))
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	f()
	close(stop)
	<-stopped
	return most.Load()
}

func benchmark(b *testing.B, n int, known bool) {
	a := newAuthority(b)
	dir := filepath.Join(b.TempDir(), "live") // as a tool that swaps folders has it
	if err := os.Symlink(folderOf(b, a, n), dir); err != nil {
		b.Fatal(err)
	}
	r := Request{Sources: []config.Certificate{{Dir: dir}}}
	first, _, err := Take(b.Context(), r)
	if err != nil {
		b.Fatal(err)
	}
	defer first.Close()
	r.Served = first.Published()
	if known {
		r.Known = first
	}
	b.ReportAllocs()
	take := func() {
		bundle, _, err := Take(b.Context(), r)
		if err != nil {
			b.Fatal(err)
		}
		bundle.Close()
	}
	peak, before := heap(take), computed(b)
	for b.Loop() {
		take()
	}
	b.ReportMetric(float64((computed(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
	b.ReportMetric(float64(peak)/(1<<20), "MiB-heap")
}

// computed is how long this process has computed: on a machine that others use
// it says more than a clock.
func computed(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkTake1Same(b *testing.B)    { benchmark(b, 1, true) }
func BenchmarkTake1New(b *testing.B)     { benchmark(b, 1, false) }
func BenchmarkTake100Same(b *testing.B)  { benchmark(b, 100, true) }
func BenchmarkTake100New(b *testing.B)   { benchmark(b, 100, false) }
func BenchmarkTake1000Same(b *testing.B) { benchmark(b, 1000, true) }
func BenchmarkTake1000New(b *testing.B)  { benchmark(b, 1000, false) }
func BenchmarkTake5000Same(b *testing.B) { benchmark(b, 5000, true) }
func BenchmarkTake5000New(b *testing.B)  { benchmark(b, 5000, false) }
