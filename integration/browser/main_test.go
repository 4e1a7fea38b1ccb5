package browser

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/handover/integration/harness"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

func TestMain(m *testing.M) { harness.Main(m) }

// within bounds a wait for what a handover or a browser does; it is no measurement.
const within = 30 * time.Second

// service is an instance with a status page.
type service struct {
	*harness.Instance
	admin string
}

func start(t *testing.T, c harness.Config) service {
	t.Helper()
	s := service{admin: harness.FreeAddress(t)}
	c.Tables += fmt.Sprintf("\n[admin]\naddress = %q\n", s.admin)
	s.Instance = harness.Start(t, c)
	return s
}

func (s service) url() string { return "http://" + s.admin + "/" }

// tab is a page of a Chromium of its own.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	asked  []string // addresses of requests
	faults []string // errors on the console, exceptions, what the policy has refused
}

// browse starts a Chromium with an empty page.
func browse(t *testing.T) *tab {
	t.Helper()
	folder := harness.Folder(t)
	t.Cleanup(func() { nothingOf(t, folder) })
	program := harness.StartBackground(
		t, folder, []string{"HOME=" + folder, "TMPDIR=" + folder}, chromium(t),
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage", "--disable-breakpad",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
		"--remote-debugging-port=0", "--user-data-dir="+filepath.Join(folder, "profile"), "about:blank",
	)
	var address string
	program.Until(t, "chromium listens", within, func() error {
		text, err := os.ReadFile(filepath.Join(folder, "profile", "DevToolsActivePort"))
		if err != nil {
			return err
		}
		port, path, found := strings.Cut(strings.TrimSpace(string(text)), "\n")
		address = "ws://127.0.0.1:" + port + path
		return harness.Unless(found, "got %q", text)
	})
	b := &tab{t: t, ctx: connect(t, address)}
	if err := chromedp.Listen(b.ctx, b.heard); err != nil {
		t.Fatal(err)
	}
	call(b, network.Enable, network.EnableParams{})
	call(b, log.Enable, cdp.Empty{})
	b.scheme("light")
	b.width(1280)
	return b
}

// scheme makes the reader prefer light or dark.
func (b *tab) scheme(name string) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
}

// width makes the window so wide; below 500 it is a phone.
func (b *tab) width(pixels int64) {
	b.t.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: pixels, Height: 800, DeviceScaleFactor: 1, Mobile: pixels < 500})
}

// call speaks to the browser below what chromedp has actions for.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.t.Fatalf("browser: %s: %v", command.Method, err)
	}
}

// heard notes what the page asks for and what goes wrong in it.
func (b *tab) heard(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.asked = append(b.asked, e.Request.URL)
	case *log.EventEntryAdded:
		b.faults = append(b.faults, fmt.Sprintf("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, fmt.Sprintf("exception: %+v", e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		b.faults = append(b.faults, fmt.Sprintf("console.%s", e.Type))
	}
}

// found returns what was asked for and what went wrong so far.
func (b *tab) found() (asked, faults []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.asked...), append([]string{}, b.faults...)
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

// open loads the page of a service and waits until it follows it.
func (b *tab) open(s service) {
	b.t.Helper()
	b.do(chromedp.Navigate(s.url()))
	b.until("live", `document.getElementById("pulse").dataset.link`, is("live"))
}

// value is what an expression is in the page.
func (b *tab) value(expression string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("(async () => String(await ("+expression+")))()", chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("browser: %s: %v", expression, err)
	}
	return text
}

// text is what a reader sees in the elements of a selector.
func text(selector string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(%q)].map(e => e.innerText).join(" ").replace(/\s+/g, " ")`, selector)
}

// until waits until an expression is as the condition says.
func (b *tab) until(what, expression string, cond func(string) error) string {
	b.t.Helper()
	var last string
	err := harness.Await(within, func() error {
		last = b.value(expression)
		return cond(last)
	})
	if err != nil {
		_, faults := b.found()
		b.t.Fatalf("%s: %v\nthe page says: %s\nfaults: %q", what, err, b.value(text("body")), faults)
	}
	return last
}

func is(want string) func(string) error {
	return func(got string) error { return harness.Unless(got == want, "got %q, want %q", got, want) }
}

func has(parts ...string) func(string) error {
	return func(got string) error {
		for _, part := range parts {
			if !strings.Contains(strings.ToLower(got), strings.ToLower(part)) {
				return fmt.Errorf("got %q, want %q in it", got, part)
			}
		}
		return nil
	}
}

// shoot leaves a picture of the whole page, if somebody wants it.
func (b *tab) shoot(name string) {
	b.t.Helper()
	folder := os.Getenv("HANDOVER_SCREENSHOTS")
	if folder == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
