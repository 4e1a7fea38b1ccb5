package integration

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// secret is a session ticket key, and how it is told from others.
type secret struct{ line, print string }

func newSecret() secret {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	sum := sha256.Sum256(key)
	return secret{base64.StdEncoding.EncodeToString(key), hex.EncodeToString(sum[:8])}
}

// mount is a folder as the kubelet keeps it for a secret: the file is a link
// through ..data, which is switched to a new folder by a rename.
type mount struct {
	dir   string
	count int
}

func newMount(t *testing.T, keys ...secret) *mount {
	t.Helper()
	m := &mount{dir: harness.Folder(t)}
	m.put(t, linesOf(keys))
	must(t, os.Symlink("..data/keys", m.path()))
	return m
}

func (m *mount) path() string { return filepath.Join(m.dir, "keys") }

func linesOf(keys []secret) string {
	var text strings.Builder
	for _, k := range keys {
		fmt.Fprintln(&text, k.line)
	}
	return text.String()
}

func (m *mount) put(t *testing.T, text string) {
	t.Helper()
	m.count++
	fresh, data := fmt.Sprintf("..%d", m.count), filepath.Join(m.dir, "..data")
	must(t, os.Mkdir(filepath.Join(m.dir, fresh), 0o755))
	must(t, os.WriteFile(filepath.Join(m.dir, fresh, "keys"), []byte(text), 0o600))
	old, _ := os.Readlink(data)
	must(t, os.Symlink(fresh, data+"_tmp"))
	must(t, os.Rename(data+"_tmp", data))
	if old != "" {
		must(t, os.RemoveAll(filepath.Join(m.dir, old)))
	}
}

// has waits until an instance has these keys, in this order.
func has(t *testing.T, i *harness.Instance, keys ...secret) {
	t.Helper()
	var want []string
	for _, k := range keys {
		want = append(want, k.print)
	}
	i.Until(t, "the ticket keys", within, func(s harness.Status) error {
		return harness.Unless(slices.Equal(s.TicketKeys, want) && harness.Serving(s) == nil, "%q, want %q", s.TicketKeys, want)
	})
}

// ticket is what a client keeps of one handshake, and offers again and again.
type ticket struct {
	from    string
	version uint16
	session *tls.ClientSessionState
}

// Get and Put are tls.ClientSessionCache; the first ticket stays.
func (k *ticket) Get(string) (*tls.ClientSessionState, bool) { return k.session, k.session != nil }

func (k *ticket) Put(_ string, s *tls.ClientSessionState) {
	if k.session == nil {
		k.session = s
	}
}

// visit makes a request, and says whether the session of the ticket was resumed.
func (k *ticket) visit(t *testing.T, trust *tls.Config, address string) bool {
	t.Helper()
	trust = trust.Clone()
	trust.MinVersion, trust.MaxVersion, trust.ClientSessionCache = k.version, k.version, k
	c, err := tls.Dial("tcp", address, trust)
	if err != nil {
		t.Fatalf("dial %s: %v", address, err)
	}
	defer func() { _ = c.Close() }()
	askedOnce(t, c)
	return c.ConnectionState().DidResume
}

