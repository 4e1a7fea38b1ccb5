package master

import (
	"runtime"
	"testing"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/status"
	"example.com/handover/supervisor/watch"
)

func TestTheDiskThatIsReadForAViewerIsTriedNoMoreOftenThanWithoutOne(t *testing.T) {
	t.Parallel()
	now := time.Now()
	o := &oversight{watcher: &watch.Watcher{}, drift: map[string]drifted{"a": {Difference: cert.Difference{State: cert.DiskChanged}}}}
	tried := 0
	for at := time.Duration(0); at <= 3*lookEvery; at += lookSoon {
		o.looked = now.Add(at)
		if o.missed() {
			tried++
		}
	}
	if tried != 4 {
		t.Errorf("tried %d times in three minutes of looks every %v, want 4: once a minute", tried, lookSoon)
	}
	o.looked, o.drift = o.looked.Add(lookEvery), nil
	if o.missed() {
		t.Error("tried although the disk holds what is served")
	}
}

func TestARefusalThatDiffersOnlyInHowLongAgoIsTheSame(t *testing.T) {
	t.Parallel()
	refused := func(text string) status.Reload {
		return status.Reload{AskedBy: byWatch, Outcome: status.OutcomeRefused, Error: text}
	}
	before := `certificate "a": "/a.pem" is not valid before 2026-11-29T23:02:53Z, 24h0m0s from now (time.not_yet)`
	m := &master{ended: []*ended{{reload: &reload{Record: refused(before)}}}}
	for text, want := range map[string]bool{
		before: true,
		`certificate "a": "/a.pem" is not valid before 2026-11-29T23:02:53Z, 23h59m54s from now (time.not_yet)`: true,
		`certificate "a": "/a.pem" is not valid before 2026-11-29T23:02:53Z, 3s from now (time.not_yet)`:        true,
		`certificate "a": "/a.pem" is not valid before 2026-11-30T23:02:53Z, 24h0m0s from now (time.not_yet)`:   false,
		`certificate "a": "/b.pem" is not valid before 2026-11-29T23:02:53Z, 24h0m0s from now (time.not_yet)`:   false,
	} {
		if got := m.idle(refused(text)); got != want {
			t.Errorf("%s: the same as before: got %v, want %v", text, got, want)
		}
	}
}

// Not parallel: it counts what the whole process allocates. The loop does nothing
// else meanwhile, and with a cost for each that grows with all of them thousands
// took it longer than the anchor waits for a master.
func TestThatManyCertificatesExpireAtOnceCostsForEachWhatOneCosts(t *testing.T) {
	perCertificate := func(n int) uint64 {
		m := benchMaster(t, n, time.Now().AddDate(0, 0, 7))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m.sayExpiry(time.Now())
		runtime.ReadMemStats(&after)
		if len(m.past.Told) != n {
			t.Errorf("told of %d certificates, want %d", len(m.past.Told), n)
		}
		return (after.TotalAlloc - before.TotalAlloc) / uint64(n)
	}
	if few, many := perCertificate(100), perCertificate(2000); many > 3*few {
		t.Errorf("of 2000 certificates each took %d bytes, want about the %d of each of 100", many, few)
	}
}
