package integration

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// some is a change by an amount that nobody can say beforehand.
var some = math.NaN()

var (
	bucket     = regexp.MustCompile(`,?le="[^"]*"`)
	restless   = "handover_resident_memory_bytes"        // moves by itself
	identities = regexp.MustCompile(`\{fingerprint.*\}`) // of a certificate: the labels are what moves
)

// moved returns by how much each series has moved between two scrapes. The buckets
// of a histogram count as one series.
func moved(before, after map[string]float64) map[string]float64 {
	by := map[string]float64{}
	for series := range maps.Keys(union(before, after)) {
		name := identities.ReplaceAllString(bucket.ReplaceAllString(series, ""), "")
		was, had := before[series]
		is, has := after[series]
		if strings.HasPrefix(series, restless) || had == has && was == is {
			continue
		}
		by[strings.Replace(name, "{}", "", 1)] += is - was
		if name != series {
			by[strings.Replace(name, "{}", "", 1)] = some
		}
	}
	return by
}

func union(a, b map[string]float64) map[string]float64 {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// moves waits until exactly these series have moved since before, by so much, and
// returns what there is then: what moves later is found with the next event.
func moves(t *testing.T, event, admin string, before, want map[string]float64) map[string]float64 {
	t.Helper()
	var now map[string]float64
	harness.Until(t, "series of "+event, within, func() error {
		now = scrape(t, admin)
		return difference(moved(before, now), want)
	})
	return now
}

// difference says what of the series that moved was not to be expected.
func difference(got, want map[string]float64) error {
	var wrong []string
	for series := range maps.Keys(union(got, want)) {
		by, has := got[series]
		expected, wanted := want[series]
		if has != wanted || !math.IsNaN(expected) && by != expected {
			wrong = append(wrong, fmt.Sprintf("%s moved by %v, want %v", series, by, expected))
		}
	}
	slices.Sort(wrong)
	return harness.Unless(len(wrong) == 0, "%s", strings.Join(wrong, "\n"))
}

// metered is an instance with one worker whose series are compared event by event.
type metered struct {
	*harness.Instance
	admin  string
	before map[string]float64
}

func TestEachEventMovesExactlyTheDocumentedSeries(t *testing.T) {
	t.Parallel()
	admin := harness.FreeAddress(t)
	m := &metered{Instance: harness.Start(t, harness.Config{Workers: 1, Tables: watched(admin)}), admin: admin}
	m.crash(t)
	m.handshakes(t)
	m.reload(t)
	m.refusal(t)
	m.expiry(t)
}

func (m *metered) moves(t *testing.T, event string, want map[string]float64) {
	t.Helper()
	m.before = moves(t, event, m.admin, m.before, want)
}

func (m *metered) crash(t *testing.T) {
	open, err := m.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	harness.Until(t, "the connection is counted", within, func() error {
		m.before = scrape(t, m.admin)
		return harness.Unless(m.before["handover_connections"] == 1 && m.before[`handover_tls_handshakes_total{resumed="no",version="1.3"}`] == 1, "%v", m.before)
	})
	kill(t, m.Until(t, "worker", within, harness.Serving).Workers[0].Pid)
	m.moves(t, "a crash", map[string]float64{
		`handover_worker_exits_total{reason="crashed"}`:         1,
		"handover_worker_restarts_total":                        1,
		"handover_worker_boot_duration_seconds_count":           1,
		"handover_worker_boot_duration_seconds_sum":             some,
		"handover_worker_boot_duration_seconds_bucket":          some,
		"handover_connections":                                  -1,
		`handover_connections_cut_total{reason="worker_ended"}`: 1,
	})
}

func (m *metered) handshakes(t *testing.T) {
	if got := resumptions(t, m.Instance, tls.VersionTLS13, tls.NewLRUClientSessionCache(1), 2); got != 1 {
		t.Fatalf("got %d of 2 resumed, want the second", got)
	}
	stranger := m.Certs.Trust("http/1.1")
	stranger.RootCAs = x509.NewCertPool() // nobody is trusted
	if c, err := harness.Dial("tcp", m.Addr, stranger); err == nil {
		c.Close()
		t.Fatal("a client that trusts nobody got through")
	}
	plain, err := harness.Dial("tcp", m.Addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if err := plain.Send("GET", "/", nil); err != nil {
		t.Fatal(err)
	}
	m.moves(t, "handshakes", map[string]float64{
		`handover_tls_handshakes_total{resumed="no",version="1.3"}`:          1,
		`handover_tls_handshakes_total{resumed="yes",version="1.3"}`:         1,
		`handover_tls_handshake_errors_total{reason="certificate_rejected"}`: 1,
		`handover_tls_handshake_errors_total{reason="protocol"}`:             1,
		"handover_requests_total":                                            2,
		`handover_responses_total{class="2xx"}`:                              2,
		"handover_request_duration_seconds_count":                            2,
		"handover_request_duration_seconds_sum":                              some,
		"handover_request_duration_seconds_bucket":                           some,
	})
}

// ofCertificate names the series of the one certificate.
func ofCertificate(family string) string { return fmt.Sprintf("%s{name=%q}", family, harness.Name) }

func (m *metered) reload(t *testing.T) {
	asked := time.Now()
	// Hours apart from the first: of two issued in one second no time would move.
	m.Certs.Install(m.Certs.Issue(harness.Leaf{NotBefore: asked.Add(-3 * time.Hour), NotAfter: m.First.NotAfter.Add(24 * time.Hour)}))
	hup(t, m.Instance, "done")
	settledAndConfirmed(t, m.Instance)
	m.moves(t, "a reload", map[string]float64{
		"handover_generation": 1,
		`handover_reloads_total{kind="reload",outcome="done"}`:                             1,
		`handover_reload_duration_seconds_count{kind="reload"}`:                            1,
		`handover_reload_duration_seconds_sum{kind="reload"}`:                              some,
		`handover_reload_duration_seconds_bucket{kind="reload"}`:                           some,
		"handover_last_reload_timestamp_seconds":                                           some,
		"handover_last_reload_success_timestamp_seconds":                                   some,
		`handover_worker_exits_total{reason="asked"}`:                                      1,
		"handover_worker_boot_duration_seconds_count":                                      1,
		"handover_worker_boot_duration_seconds_sum":                                        some,
		"handover_worker_boot_duration_seconds_bucket":                                     some,
		ofCertificate("handover_certificate_not_after_timestamp_seconds"):                  some,
		ofCertificate("handover_certificate_leaf_not_after_timestamp_seconds"):             some,
		ofCertificate("handover_certificate_not_before_timestamp_seconds"):                 some,
		"handover_certificates_earliest_not_after_timestamp_seconds":                       some,
		"handover_certificate_info":                                                        some,
		`handover_certificate_findings_total{check="chain.root_included",severity="info"}`: 1,
		`handover_certificate_findings_total{check="file.symlink",severity="info"}`:        2,
	})
	if at := m.before["handover_last_reload_timestamp_seconds"]; at < float64(asked.Unix()) || at > float64(time.Now().Unix()+1) {
		t.Errorf("last reload: got %v, want between %v and now", at, asked.Unix())
	}
}

func (m *metered) refusal(t *testing.T) {
	if err := os.WriteFile(m.Certs.KeyFile(), m.Certs.Issue(harness.Leaf{}).Key, 0o600); err != nil {
		t.Fatal(err)
	}
	hup(t, m.Instance, "refused")
	m.moves(t, "a refusal", map[string]float64{
		`handover_reloads_total{kind="reload",outcome="refused"}`:                          1,
		`handover_reload_duration_seconds_count{kind="reload"}`:                            1,
		`handover_reload_duration_seconds_sum{kind="reload"}`:                              some,
		`handover_reload_duration_seconds_bucket{kind="reload"}`:                           some,
		"handover_last_reload_timestamp_seconds":                                           some,
		"handover_last_reload_successful":                                                  -1,
		`handover_certificate_findings_total{check="pair.mismatch",severity="refuse"}`:     1,
		`handover_certificate_findings_total{check="chain.root_included",severity="info"}`: 1,
		`handover_certificate_findings_total{check="change.none",severity="info"}`:         1,
		`handover_certificate_findings_total{check="file.symlink",severity="info"}`:        2,
		"handover_certificates_pending":                                                    1, // the look of five seconds after the reload
		ofCertificate("handover_certificate_pending"):                                      1,
	})
}

func (m *metered) expiry(t *testing.T) {
	end := time.Now().Add(15 * time.Second)
	m.Certs.Install(m.Certs.Issue(harness.Leaf{NotBefore: time.Now().Add(-time.Hour), NotAfter: end}))
	hup(t, m.Instance, "done")
	settledAndConfirmed(t, m.Instance)
	m.before = scrape(t, m.admin)
	for series, want := range map[string]float64{
		`handover_certificates{left="tenth"}`: 1, "handover_certificates_pending": 0, "handover_last_reload_successful": 1,
		// That little is left, and that the one before would have lived longer.
		`handover_certificate_findings_total{check="time.remaining",severity="warn"}`: 2,
	} {
		if got := m.before[series]; got != want {
			t.Errorf("%s before the end of the certificate: got %v, want %v", series, got, want)
		}
	}
	harness.Until(t, "the end of the certificate", time.Minute, func() error { return harness.Unless(time.Now().After(end), "not yet") })
	m.moves(t, "an expired certificate", map[string]float64{`handover_certificates{left="tenth"}`: -1, `handover_certificates{left="nothing"}`: 1})
}

// settledAndConfirmed waits for all that follows a reload.
func settledAndConfirmed(t *testing.T, i *harness.Instance) {
	t.Helper()
	i.Until(t, "settled", within, harness.Settled)
	i.Until(t, "confirmed", within, func(s harness.Status) error {
		return harness.Unless(s.LastReload != nil && s.LastReload.Confirmed == "yes", "%+v", s.LastReload)
	})
}

// decreases scrapes again and again, and returns which counters went back.
func decreases(t *testing.T, admin string) (stop func() []string) {
	t.Helper()
	var fallen []string
	quit, ended := make(chan struct{}), make(chan struct{})
	counts := regexp.MustCompile(`^handover_[a-z_]+_(total|sum|count|bucket)(\{|$)`)
	scrapes := 0
	go func() { // ends with stop
		defer close(ended)
		last := map[string]float64{}
		for {
			select {
			case <-quit:
				return
			default:
			}
			now, err := scraped(admin)
			if err != nil {
				continue // a killed master takes one along
			}
			scrapes++
			for series, was := range last {
				if is, there := now[series]; counts.MatchString(series) && (!there || is < was) {
					fallen = append(fallen, fmt.Sprintf("%s from %v to %v", series, was, is))
				}
			}
			last = now
		}
	}()
	return sync.OnceValue(func() []string {
		close(quit)
		<-ended
		t.Logf("%d scrapes", scrapes)
		if scrapes == 0 {
			t.Error("no scrape at all")
		}
		return fallen
	})
}

func TestNoCounterEverGoesBack(t *testing.T) {
	t.Parallel()
	admin := harness.FreeAddress(t)
	i := harness.Start(t, harness.Config{Workers: 2, Tables: watched(admin)})
	stop := decreases(t, admin)
	defer stop()
	asked := 0
	ask := func() {
		t.Helper()
		for _, path := range []string{"/pid", "/nowhere", "/pid"} {
			if _, err := i.Get(path); err != nil {
				t.Fatal(err)
			}
			asked++
		}
	}
	const rounds = 2
	for range rounds {
		ask()
		renew(t, i)
		ask()
		i.Until(t, "settled", within, harness.Settled)
		kill(t, i.Until(t, "workers", within, harness.Serving).Workers[0].Pid)
		i.Until(t, "workers again", within, harness.Serving)
		ask()
		old := master(t, i)
		kill(t, old)
		i.Until(t, "next master", within, func(s harness.Status) error { return harness.Unless(s.Master.Pid != old, "still %d", old) })
		i.Until(t, "settled", within, harness.Settled)
	}
	// A worker that is killed takes nothing along: what it has counted lies in memory
	// that others have too.
	harness.Until(t, "all is counted", within, func() error {
		s, err := scraped(admin)
		if err != nil {
			return err
		}
		answers := s[`handover_responses_total{class="2xx"}`] + s[`handover_responses_total{class="4xx"}`]
		all := float64(asked)
		return harness.Unless(s["handover_requests_total"] == all && answers == all && s["handover_request_duration_seconds_count"] == all &&
			s["handover_master_restarts_total"] == rounds && s[`handover_reloads_total{kind="reload",outcome="done"}`] == rounds,
			"%v asked, %v", asked, s)
	})
	for _, fall := range stop() {
		t.Errorf("counter went back: %s", fall)
	}
}

func TestConnectionsThatAReloadCutsAreCounted(t *testing.T) {
	t.Parallel()
	admin := harness.FreeAddress(t)
	i := harness.Start(t, harness.Config{Workers: 1, GracefulTimeout: "1s", Tables: watched(admin)})
	slow := asking(t, i, "/slow?d=10m")
	defer slow.Close()
	before := scrape(t, admin)
	hup(t, i, "done")
	i.Until(t, "settled", within, harness.Settled)
	after := scrape(t, admin)
	const cut = `handover_connections_cut_total{reason="graceful_timeout"}`
	if by := moved(before, after); by[cut] != 1 || after[`handover_connections_cut_total{reason="worker_ended"}`] != 0 {
		t.Errorf("moved: %v, want one connection cut at graceful_timeout", by)
	}
}

func TestPromtoolFindsNothingWrongWithAScrape(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getuid() == 0 {
			t.Fatalf("%v: make test-deps installs it", err)
		}
		t.Skipf("SKIPPED, NOT PASSED: %v: make test-deps installs it", err)
	}
	admin := harness.FreeAddress(t)
	i := harness.Start(t, harness.Config{Workers: 1, Tables: watched(admin)})
	renew(t, i)
	i.WriteConfig("nonsense = 1\n")
	i.Signal(syscall.SIGHUP)
	i.Until(t, "refused", within, func(s harness.Status) error {
		return harness.Unless(s.LastReload != nil && s.LastReload.Outcome == "refused", "%+v", s.LastReload)
	})
	c, err := harness.Dial("tcp", admin, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	a, err := c.Do("GET", "/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(string(a.Body))
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s\n%s", err, out, a.Body)
	}
	i.Configure(i.Config)
}

// What a release adds must not cost its neighbour a number.
func TestCountersGoOnInTheReleaseAfterAndBackAgain(t *testing.T) {
	t.Parallel()
	present, after := harness.ReleasePresent(t), harness.ReleaseAfter(t)
	s := layRelease(t, present)
	admin := harness.FreeAddress(t)
	config := s.Config
	config.Tables = watched(admin)
	s.Configure(config)
	s.must(present, "reload")
	asked := 0.0
	ask := func() {
		t.Helper()
		for range 5 {
			if a, err := s.Get("/pid"); err != nil || a.Status != 200 {
				t.Fatalf("get: %d, %v", a.Status, err)
			}
			asked++
		}
		harness.Until(t, "all is counted", within, func() error {
			now, err := scraped(admin)
			if err != nil {
				return err
			}
			for _, series := range []string{"handover_requests_total", `handover_responses_total{class="2xx"}`, "handover_request_duration_seconds_count"} {
				if now[series] != asked {
					return fmt.Errorf("%s: %v, want %v", series, now[series], asked)
				}
			}
			return nil
		})
	}
	ask()
	for _, release := range []harness.Release{after, present} {
		s.install(release)
		s.installProgram(release)
		renew(t, s.Instance)
		s.is(release)
		ask()
		old := master(t, s.Instance)
		kill(t, old)
		s.Until(t, "next master", within, func(now harness.Status) error { return harness.Unless(now.Master.Pid != old, "still %d", old) })
		s.is(release)
		ask()
	}
}
