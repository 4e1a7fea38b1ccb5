package integration

import (
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// The benchmarks print ratios and sizes; nothing asserts them, since a figure
// of a busy machine is no fact about the program. Run them without -race.

// BenchmarkHUPToFirstNewCertificate sets the time from a HUP to the first
// handshake with the new certificate, two workers, against the fork and exec
// of a minimal TLS server to its first handshake, measured in turn. Wanted: a
// ratio of 6 or less.
func BenchmarkHUPToFirstNewCertificate(b *testing.B) {
	quiet(b)
	i := harness.Start(b, harness.Config{})
	certs := harness.NewCerts(b, filepath.Join(harness.Folder(b), "certs"))
	certs.Renew()
	var handover, bare []time.Duration
	for b.Loop() {
		bare = append(bare, minimal(b, certs))
		pair := i.Certs.Renew()
		begun := time.Now()
		i.Signal(syscall.SIGHUP)
		asked(b, begun, 2*time.Millisecond, func() bool {
			got, err := i.Served()
			if err != nil {
				b.Fatal(err)
			}
			return got == pair.Fingerprint
		})
		handover = append(handover, time.Since(begun))
		i.Until(b, "settled", within, harness.Settled)
	}
	b.ReportMetric(milliseconds(median(handover)), "hup-ms")
	b.ReportMetric(milliseconds(median(bare)), "forkexec-ms")
	b.ReportMetric(float64(median(handover))/float64(median(bare)), "ratio")
}

// BenchmarkWatch sets the time from a rename over a pair's folder link to the
// first handshake with the new certificate, with [tls] reload = "watch". Wanted:
// 20 ms or less.
func BenchmarkWatch(b *testing.B) {
	quiet(b)
	i := harness.Start(b, harness.Config{Tables: watching})
	var watched []time.Duration
	for b.Loop() {
		folder := i.Certs.Folder()
		pair := i.Certs.Issue(harness.Leaf{})
		i.Certs.Fill(folder, pair)
		begun := time.Now()
		i.Certs.Switch(folder)
		asked(b, begun, time.Millisecond, func() bool {
			got, err := i.Served()
			if err != nil {
				b.Fatal(err)
			}
			return got == pair.Fingerprint
		})
		watched = append(watched, time.Since(begun))
	}
	b.ReportMetric(milliseconds(median(watched)), "rename-ms")
	b.ReportMetric(milliseconds(slowest(watched)), "slowest-ms")
}

// minimal starts the yardstick and returns how long its first handshake took.
func minimal(b *testing.B, certs *harness.Certs) time.Duration {
	b.Helper()
	address := harness.FreeAddress(b)
	cmd := exec.Command(harness.Program(b, "minimal"), address, certs.CertFile(), certs.KeyFile())
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	trust := certs.Trust("http/1.1")
	asked(b, begun, 100*time.Microsecond, func() bool {
		c, err := harness.Dial("tcp", address, trust)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return time.Since(begun)
}

// asked asks again and again until the answer is yes: often where a no is a
// refused connection, which costs nothing, and 500 times a second where it is a
// whole handshake, which takes from two cores what is being measured.
func asked(b *testing.B, begun time.Time, pause time.Duration, yes func() bool) {
	b.Helper()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for !yes() {
		if time.Since(begun) > within {
			b.Fatalf("no answer within %v", within)
		}
		<-tick.C
	}
}

// BenchmarkMixedWindow reports how long old and new certificates are both met
// at a handover under load: the last dial that met the old one minus the first
// that met the new one. Wanted: 2 ms or less.
func BenchmarkMixedWindow(b *testing.B) {
	quiet(b)
	i := harness.Start(b, harness.Config{})
	var windows []time.Duration
	for b.Loop() {
		load := i.Load(b, harness.Load{New: 2})
		pair := i.Certs.Renew()
		asked := time.Now()
		i.Signal(syscall.SIGHUP)
		i.Until(b, "handover", within, harness.Ended("done", asked))
		var lastOld, firstNew time.Time
		for _, s := range load.Stop().Sightings {
			switch fresh := s.Fingerprint == pair.Fingerprint; {
			case fresh && (firstNew.IsZero() || s.Dialled.Before(firstNew)):
				firstNew = s.Dialled
			case !fresh && s.Dialled.After(lastOld):
				lastOld = s.Dialled
			}
		}
		if !firstNew.IsZero() {
			windows = append(windows, max(0, lastOld.Sub(firstNew)))
		}
		i.Until(b, "settled", within, harness.Settled)
	}
	b.ReportMetric(milliseconds(median(windows)), "median-ms")
	b.ReportMetric(milliseconds(slowest(windows)), "max-ms")
}

// BenchmarkIdleMemory reports what an instance of the welcome page with two
// workers costs, one handover and one request after its start, when it has had
// nothing to do for a while. Wanted: 14 MB altogether, 3 MB private to the anchor.
func BenchmarkIdleMemory(b *testing.B) {
	quiet(b)
	i := harness.Start(b, harness.Config{Command: []string{}})
	i.Signal(syscall.SIGHUP)
	i.Until(b, "handover", within, func(s harness.Status) error {
		return harness.Unless(s.Generation == 2 && harness.Settled(s) == nil, "%+v", s)
	})
	if _, err := i.Get("/"); err != nil {
		b.Fatal(err)
	}
	var all, anchor int64
	for b.Loop() {
		all, anchor = idle(b, i)
	}
	b.ReportMetric(float64(all)/1e6, "pss-MB")
	b.ReportMetric(float64(anchor)/1e6, "anchor-private-MB")
}

// idle waits until the size has stayed the same for three seconds: a process
// gives back what its start took only once it is over.
func idle(b *testing.B, i *harness.Instance) (all, anchor int64) {
	b.Helper()
	last, since := int64(-1), time.Now()
	harness.Until(b, "a steady size", time.Minute, func() error {
		all, anchor = 0, 0
		for _, p := range i.Processes() {
			m, err := harness.MemoryOf(p.Pid)
			if err != nil {
				return err
			}
			all += m.PSS
			if p.Pid == i.Pid {
				anchor = m.Private
			}
		}
		if all != last {
			last, since = all, time.Now()
		}
		return harness.Unless(time.Since(since) > 3*time.Second, "%d bytes", all)
	})
	return all, anchor
}

// quiet keeps meaningless figures from being printed.
func quiet(b *testing.B) {
	b.Helper()
	if harness.Race {
		b.Skip("figures of a race-built program mean nothing")
	}
}

func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)/2]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func slowest(d []time.Duration) time.Duration {
	var most time.Duration
	for _, one := range d {
		most = max(most, one)
	}
	return most
}
