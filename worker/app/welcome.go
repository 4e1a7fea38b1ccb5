package app

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	_ "embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"example.com/handover/worker"
)

//go:embed welcome.html
var welcomePage string

// parsePage is called by the first browser: the start of a worker is on the way
// of every reload.
var parsePage = sync.OnceValues(func() (*template.Template, error) {
	return template.New("welcome").Parse(welcomePage)
})

// welcome shows who serves, and with which certificate.
type welcome struct {
	identify func(*http.Request) worker.Identity
}

// facts is what the page says.
type facts struct {
	Generation  int
	Slot        int
	Pid         int
	Protocol    string
	Fingerprint string // of the leaf, SHA-256; empty over plain HTTP
	Names       string
	Until       string
	DaysLeft    int
}

// ServeHTTP answers a browser with a page and everything else with one line.
func (h welcome) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the welcome page is only read", http.StatusMethodNotAllowed)
		return
	}
	f := gather(h.identify(r), r)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Vary", "Accept")
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintln(w, f.line())
		return
	}
	var page bytes.Buffer
	t, err := parsePage()
	if err == nil {
		err = t.Execute(&page, f)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
	_, _ = w.Write(page.Bytes())
}

func gather(id worker.Identity, r *http.Request) facts {
	f := facts{Generation: id.Generation, Slot: id.Slot, Pid: os.Getpid(), Protocol: r.Proto}
	if r.TLS != nil {
		f.Protocol += " over " + tls.VersionName(r.TLS.Version)
	}
	if c := id.Certificate; c != nil {
		sum := sha256.Sum256(c.Raw)
		f.Fingerprint = hex.EncodeToString(sum[:])
		f.Names = strings.Join(c.DNSNames, ", ")
		f.Until = c.NotAfter.UTC().Format(time.DateOnly)
		f.DaysLeft = int(time.Until(c.NotAfter).Hours() / 24)
	}
	return f
}

func (f facts) line() string {
	s := fmt.Sprintf("generation %d, worker %d (pid %d): ", f.Generation, f.Slot, f.Pid)
	if f.Fingerprint == "" {
		return s + "no certificate, " + f.Protocol
	}
	return s + fmt.Sprintf("certificate sha256 %s, until %s, %s", f.Fingerprint, f.Until, f.Protocol)
}
