package integration

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// BenchmarkReloadManyPairs sets the reload of many pairs against nginx's in the
// same run: two workers each, the same files, from the HUP to the first
// handshake with the new certificate of the last name, the median of three.
// One pair has changed, or all. Memory is the sum over all processes, idle
// and at its peak in a further reload. Wanted for 5000: a ratio of 0.1 or less
// and a peak of 90 MB or less.
func BenchmarkReloadManyPairs(b *testing.B) {
	quiet(b)
	for _, count := range []int{1, 100, 1000, 5000} {
		b.Run(fmt.Sprintf("pairs=%d", count), func(b *testing.B) {
			s := layOut(b, count)
			ours, theirs := s.handover(), s.nginx()
			var one, all, other []time.Duration
			var peak, otherPeak int64
			idle, otherIdle := steady(b, ours), steady(b, theirs)
			for b.Loop() {
				for range 3 {
					one = append(one, s.reload(ours, s.changeOne))
					other = append(other, s.reload(theirs, s.changeOne))
					all = append(all, s.reload(ours, s.changeAll))
				}
				peak = max(peak, s.peak(ours))
				otherPeak = max(otherPeak, s.peak(theirs))
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(milliseconds(median(one)), "one-ms")
			b.ReportMetric(milliseconds(median(all)), "all-ms")
			b.ReportMetric(milliseconds(median(other)), "nginx-ms")
			b.ReportMetric(float64(median(one))/float64(median(other)), "ratio")
			b.ReportMetric(float64(median(all))/float64(median(other)), "all-ratio")
			b.ReportMetric(float64(idle)/1e6, "idle-MB")
			b.ReportMetric(float64(peak)/1e6, "peak-MB")
			b.ReportMetric(float64(otherIdle)/1e6, "nginx-idle-MB")
			b.ReportMetric(float64(otherPeak)/1e6, "nginx-peak-MB")
		})
	}
}

// sites is many pairs on disk, in two folders of which one is live. It belongs
// to the benchmark's goroutine.
type sites struct {
	b       *testing.B
	count   int
	i       *harness.Instance
	folders [2]string
	last    [2]string // the last name's fingerprint in each
	live    int
}

// subject is a server that is measured.
type subject struct {
	address   string
	pid       int
	processes func() []harness.Process
	settled   func()
}

func layOut(b *testing.B, count int) *sites {
	b.Helper()
	s := &sites{b: b, count: count, i: harness.Prepare(b, harness.Config{Command: []string{}})}
	for n := range s.folders {
		s.folders[n] = s.i.Certs.Folder()
		fingerprints := s.i.Certs.Many(s.folders[n], count)
		s.last[n] = fingerprints[count-1]
	}
	s.i.Certs.Switch(s.folders[0])
	return s
}

// folder is where the servers look.
func (s *sites) folder() string { return filepath.Dir(s.i.Certs.CertFile()) }

// changeOne renews the last pair.
func (s *sites) changeOne() {
	s.last[s.live] = s.i.Certs.Put(s.folders[s.live], harness.Site(s.count-1))
}

// changeAll makes the other folder live, whose pairs are all others.
func (s *sites) changeAll() {
	s.live = 1 - s.live
	s.changeOne() // it may have been served before
	s.i.Certs.Switch(s.folders[s.live])
}

// handover starts the program under test on all pairs.
func (s *sites) handover() subject {
	s.b.Helper()
	var config strings.Builder
	fmt.Fprintf(&config, "workers = 2\npidfile = %q\nkeepalive_grace = \"1s\"\nboot_timeout = \"2m\"\n", s.i.PidFile())
	fmt.Fprintf(&config, "[[listen]]\naddress = %q\n[control]\nsocket = %q\n", s.i.Addr, s.i.ControlSocket())
	fmt.Fprintf(&config, "[[certificate]]\ndir = %q\n", s.folder())
	s.i.WriteConfig(config.String())
	s.i.Launch()
	settled := func() { s.i.Until(s.b, "settled", 2*time.Minute, harness.Settled) }
	settled()
	return subject{s.i.Addr, s.i.Pid, s.i.Processes, settled}
}

// nginx starts what is compared with.
func (s *sites) nginx() subject {
	s.b.Helper()
	n := harness.StartNginx(s.b, s.folder(), s.count, 2)
	return subject{n.Addr, n.Pid, n.Processes, func() { n.Until(s.b, "settled", time.Minute, n.Settled) }}
}

// reload changes pairs and returns how long a HUP takes to the first handshake
// with the last one.
func (s *sites) reload(of subject, change func()) time.Duration {
	s.b.Helper()
	change()
	trust := s.i.Certs.Trust("http/1.1")
	trust.ServerName = harness.Site(s.count - 1)
	begun := time.Now()
	if err := syscall.Kill(of.pid, syscall.SIGHUP); err != nil {
		s.b.Fatal(err)
	}
	harness.Until(s.b, "the new certificate", 3*time.Minute, func() error {
		c, err := harness.Dial("tcp", of.address, trust)
		if err != nil {
			s.b.Fatal(err)
		}
		c.Close()
		return harness.Unless(c.Fingerprint == s.last[s.live], "served %.12s…", c.Fingerprint)
	})
	took := time.Since(begun)
	of.settled()
	return took
}

// peak is the most memory that a reload of one pair takes until it has settled.
// It is not timed: to look that often slows it down.
func (s *sites) peak(of subject) int64 {
	s.b.Helper()
	most := harness.Peak(of.processes)
	s.reload(of, s.changeOne)
	return most()
}

// steady is the memory of an idle server: when it has not changed by more than
// a hundredth for a second.
func steady(b *testing.B, of subject) int64 {
	b.Helper()
	of.settled()
	last, since := int64(0), time.Now()
	harness.Until(b, "a steady size", time.Minute, func() error {
		if now := harness.PSS(of.processes()); now > last+last/100 || now < last-last/100 {
			last, since = now, time.Now()
		}
		return harness.Unless(time.Since(since) > time.Second, "%d bytes", last)
	})
	return last
}
