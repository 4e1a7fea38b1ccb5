package browser

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	neturl "net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
	"github.com/chromedp/chromedp"
)

func TestThePageAsksForNothingFromElsewhereAndReportsNoError(t *testing.T) {
	t.Parallel()
	s := start(t, harness.Config{Workers: 2})
	b := browse(t)
	b.open(s)
	b.until("title", "document.title", is("Serving, generation 1 – Handover"))
	s.Signal(syscall.SIGHUP)
	b.until("title", "document.title", is("Serving, generation 2 – Handover"))
	asked, faults := b.found()
	for _, address := range asked {
		if !strings.HasPrefix(address, s.url()) && address != "about:blank" {
			t.Errorf("asks for %q, want nothing but from %q", address, s.url())
		}
	}
	if len(asked) < 4 {
		t.Errorf("asked for %q, want page, stylesheet, script and stream", asked)
	}
	for _, fault := range faults {
		t.Error(fault)
	}
	b.shoot("healthy-light")
}

func TestAReloadIsSeenStepByStepWithoutLoadingThePageAgain(t *testing.T) {
	t.Parallel()
	s := start(t, harness.Config{Workers: 2, GracefulTimeout: "60s"})
	b := browse(t)
	b.open(s)
	b.value(`window.loaded = "once"`)
	b.until("first certificate", text("#certificates .print"), has(s.First.Fingerprint))

	slow, err := harness.Dial("tcp", s.Addr, s.Certs.Trust("http/1.1"))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if err := slow.Send("GET", "/slow?d=60s", nil); err != nil {
		t.Fatal(err)
	}
	pair := s.Certs.Renew()
	b.until("what waits on disk", text("#certificates"), has("another waits on disk", pair.Fingerprint))
	s.Behave("boot", "sleep 2s")
	s.Signal(syscall.SIGHUP)
	b.until("the next generation", text("#generation-next"), has("Generation 2", "prepares", "config", "certificates", "starting 2 workers"))
	b.until("spoken", text("#word"), is("A reload is under way. Generation 1 serves."))
	b.shoot("reloading-light")

	b.until("generation", text("#generation-2"), has("serves"))
	b.until("the old one", text("#generation-1"), has("drains", "still holds 1 connection on", "cut in"))
	b.until("certificate", text("#certificates .print"), is(pair.Fingerprint))
	b.until("spoken", text("#word"), is("Generation 2 serves. The last reload was done."))
	b.until("history", text("#reloads"), has("Reload done: generation 2", "a signal"))
	b.shoot("draining-light")
	slow.Close()
	b.until("drained", text("#generation-1"), has("is gone"))
	if got := b.value("window.loaded"); got != "once" {
		t.Errorf("window.loaded is %q: the page was loaded again", got)
	}
}

func TestARefusalIsSeenWithItsCheckAndHint(t *testing.T) {
	t.Parallel()
	s := start(t, harness.Config{Workers: 1})
	b := browse(t)
	b.open(s)
	other := s.Certs.Issue(harness.Leaf{})
	s.Certs.Install(harness.Pair{Cert: other.Cert, Key: s.First.Key})
	s.Signal(syscall.SIGHUP)
	b.until("notice", text("#attention"), has("Reload refused", "pair.mismatch", "Hint:"))
	b.until("check", text("#reloads details[open]"), has("pair.mismatch", "refused", "Hint:", "privkey.pem"))
	b.until("spoken", text("#word"), has("Generation 1 serves. The last reload was refused:", "pair.mismatch"))
	b.until("title", "document.title", has(") Serving, generation 1"))
	b.shoot("refused-light")
}

func TestACertificateThatEndsSoonIsSeen(t *testing.T) {
	t.Parallel()
	s := start(t, harness.Config{Workers: 1})
	now := time.Now()
	s.Certs.Install(s.Certs.Issue(harness.Leaf{NotBefore: now.Add(-90 * 24 * time.Hour), NotAfter: now.Add(50 * time.Hour)}))
	b := browse(t)
	b.open(s)
	s.Signal(syscall.SIGHUP)
	b.until("certificate", text("#certificates .card"), has("ends soon", "2 days of 92 days left"))
	b.until("bar", `document.querySelector("#certificates [role=img]").getAttribute("aria-label")`, has("2 days of 92 days left"))
	b.until("notice", text("#attention"), has("Ends soon"))
	b.shoot("ending-light")
}

