package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestTwoListenersOnOneAddressAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"127.0.0.1:443", "127.0.0.1:443", true},
		{"127.0.0.1:443", "127.0.0.1:0443", true},
		{"127.0.0.1:443", "localhost:443", true},
		{"127.0.0.1:443", "[::ffff:127.0.0.1]:443", true},
		{"0.0.0.0:443", "127.0.0.1:443", true},
		{"127.0.0.1:443", ":443", true},
		{"[::]:443", "127.0.0.1:443", true},
		{"0.0.0.0:443", "[::]:443", true},
		{"[::1]:443", "[0:0:0:0:0:0:0:1]:443", true},
		{"Example.org:443", "example.ORG:443", true},
		{"unix:/run/a", "unix:/run/./a", true},
		{"127.0.0.1:443", "127.0.0.1:444", false},
		{"127.0.0.1:443", "127.0.0.2:443", false},
		{"127.0.0.1:443", "[::1]:443", false},
		{":443", ":80", false},
		{"unix:/run/a", "unix:/run/b", false},
		{"unix:/run/a", ":443", false},
	} {
		text := fmt.Sprintf("[[listen]]\naddress = %q\n[[listen]]\naddress = %q", tt.a, tt.b)
		if !tt.same {
			accept(t, text)
			continue
		}
		all := refuse(t, text)
		if len(all) != 1 || all[0].Line != 4 || !strings.Contains(all[0].Message, "which listen[0]") {
			t.Errorf("%s and %s: got %+v, want one problem with line 4", tt.a, tt.b, all)
		}
	}
}

func TestHostNamesAreTold(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"localhost": true, "example.org": true, "EXAMPLE.org": true, "a_b.c-d.e": true, "xn--bcher-kva.de": true,
		"127.0.0.1": true, "::1": true, "1e100.net": true,
		"": false, ".": false, "a..b": false, ".a": false, "a.": false, "-a": false, "a-": false, "a b": false, "ä": false,
		"1.2.3": false, "*": false, "*.a": false, "a\n": false,
		strings.Repeat("a", 63): true, strings.Repeat("a", 64): false, strings.Repeat("a.", 127) + "a": false,
	} {
		if got := validHost(name); got != want {
			t.Errorf("%q: got %t, want %t", name, got, want)
		}
	}
}

func TestTheDefaultControlSocketIsNamedAfterTheFile(t *testing.T) {
	t.Parallel()
	long := "/" + strings.Repeat("x", 100)
	for _, tt := range []struct {
		name, config  string
		uid           int
		runtime, temp string
		want          string
	}{
		{"root", "/etc/web.toml", 0, "/run/user/0", "/tmp", "/run/handover/web-9dd80a25.sock"},
		{"root without a file", "", 0, "", "/tmp", "/run/handover/handover.sock"},
		{"user", "", 1000, "/run/user/1000", "/tmp", "/run/user/1000/handover/handover.sock"},
		{"user without a session", "", 1000, "", "/var/tmp", "/var/tmp/handover-1000/handover.sock"},
		{"relative runtime folder", "", 1000, "run", "/tmp", "/tmp/handover-1000/handover.sock"},
		{"long runtime folder", "", 1000, long, "/tmp", "/tmp/handover-1000/handover.sock"},
		{"long temporary folder", "", 1000, "", long, "/tmp/handover-1000/handover.sock"},
	} {
		if got := defaultSocket(tt.config, tt.uid, tt.runtime, tt.temp); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	if a, b := socketName("/a/config.toml"), socketName("/b/config.toml"); a == b {
		t.Errorf("two folders: got %q for both, want two names", a)
	}
	got := defaultSocket("/etc/"+strings.Repeat("ü", 120)+".toml", 0, "", "")
	if len(got) > maxSocket {
		t.Errorf("long name: got %d bytes, want at most %d", len(got), maxSocket)
	}
}

func TestTheRuntimeDirectoryOfAUnitIsTakenWhereCommandsLookOutsideOfIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ unit, session, want string }{
		{"/run/handover", "", "/run"},
		{"/run/other:/run/handover", "", "/run"},
		{"/run/user/1000/handover", "/run/user/1000", "/run/user/1000"},
		{"/run/other", "/run/user/1000", "/run/user/1000"},
		{"handover", "", ""},
		{"", "/run/user/1000", "/run/user/1000"},
	} {
		if got := unitRuntime(tt.unit, tt.session); got != tt.want {
			t.Errorf("%q in session %q: got %q, want %q", tt.unit, tt.session, got, tt.want)
		}
	}
	inside := defaultSocket("/etc/web.toml", 1000, unitRuntime("/run/handover", ""), "/tmp")
	if outside := defaultSocket("/etc/web.toml", 0, "", "/tmp"); inside != outside {
		t.Errorf("the unit opens %q, root asks %q; want one path", inside, outside)
	}
}

func TestTheConfiguredControlSocketIsTaken(t *testing.T) {
	t.Parallel()
	c := accept(t, "[control]\nsocket = \"/tmp/c.sock\"")
	if got := c.ControlSocket(); got != "/tmp/c.sock" {
		t.Errorf("got %q, want /tmp/c.sock", got)
	}
	if got, again := Default().ControlSocket(), Default().ControlSocket(); got != again || !strings.HasSuffix(got, "/handover.sock") {
		t.Errorf("got %q and %q, want the same one for all who ask", got, again)
	}
}
