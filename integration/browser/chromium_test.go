package browser

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"example.com/handover/integration/harness"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/remote"
)

// chromium returns the path of the browser.
func chromium(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		missing(t, "chromium: "+err.Error())
	}
	return path
}

// missing fails a test whose parts could have been installed, and skips it where
// nobody may.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Geteuid() == 0 {
		t.Fatalf("%s; make test-deps installs it", what)
	}
	t.Skipf("%s; make test-deps installs it as root", what)
}

// connect opens a tab in a running Chromium. The limit ends a test whose browser
// answers no more.
func connect(t *testing.T, address string) context.Context {
	t.Helper()
	ctx, cancelLimit := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancelLimit)
	ctx, cancelBrowser := remote.NewAllocator(ctx, address, remote.NoModifyURL)
	t.Cleanup(cancelBrowser)
	// What it cannot decode is of a newer protocol, and nothing that is looked at.
	ctx, closeTab := chromedp.NewContext(ctx, chromedp.WithErrorf(t.Logf), chromedp.WithLogf(func(string, ...any) {}))
	t.Cleanup(closeTab)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	return ctx
}

// nothingOf requires that no process is left which was started with that folder.
// Handlers of crashes have sessions of their own, and end with what they watch.
func nothingOf(t *testing.T, folder string) {
	t.Helper()
	err := harness.Await(10*time.Second, func() error {
		lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, line := range lines {
			if text, _ := os.ReadFile(line); bytes.Contains(text, []byte(folder+"/")) {
				return fmt.Errorf("%s: %.200s", line, bytes.ReplaceAll(text, []byte{0}, []byte{' '}))
			}
		}
		return nil
	})
	if err != nil {
		t.Errorf("left of the browser: %v", err)
	}
}