func TestThePageRecoversFromAKilledMaster(t *testing.T) {
	t.Parallel()
	s := start(t, harness.Config{Workers: 1})
	s.Signal(syscall.SIGHUP)
	b := browse(t)
	b.open(s)
	b.until("history", text("#reloads"), has("done: generation 2"))
	b.value(`window.loaded = "once"`)
	status := s.Until(t, "settled", within, harness.Settled)
	if err := syscall.Kill(status.Master.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.until("next generation", text("#timeline"), has("Generation 3 serves"))
	b.until("live", `document.getElementById("pulse").dataset.link`, is("live"))
	b.until("history", text("#reloads"), has("done: generation 2"))
	if got := b.value("window.loaded"); got != "once" {
		t.Errorf("window.loaded is %q: the page was loaded again", got)
	}
}

func TestAPageThatMayNotFollowAsksAgainNowAndThen(t *testing.T) {
	t.Parallel()
	s := start(t, harness.Config{Workers: 1})
	for range 16 {
		c, err := harness.Dial("tcp", s.admin, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Send("GET", "/events", nil); err != nil {
			t.Fatal(err)
		}
	}
	b := browse(t)
	harness.Until(t, "all streams are taken", within, func() error {
		c, err := harness.Dial("tcp", s.admin, nil)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.Send("GET", "/events", nil); err != nil {
			return err
		}
		a, err := c.Receive("HEAD") // of one that is not refused there is no end
		return harness.Unless(err == nil && a.Status == 503, "%d, %v", a.Status, err)
	})
	b.do(chromedp.Navigate(s.url()))
	b.until("polled", `document.getElementById("pulse").innerText`, is("every 5 s"))
	b.value(`window.loaded = "once"`)
	s.Certs.Install(harness.Pair{Cert: s.Certs.Issue(harness.Leaf{}).Cert, Key: s.First.Key})
	s.Signal(syscall.SIGHUP)
	b.until("refusal", text("#attention"), has("Reload refused"))
	if got := b.value("window.loaded"); got != "once" {
		t.Errorf("window.loaded is %q: the page was loaded again", got)
	}
}

func TestWhatIsOpenAndInFocusStaysSoWhileThePageChanges(t *testing.T) {
	t.Parallel()
	s := start(t, harness.Config{Workers: 1})
	b := browse(t)
	b.open(s)
	s.Signal(syscall.SIGHUP)
	b.until("history", text("#reloads"), has("done: generation 2"))
	b.width(320)
	b.value(`(window.mine = document.querySelector("#reloads details"), mine.open = true, mine.querySelector("summary").focus(), 1)`)
	b.value("(window.scrollTo(0, 200), 1)")
	s.Signal(syscall.SIGHUP)
	b.until("history", text("#reloads"), has("done: generation 3", "done: generation 2"))
	for what, expression := range map[string]string{
		"in the page": "document.contains(mine)", "open": "mine.open", "in focus": `document.activeElement === mine.querySelector("summary")`,
		"the second": `document.querySelectorAll("#reloads details")[1] === mine`, "scrolled": "window.scrollY > 0",
		"closed, the new one": `!document.querySelector("#reloads details").open`,
	} {
		if got := b.value(expression); got != "true" {
			t.Errorf("%s: got %s, want true", what, got)
		}
	}
}

func TestWhatOthersWroteIsTextOnThePage(t *testing.T) {
	t.Parallel()
	hostile := `<img src=x onerror="window.owned=1">`
	s := start(t, harness.Config{Workers: 1, Names: []string{harness.Name}})
	s.WriteConfig(strings.Replace(s.ConfigText(), "[[certificate]]\n", "[[certificate]]\nname = '"+hostile+"'\n", 1))
	b := browse(t)
	b.open(s)
	s.Signal(syscall.SIGHUP)
	b.until("name", text("#certificates h3"), is(hostile))
	s.Certs.Install(harness.Pair{Cert: s.First.Cert, Key: nil})
	s.Signal(syscall.SIGHUP)
	b.until("refusal", text("#attention"), has("Reload refused", hostile))
	if got := b.value(`[document.querySelectorAll("img").length, window.owned].join()`); got != "0," {
		t.Errorf("images and what they ran: got %q, want none", got)
	}
	_, faults := b.found()
	for _, fault := range faults {
		t.Error(fault)
	}
}

func TestThePageSaysWhenNobodyAnswersAnyMore(t *testing.T) {
	t.Parallel()
	s := start(t, harness.Config{Workers: 1})
	b := browse(t)
	b.open(s)
	b.value(`window.loaded = "once"`)
	pulse := `document.getElementById("pulse").innerText`
	status := s.Until(t, "settled", within, harness.Settled)
	// The anchor first: it would have another master in place of one that hangs.
	for _, signal := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
		for _, pid := range []int{status.Pid, status.Master.Pid} {
			if err := syscall.Kill(pid, signal); err != nil {
				t.Error(err)
			}
		}
		if signal == syscall.SIGSTOP {
			b.until("silent", pulse, has("no answer"))
		}
	}
	b.until("live", pulse, is("live"))
	s.Signal(syscall.SIGTERM)
	s.WaitExit(within)
	b.until("stopped", pulse, has("no answer"))
	s.Launch()
	b.until("live", pulse, is("live"))
	b.until("the next service", text("#now"), has("Serving"))
	if got := b.value("window.loaded"); got != "once" {
		t.Errorf("window.loaded is %q: the page was loaded again", got)
	}
}

// behindProxy serves the page under another path, until the proxy has nobody to ask
// any more.
func behindProxy(t *testing.T, s service) (url string, down func()) {
	t.Helper()
	to, err := neturl.Parse(s.url())
	if err != nil {
		t.Fatal(err)
	}
	var gone atomic.Bool
	forward := http.StripPrefix("/watch", httputil.NewSingleHostReverseProxy(to))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if gone.Load() {
			http.Error(w, "nobody there", http.StatusBadGateway)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/watch/", func() { gone.Store(true); server.CloseClientConnections() }
}

func TestBehindAProxyThePageIsLiveAndSaysWhenTheServiceIsGone(t *testing.T) {
	t.Parallel()
	s := start(t, harness.Config{Workers: 1})
	b := browse(t)
	url, down := behindProxy(t, s)
	b.do(chromedp.Navigate(url))
	pulse := `document.getElementById("pulse").innerText`
	b.until("live", pulse, is("live"))
	b.until("title", "document.title", is("Serving, generation 1 – Handover"))
	down()
	b.until("gone", pulse, has("no answer"))
}
