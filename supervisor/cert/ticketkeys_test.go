package cert

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/config"
)

// ticketLine is a fresh key as the file has it.
func ticketLine() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	return base64.StdEncoding.EncodeToString(key) + "\n"
}

func encoded(size int) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("0123456789abcdef"), size)[:size])
}

func TestAFileOfTicketKeysIsTakenInItsOrderOrRefusedByItsLine(t *testing.T) {
	t.Parallel()
	one, two := ticketLine(), ticketLine()
	for _, s := range []struct {
		name, file string
		keys       int
		want       string // of the message
	}{
		{"one", one, 1, ""},
		{"two", one + two, 2, ""},
		{"comments, blanks and CRLF", "# of July\r\n\r\n  " + strings.TrimSpace(one) + "\r\n\t# next\n" + two, 2, ""},
		{"no newline at the end", one + strings.TrimSpace(two), 2, ""},
		{"sixteen", ticketLines(16), 16, ""},
		{"seventeen", ticketLines(17), 0, "holds 17 session ticket keys, expected 1 to 16"},
		{"empty", "", 0, "holds 0 session ticket keys, expected 1 to 16"},
		{"of HAProxy", one + encoded(80), 0, "line 2: found 80 bytes in base64, expected 32"},
		{"of nginx", encoded(48), 0, "line 1: found 48 bytes in base64, expected 32"},
		{"short", encoded(31), 0, "line 1: found 31 bytes in base64, expected 32"},
		{"no base64", one + "\n" + strings.Repeat("-", 44), 0, "line 3: found 44 characters that are no base64"},
		{"bits at the end that mean nothing", strings.Repeat("A", 42) + "B=", 0, "line 1: found 44 characters that are no base64"},
		{"zeros", strings.Repeat("A", 43) + "=", 0, "line 1: found 1 different bytes among 32, expected random ones"},
		{"twice", one + two + one, 0, "line 3: is the key of line 1 again"},
		{"cut", one + two[:20], 0, "line 2: found 15 bytes in base64, expected 32"},
	} {
		keys, flaws := ticketKeysIn([]byte(s.file))
		if len(keys) != s.keys || (s.want == "") != (len(flaws) == 0) {
			t.Errorf("%s: got %d keys and %q, want %d keys", s.name, len(keys), flaws, s.keys)
			continue
		}
		if s.want != "" && !strings.Contains(flaws[0].message, s.want) {
			t.Errorf("%s: got %q, want %q", s.name, flaws[0].message, s.want)
		}
	}
	keys, _ := ticketKeysIn([]byte(one + two))
	for i, line := range []string{one, two} {
		if got := base64.StdEncoding.EncodeToString(keys[i]) + "\n"; got != line {
			t.Errorf("key %d: got that of another line", i+1)
		}
	}
}

func ticketLines(n int) (text string) {
	for range n {
		text += ticketLine()
	}
	return text
}

// withTickets is a request for one good pair and a file of ticket keys.
func withTickets(t *testing.T) (r Request, path string) {
	t.Helper()
	a := newAuthority(t)
	dir := t.TempDir()
	chain, key := a.issue(nil)
	write(t, dir+"/a.crt", chain)
	write(t, dir+"/a.key", key)
	path = dir + "/ticket.keys"
	return Request{Sources: []config.Certificate{{CertFile: dir + "/a.crt", KeyFile: dir + "/a.key"}}, TLS: config.TLS{TicketKeys: path}}, path
}

func TestTicketKeysComeWithTheBundleAndDecideWhetherItIsTheSame(t *testing.T) {
	t.Parallel()
	r, path := withTickets(t)
	take := func(text string) *Bundle {
		write(t, path, []byte(text))
		b, checks, err := Take(t.Context(), r)
		if err != nil {
			t.Fatalf("%v: %+v", err, checks)
		}
		t.Cleanup(b.Close)
		return b
	}
	one, two := ticketLine(), ticketLine()
	first, again, other := take(one+two), take("# again\n"+one+two), take(two+one)
	if !first.Same(again) || first.Same(other) || !first.SameTicketKeys(again) || first.SameTicketKeys(other) {
		t.Error("bundles: want the same keys to be the same, and not in another order")
	}
	if len(first.Certificates) != 1 || len(first.TicketKeys()) != 2 || len(first.Changed(other)) != 0 {
		t.Errorf("got %d certificates and %d ticket keys, want 1 and 2", len(first.Certificates), len(first.TicketKeys()))
	}
	f, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", first.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	reopened, err := Open(f)
	if err != nil {
		t.Fatal(err)
	}
	defer reopened.Close()
	if !reopened.SameTicketKeys(first) {
		t.Error("after a trip through sealed memory: got other keys")
	}
	for text, want := range map[string]string{two + one: DiskSame, one: DiskChanged, "x": DiskUnreadable} {
		write(t, path, []byte(text))
		if got := Drift(r.Sources, r.TLS, other)[nameTicketKeys].State; got != want {
			t.Errorf("drift: got %q, want %q", got, want)
		}
	}
}

