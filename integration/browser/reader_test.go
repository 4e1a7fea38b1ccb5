package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// axe returns the script of axe-core, which knows the rules of accessibility.
func axe(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("HANDOVER_TEST_CACHE")
	if folder == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		folder = filepath.Join(cache, "handover")
	}
	script, err := os.ReadFile(filepath.Join(folder, "axe.min.js"))
	if err != nil {
		missing(t, "axe-core: "+err.Error())
	}
	return string(script)
}

// verdict is what axe says: how many rules it found kept, and which not, of any
// impact, best practices included.
const verdict = `axe.run(document).then(r => JSON.stringify({passes: r.passes.length, violations: r.violations.map(v => ({
	rule: v.id, impact: v.impact, help: v.help, nodes: v.nodes.map(n => n.html.slice(0, 200) + " " + n.failureSummary)}))}))`

func (b *tab) accessible(name string) {
	b.t.Helper()
	var found struct {
		Passes     int
		Violations []struct {
			Rule, Impact, Help string
			Nodes              []string
		}
	}
	if err := json.Unmarshal([]byte(b.value(verdict)), &found); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range found.Violations {
		b.t.Errorf("%s: %s (%s): %s: %s", name, v.Rule, v.Impact, v.Help, strings.Join(v.Nodes, "\n"))
	}
	if found.Passes < 20 {
		b.t.Errorf("%s: %d rules kept, want dozens: was it looked at?", name, found.Passes)
	}
}

// fits requires that the page is no wider than the window.
func (b *tab) fits(name string) {
	b.t.Helper()
	if got := b.value("document.documentElement.scrollWidth - document.documentElement.clientWidth"); got != "0" {
		b.t.Errorf("%s: %s pixels wider than the window, want 0", name, got)
	}
}

func TestThePageIsAccessibleInLightAndDarkAndOnAPhone(t *testing.T) {
	t.Parallel()
	script := axe(t)
	s := start(t, harness.Config{Workers: 2})
	s.Signal(syscall.SIGHUP)
	b := browse(t)
	b.open(s)
	b.until("history", text("#reloads"), has("done: generation 2"))
	// In the way of the protocol, which the policy of the page does not concern.
	b.do(chromedp.Evaluate[chromedp.Void](script))
	everyLook(b, "healthy")

	now := time.Now()
	s.Certs.Install(s.Certs.Issue(harness.Leaf{NotBefore: now.Add(-90 * 24 * time.Hour), NotAfter: now.Add(50 * time.Hour)}))
	s.Signal(syscall.SIGHUP)
	b.until("certificate", text("#certificates"), has("ends soon"))
	s.Certs.Install(harness.Pair{Cert: s.Certs.Issue(harness.Leaf{}).Cert, Key: s.First.Key})
	s.Signal(syscall.SIGHUP)
	b.until("notice", text("#attention"), has("Reload refused", "pair.mismatch", "Ends soon"))
	b.until("disk", text("#certificates"), has("another one, not served"))
	everyLook(b, "troubled")
}

func everyLook(b *tab, what string) {
	b.t.Helper()
	for _, look := range []struct {
		scheme string
		width  int64
	}{{"light", 1280}, {"dark", 1280}, {"light", 400}, {"dark", 320}} {
		b.scheme(look.scheme)
		b.width(look.width)
		name := fmt.Sprintf("%s-%s-%d", what, look.scheme, look.width)
		b.fits(name)
		b.accessible(name)
		b.shoot(name)
	}
}

func TestThePageIsCompleteWithoutJavaScript(t *testing.T) {
	t.Parallel()
	s := start(t, harness.Config{Workers: 1})
	s.Signal(syscall.SIGHUP)
	s.Until(t, "reloaded", within, func(got harness.Status) error {
		return harness.Unless(got.Generation == 2 && harness.Settled(got) == nil, "generation %d", got.Generation)
	})
	b := browse(t)
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.do(chromedp.Navigate(s.url()))
	// The protocol still evaluates where the page may not.
	for selector, parts := range map[string][]string{
		".masthead": {"Refresh", "as it was when loaded"}, "#now": {"Serving", "Generation 2 serves", fmt.Sprint(s.Pid)}, "#timeline": {"Generation 2", "serves"},
		"#reloads": {"done: generation 2"}, "#workers": {"serving"}, "#certificates": {s.First.Fingerprint, "the same as served"},
	} {
		if err := has(parts...)(b.value(text(selector))); err != nil {
			t.Errorf("%s: %v", selector, err)
		}
	}
	if got := b.value(`document.querySelector("head meta[http-equiv=refresh]").content`); got != "10" {
		t.Errorf("refreshes every %q s, want 10", got)
	}
	b.shoot("without-script")
}