// askedOnce makes one request: in TLS 1.3 the ticket comes with its answer.
func askedOnce(t *testing.T, c *tls.Conn) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(within))
	if _, err := c.Write([]byte("GET /health HTTP/1.1\r\nHost: " + harness.Name + "\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

// cluster is several instances that share certificate and ticket keys, each with
// copies of its own.
type cluster struct {
	instances []*harness.Instance
	mounts    []*mount
	tickets   []*ticket
}

func (c *cluster) add(t *testing.T, lines string, keys ...secret) {
	t.Helper()
	m := newMount(t, keys...)
	i := harness.Prepare(t, harness.Config{Workers: 2, Tables: fmt.Sprintf("[tls]\nticket_keys = %q\n%s", m.path(), lines)})
	if len(c.instances) > 0 {
		i.Certs.Install(c.instances[0].First)
	}
	i.Launch()
	i.WaitServing()
	c.instances, c.mounts = append(c.instances, i), append(c.mounts, m)
	has(t, i, keys...)
}

// collect takes a new ticket of each version from every instance.
func (c *cluster) collect(t *testing.T, when string) (fresh []*ticket) {
	t.Helper()
	for n, i := range c.instances {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			k := &ticket{from: fmt.Sprintf("instance %d %s, %s", n+1, when, tls.VersionName(version)), version: version}
			if k.visit(t, c.instances[0].Certs.Trust("http/1.1"), i.Addr) || k.session == nil {
				t.Fatalf("%s: no ticket of a full handshake", k.from)
			}
			fresh = append(fresh, k)
		}
	}
	c.tickets = append(c.tickets, fresh...)
	return fresh
}

// resume offers tickets to every instance, all of which must take them, or none.
func (c *cluster) resume(t *testing.T, when string, tickets []*ticket, want bool) {
	t.Helper()
	for n, i := range c.instances {
		for _, k := range tickets {
			if got := k.visit(t, c.instances[0].Certs.Trust("http/1.1"), i.Addr); got != want {
				t.Errorf("ticket of %s, at instance %d %s: resumed %v, want %v", k.from, n+1, when, got, want)
			}
		}
	}
}

func TestInstancesThatShareTicketKeysResumeEachOthersSessionsWhileTheKeysChangeInSteps(t *testing.T) {
	t.Parallel()
	old, next := newSecret(), newSecret()
	c := &cluster{}
	c.add(t, `reload = "watch"`, old)
	c.add(t, "", old)
	first := c.collect(t, "at first")
	c.resume(t, "at first", c.tickets, true)
	ok(t, c.instances[1].Do("reload"))
	c.resume(t, "after a reload of the second", c.tickets, true)

	// One instance hears of each step by its watch, later the other by a command.
	step := func(what string, tell func(i *harness.Instance), keys ...secret) {
		t.Helper()
		for n, i := range c.instances {
			c.mounts[n].put(t, linesOf(keys))
			if n == 1 {
				tell(i)
			}
			has(t, i, keys...)
			when := fmt.Sprintf("%s up to instance %d", what, n+1)
			c.resume(t, when, c.tickets, true)
			c.collect(t, when)
			c.resume(t, when, c.tickets, true)
		}
	}
	rotates := func(i *harness.Instance) { rotate(t, i) }
	step("with a new key to decrypt", rotates, old, next)
	step("with the new key to encrypt", func(i *harness.Instance) { ok(t, i.Do("reload")) }, next, old)
	// By now every ticket of the old key has outlived its time.
	c.tickets = c.collect(t, "when the new key encrypts")
	step("without the old key", func(i *harness.Instance) { i.Signal(syscall.SIGHUP) }, next)
	c.resume(t, "without the old key", first, false)
	if s := present(t, c.instances[0]); s.Generation != 1 {
		t.Errorf("generation %d of the one that watches, want 1: a rotation replaces no process", s.Generation)
	}
}

func TestABadFileOfTicketKeysChangesNothingAndTheKeysInForceSurviveAKilledMaster(t *testing.T) {
	t.Parallel()
	good, other := newSecret(), newSecret()
	c := &cluster{}
	c.add(t, `reload = "watch"`, good)
	i, m := c.instances[0], c.mounts[0]
	c.collect(t, "at first")
	refusedBy := func(words ...string) string {
		t.Helper()
		got := i.Do(words...)
		if got.Exit != 65 || !strings.Contains(got.Stderr, "tickets.keys") {
			t.Errorf("%q: %v, want exit 65 and tickets.keys", words, got)
		}
		return got.Stderr
	}
	m.put(t, other.line+"\n"+good.line[:30]+"\n")
	i.Until(t, "the watch has refused it", within, func(s harness.Status) error {
		last := s.LastReload
		return harness.Unless(last != nil && last.AskedBy == "watch" && last.Outcome == "refused" && harness.Refused(last.Checks, "tickets.keys"), "%+v", last)
	})
	said := refusedBy("check") + refusedBy("reload") + refusedBy("rotate")
	if !strings.Contains(said, "line 2: found") || !strings.Contains(said, "openssl rand -base64 32") {
		t.Errorf("refusals do not say the line and how to mend it:\n%s", said)
	}
	if got := i.Do("rotate", "--new-tickets"); got.Exit == 0 || !strings.Contains(got.Stderr, m.path()) {
		t.Errorf("rotate --new-tickets: %v, want it refused for the file", got)
	}
	has(t, i, good)
	loseMaster(t, i)
	has(t, i, good)
	c.resume(t, "after the master was killed beside a bad file", c.tickets, true)
	if n := len(harness.Session(i.Pid)); n < 4 {
		t.Errorf("%d processes, want anchor, master and two workers", n)
	}

	m.put(t, linesOf([]secret{other, good}))
	has(t, i, other, good)
	loseMaster(t, i)
	has(t, i, other, good)
	c.resume(t, "after the next one was killed too", c.tickets, true)

	never := harness.Prepare(t, harness.Config{Tables: "[tls]\nticket_keys = \"/nonexistent/keys\""})
	never.Launch()
	if code := never.WaitExit(within); code != 65 || !strings.Contains(never.Printed(), "file.missing") {
		t.Errorf("start without the file: exit %d, want 65 and file.missing:\n%s", code, never.Printed())
	}
}

func TestABadFileOfTicketKeysCostsResumptionAndNotTheStartIfToldTo(t *testing.T) {
	t.Parallel()
	key := newSecret()
	m := newMount(t, key)
	i, dir := keeping(t, harness.Config{
		Workers: 1, Keys: "on_bad_start = \"last_good\"", Tables: fmt.Sprintf("[tls]\nticket_keys = %q", m.path()),
	})
	kept(t, dir, 1)
	i.Signal(syscall.SIGTERM)
	if code := i.WaitExit(within); code != 0 {
		t.Fatalf("stop: exit %d", code)
	}
	m.put(t, "none yet\n")
	i.Launch()
	i.WaitServing()
	served(t, i, i.First)
	if s := present(t, i); !strings.Contains(s.Degraded, "tickets.keys") || len(s.TicketKeys) > 0 {
		t.Errorf("degraded %q with keys %q, want it to name tickets.keys and to have none of a file", s.Degraded, s.TicketKeys)
	}
	if got := resumptions(t, i, tls.VersionTLS13, tls.NewLRUClientSessionCache(1), 10); got != 9 {
		t.Errorf("%d of 10 resumed with keys of its own, want all but the first", got)
	}
	m.put(t, linesOf([]secret{key}))
	rotate(t, i)
	has(t, i, key)
	if s := present(t, i); s.Degraded != "" {
		t.Errorf("degraded %q, want it over", s.Degraded)
	}
}

func TestTicketKeysAreToldToNobody(t *testing.T) {
	t.Parallel()
	admin, state := harness.FreeAddress(t), harness.Folder(t)
	keys := []secret{newSecret(), newSecret()}
	m := newMount(t, keys...)
	i := harness.Start(t, harness.Config{
		Keys:   fmt.Sprintf("state_dir = %q", state),
		Tables: fmt.Sprintf("[tls]\nticket_keys = %q\n[log]\nlevel = \"debug\"\n%s", m.path(), watched(admin)),
	})
	renew(t, i)
	keys = append(keys, newSecret())
	m.put(t, linesOf(keys))
	rotate(t, i)
	has(t, i, keys...)
	m.put(t, keys[0].line+"\n"+keys[0].line)
	said := map[string]string{"reload": i.Do("reload").String(), "check": i.Do("check", "--json").String()}
	for _, words := range [][]string{{"status"}, {"status", "--json"}, {"certs", "--json"}} {
		said[strings.Join(words, " ")] = i.Do(words...).String()
	}
	for _, path := range []string{"/", "/metrics", "/healthz", "/readyz"} {
		conn, err := harness.Dial("tcp", admin, nil)
		must(t, err)
		a, err := conn.Do("GET", path, nil)
		must(t, err)
		conn.Close()
		said[path] = string(a.Body)
	}
	said["log"] = i.Printed()
	for _, p := range i.Processes() {
		for _, file := range []string{"cmdline", "environ"} {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.Pid, file)) // it may be gone
			said[fmt.Sprintf("%s of %d", file, p.Pid)] = string(text)
		}
	}
	must(t, filepath.WalkDir(i.Dir, func(path string, d os.DirEntry, err error) error { return collectText(said, path, d, err) }))
	must(t, filepath.WalkDir(state, func(path string, d os.DirEntry, err error) error { return collectText(said, path, d, err) }))
	if text := said["/metrics"]; !strings.Contains(text, `handover_ticket_key_info{role="encrypts",sha256="`+keys[0].print) {
		t.Errorf("metrics do not tell the keys apart:\n%s", text)
	}
	if !strings.Contains(said["status --json"], keys[2].print) || !strings.Contains(said["status"], keys[2].print) {
		t.Errorf("status does not tell the keys apart:\n%s", said["status"])
	}
	for _, k := range keys {
		raw, err := base64.StdEncoding.DecodeString(k.line)
		must(t, err)
		for where, text := range said {
			if strings.Contains(text, k.line[:16]) || strings.Contains(text, string(raw[:8])) || strings.Contains(strings.ToLower(text), hex.EncodeToString(raw[:8])) {
				t.Errorf("%s holds a ticket key", where)
			}
		}
	}
}

// collectText adds what a file holds.
func collectText(to map[string]string, path string, d os.DirEntry, err error) error {
	if err != nil || !d.Type().IsRegular() {
		return err
	}
	text, err := os.ReadFile(path)
	to[path] = string(text)
	return err
}