func TestAFileOfTicketKeysIsHeldToWhatAPrivateKeyIsAndNeverQuoted(t *testing.T) {
	t.Parallel()
	good := ticketLine() + ticketLine()
	torn := good + ticketLine()[:43]
	for _, s := range []struct {
		name, text string
		mode       os.FileMode
		groups     bool
		want       string // the check and its severity
	}{
		{"good", good, 0o600, false, ""},
		{"world-readable", good, 0o644, false, "file.key_world_readable warn"},
		{"group-readable", good, 0o640, false, "file.key_group_readable warn"},
		{"readable by a listed group", good, 0o640, true, "file.key_group_readable info"},
		{"writable by others", good, 0o622, false, "file.writable_by_others refuse"},
		{"torn", torn, 0o600, false, "tickets.keys refuse"},
		{"too large", strings.Repeat(good, 20_000), 0o600, false, "file.too_large refuse"},
	} {
		r, path := withTickets(t)
		write(t, path, []byte(s.text))
		if err := os.Chmod(path, s.mode); err != nil {
			t.Fatal(err)
		}
		if s.groups {
			r.TLS.KeyGroups = []string{fmt.Sprint(os.Getegid())}
		}
		_, checks, err := later(t, r).take(t.Context())
		var got []string
		for _, c := range checks {
			if c.Certificate == nameTicketKeys {
				got = append(got, c.Name+" "+c.Severity)
			}
			said, _ := json.Marshal(c)
			for line := range strings.Lines(s.text) {
				if strings.Contains(string(said), line[:12]) {
					t.Errorf("%s: a finding quotes a key: %s", s.name, said)
				}
			}
		}
		if (s.want == "") != (len(got) == 0) || s.want != "" && !slices.Contains(got, s.want) {
			t.Errorf("%s: got %q, want %q", s.name, got, s.want)
		}
		if refused := strings.HasSuffix(s.want, "refuse"); refused != (err != nil) {
			t.Errorf("%s: got %v, want refused %v", s.name, err, refused)
		}
	}
}

func TestATornFileOfTicketKeysIsWaitedForWhileItIsYoung(t *testing.T) {
	t.Parallel()
	r, path := withTickets(t)
	write(t, path, []byte(ticketLine()[:20]))
	looks := 0
	now := time.Now()
	k := &taker{Request: r, now: func() time.Time { return now }}
	k.wait = func(context.Context, time.Duration) {
		if looks++; looks == 3 {
			write(t, path, []byte(ticketLine()))
		}
	}
	b, checks, err := k.take(t.Context())
	if err != nil || looks != 3 {
		t.Fatalf("after %d looks: %v, %+v; want it taken after 3", looks, err, checks)
	}
	b.Close()
}

// FuzzTicketKeys reads whatever a file of ticket keys may hold.
func FuzzTicketKeys(f *testing.F) {
	f.Add([]byte(ticketLine() + "# x\r\n\n" + ticketLine()))
	f.Add([]byte(encoded(48)))
	f.Add([]byte("\x00\n=\n#"))
	f.Add([]byte(ticketLines(20)))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, flaws := ticketKeysIn(text)
		if (len(keys) == 0) == (len(flaws) == 0) || len(keys) > mostTicketKeys || len(flaws) > mostParts {
			t.Fatalf("got %d keys and %d flaws, want some of one, within bounds", len(keys), len(flaws))
		}
		var back string
		for _, key := range keys {
			if len(key) != 32 {
				t.Fatalf("got a key of %d bytes, want 32", len(key))
			}
			back += base64.StdEncoding.EncodeToString(key) + "\n"
		}
		if again, _ := ticketKeysIn([]byte(back)); !slices.EqualFunc(again, keys, bytes.Equal) {
			t.Error("written anew and read again: got other keys")
		}
		for _, flaw := range flaws {
			if flaw.message == "" || flaw.hint == "" || len(flaw.message)+len(flaw.hint) > 400 {
				t.Errorf("message %q, hint %q; want both, of bounded length", flaw.message, flaw.hint)
			}
		}
	})
}
