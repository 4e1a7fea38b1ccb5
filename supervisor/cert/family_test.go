package cert

import (
	"context"
	"crypto/elliptic"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
)

// input is a pair and every finding that it must lead to, "name" or
// "name severity" where that differs from the table's.
type input struct {
	name      string
	cert, key []byte
	source    config.Certificate // names only
	tls       config.TLS
	served    *status.Certificate
	at        time.Time // now, if the pair is judged at another time
	prepare   func(t *testing.T, source config.Certificate)
	want      []string
	message   string // part of the first finding's
}

func (i input) run(t *testing.T) {
	t.Helper()
	source := pairIn(t, i.cert, i.key)
	source.Name, source.ServerNames = i.source.Name, i.source.ServerNames
	if i.prepare != nil {
		i.prepare(t, source)
	}
	r := Request{Sources: []config.Certificate{source}, TLS: i.tls}
	if i.served != nil {
		r.Served = []status.Certificate{*i.served}
	}
	taker := later(t, r)
	if !i.at.IsZero() {
		taker.now = func() time.Time { return i.at }
		taker.wait = pause
	}
	_, checks, err := taker.take(t.Context())
	if err == nil && slices.ContainsFunc(checks, func(c status.Check) bool { return c.Severity == refuse }) {
		t.Error("taken though something refuses")
	}
	i.compare(t, checks)
}

func (i input) compare(t *testing.T, checks []status.Check) {
	t.Helper()
	var got []string
	for _, c := range checks {
		name := c.Name
		if c.Severity != severityOf(t, c.Name) {
			name += " " + c.Severity
		}
		got = append(got, name)
		if c.Message == "" || c.Hint == "" || c.Certificate == "" || c.File == "" || len(c.Message)+len(c.Hint) > 2500 {
			t.Errorf("finding %+v; want message and hint, of bounded length, certificate and file", c)
		}
		if strings.ContainsFunc(c.Message+c.Hint, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("finding %q, %q; want no control characters", c.Message, c.Hint)
		}
	}
	if !slices.Equal(got, i.want) {
		t.Fatalf("found %q (%+v); want %q", got, checks, i.want)
	}
	if i.message != "" && !strings.Contains(checks[0].Message, i.message) {
		t.Errorf("message %q; want one with %q", checks[0].Message, i.message)
	}
}

func severityOf(t *testing.T, name string) string {
	t.Helper()
	for _, k := range table {
		if k.name == name {
			return k.severity
		}
	}
	t.Fatalf("no check %q", name)
	return ""
}

// inputs runs each input as a test of its own.
func inputs(t *testing.T, list []input) {
	t.Helper()
	for _, i := range list {
		t.Run(i.name, func(t *testing.T) { t.Parallel(); i.run(t) })
	}
}

// openssl runs a script of openssl commands in a new folder and returns what it
// wrote to the files cert.pem and key.pem.
func openssl(t *testing.T, commands ...string) (cert, key []byte) {
	t.Helper()
	dir := t.TempDir()
	for _, line := range commands {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		command := exec.CommandContext(ctx, "openssl", strings.Fields(line)...)
		command.Dir = dir
		out, err := command.CombinedOutput()
		cancel()
		if err != nil {
			t.Fatalf("openssl %s: %v\n%s", line, err, out)
		}
	}
	cert, _ = os.ReadFile(filepath.Join(dir, "cert.pem"))
	key, _ = os.ReadFile(filepath.Join(dir, "key.pem"))
	return cert, key
}

// selfMade is how openssl makes a certificate for the key in key.pem by itself.
const selfMade = "req -x509 -key key.pem -out cert.pem -days 30 -subj /CN=x -addext subjectAltName=DNS:example.org " +
	"-addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=serverAuth"

// edited issues a pair from a changed template.
func (a *authority) edited(edit func(*x509.Certificate)) (i input) {
	i.cert, i.key = a.issue(edit)
	return i
}

// behind issues a leaf and puts other certificates behind it.
func (a *authority) behind(chain ...*x509.Certificate) (i input) {
	k := ecdsaKey(a.t, elliptic.P256())
	i.cert, i.key = certPEM(a.leaf(k, nil)), keyPEM(a.t, k)
	for _, c := range chain {
		i.cert = join(i.cert, certPEM(c))
	}
	return i
}

// named completes an input.
func (i input) named(name string, want ...string) input {
	i.name, i.want = name, want
	return i
}

// saying completes an input by part of the first message.
func (i input) saying(message string) input {
	i.message = message
	return i
}

// against completes an input by what it would replace.
func (i input) against(served status.Certificate) input {
	served.Name = "example.org"
	i.served = &served
	return i
}
