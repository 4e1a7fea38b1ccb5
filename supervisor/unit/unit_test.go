package unit

import (
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/config"
)

// place is a machine on which everything but keys is for everybody.
var place = Place{
	Binary: "/usr/bin/handover",
	Real:   func(path string) string { return path },
	Public: func(path string) bool { return !strings.HasSuffix(path, ".key") },
}

func site(change func(c *config.Config)) *config.Config {
	c := config.Default()
	c.Path = "/etc/handover/config.toml"
	change(c)
	return c
}

// values returns what a unit sets a key to.
func values(text, key string) []string {
	var found []string
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, key+"="); ok {
			found = append(found, strings.TrimSuffix(value, "\n"))
		}
	}
	return found
}

func expect(t *testing.T, text, key string, want ...string) {
	t.Helper()
	if got := values(text, key); !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", key, got, want)
	}
}

func TestTheTimesOfTheUnitAreAroundThoseOfTheConfig(t *testing.T) {
	t.Parallel()
	text := Text(site(func(c *config.Config) {
		c.BootTimeout, c.GracefulTimeout, c.ShutdownDelay = 90*time.Second, time.Minute, 1500*time.Millisecond
	}), place)
	expect(t, text, "TimeoutStartSec", "230s") // two of 10 s + 90 s + 10 s, and 10 s
	expect(t, text, "ExecReload", "/usr/bin/handover reload --timeout 225s -c /etc/handover/config.toml")
	expect(t, text, "TimeoutStopSec", "77s")
}

// By itself systemd gives a service up for good after five starts in ten seconds,
// and one that fails in its boot does so within milliseconds.
func TestAServiceThatCannotBootYetIsTriedAgainForEver(t *testing.T) {
	t.Parallel()
	for _, user := range []bool{false, true} {
		own := place
		own.User = user
		text := Text(site(func(*config.Config) {}), own)
		expect(t, text, "StartLimitIntervalSec", "0")
		expect(t, text, "RestartSec", "1s")
	}
}

func TestWithAUserTheMasterStaysRootWithWhatTheWorkersTake(t *testing.T) {
	t.Parallel()
	text := Text(site(func(c *config.Config) {
		c.User, c.StateDir, c.Listen[0].Address = "www-data", "/srv/state", ":443"
	}), place)
	expect(t, text, "ExecStart", "!/usr/bin/handover run -c /etc/handover/config.toml")
	expect(t, text, "User", "www-data")
	expect(t, text, "CapabilityBoundingSet", "CAP_SETUID CAP_SETGID CAP_KILL CAP_DAC_OVERRIDE CAP_NET_BIND_SERVICE")
	expect(t, text, "AmbientCapabilities")
	expect(t, text, "ExecStartPre", "+/bin/mkdir -p -m 0700 /run/handover /srv/state")
	expect(t, text, "ReadWritePaths", "-/run/handover -/srv/state")
	expect(t, text, "RuntimeDirectory")
	expect(t, text, "SystemCallFilter", "@system-service", "~@privileged @resources", "@setuid")
}

func TestWithoutAUserOrAnythingPrivateTheServiceHasAUserOfTheMoment(t *testing.T) {
	t.Parallel()
	text := Text(site(func(c *config.Config) {
		c.StateDir, c.Log.File, c.Listen[0].Address = "/var/lib/handover/site", "/var/log/handover/log", ":443"
	}), place)
	expect(t, text, "DynamicUser", "yes")
	expect(t, text, "RuntimeDirectory", "handover")
	expect(t, text, "RuntimeDirectoryPreserve", "yes")
	expect(t, text, "StateDirectory", "handover/site")
	expect(t, text, "StateDirectoryMode", "0700")
	expect(t, text, "LogsDirectory", "handover")
	expect(t, text, "AmbientCapabilities", "CAP_NET_BIND_SERVICE")
	expect(t, text, "ReadWritePaths")
	expect(t, text, "ProtectProc")
	// Two of them must not have a folder in common.
	own := Text(site(func(c *config.Config) { c.Control.Socket = "/run/handover/site/control.sock" }), place)
	expect(t, own, "DynamicUser", "yes")
	expect(t, own, "RuntimeDirectory", "handover/site")
	if !strings.Contains(text, "For this service alone") {
		t.Errorf("got\n%s\nwant a word on a second service", text)
	}
}

func TestWhatAUserOfTheMomentCannotDoLeavesTheServiceToRootWithoutRights(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(c *config.Config){
		"a key of root": func(c *config.Config) {
			c.Certificate = []config.Certificate{{CertFile: "/etc/tls/a.crt", KeyFile: "/etc/tls/a.key"}}
		},
		"a hook":               func(c *config.Config) { c.Hooks.Refused = []string{"true"} },
		"a folder of others":   func(c *config.Config) { c.Log.Access = "/var/log/nginx/access.log" },
		"one of a like name":   func(c *config.Config) { c.StateDir = "/var/lib/handovers" },
		"a file in a tmp":      func(c *config.Config) { c.Path = "/tmp/config.toml" },
		"a colon":              func(c *config.Config) { c.StateDir = "/var/lib/handover/site:8443" },
		"a pidfile beside run": func(c *config.Config) { c.PidFile = "/run/handover.pid" },
	} {
		text := Text(site(change), place)
		if len(values(text, "DynamicUser")) != 0 {
			t.Errorf("%s: a dynamic user, want root", name)
		}
		expect(t, text, "CapabilityBoundingSet", "")
		expect(t, text, "SystemCallFilter", "@system-service", "~@privileged @resources")
	}
}

func TestEveryFolderThatIsWrittenToIsWritableAndNoOther(t *testing.T) {
	t.Parallel()
	text := Text(site(func(c *config.Config) {
		c.User, c.PidFile, c.StateDir, c.Control.Socket = "www-data", "/run/a/pid", "/srv/b", "/run/c/control.sock"
		c.Log.File, c.Log.Access, c.Admin.Address = "/var/log/d/log", "/var/log/d/access", "unix:/run/e/admin.sock"
		c.Listen = append(c.Listen, config.Listen{Address: "unix:/run/f g/web.sock"})
	}), place)
	expect(t, text, "ReadWritePaths", `-/run/c -/srv/b -/run/a -/var/log/d -/run/e "-/run/f g"`)
	expect(t, text, "ExecStartPre", "+/bin/mkdir -p -m 0700 /run/c /srv/b", `+/bin/mkdir -p -m 0755 /run/a /var/log/d /run/e "/run/f g"`)
	text = Text(site(func(c *config.Config) { c.User, c.Log.File, c.Log.Access = "www-data", "/dev/null", "-" }), place)
	expect(t, text, "ReadWritePaths", "-/run/handover")
}

func TestEveryServiceOfRootsManagerIsShutInWhateverItsRights(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(c *config.Config){
		"a user": func(c *config.Config) { c.User = "www-data" },
		"keys of root": func(c *config.Config) {
			c.Certificate = []config.Certificate{{CertFile: "/srv/a.crt", KeyFile: "/srv/a.key"}}
		},
		"of the moment": func(*config.Config) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := Text(site(change), place)
			for key, want := range map[string]string{
				"NoNewPrivileges": "yes", "ProtectSystem": "strict", "PrivateTmp": "yes", "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
			} {
				expect(t, text, key, want)
			}
			if got := values(text, "SystemCallFilter"); len(got) < 2 || got[0] != "@system-service" || got[1] != "~@privileged @resources" {
				t.Errorf("SystemCallFilter: got %q, want @system-service less @privileged and @resources first", got)
			}
		})
	}
}

func TestHomesAndTemporaryFoldersAreShutUnlessTheConfigNamesThem(t *testing.T) {
	t.Parallel()
	plain := Text(site(func(*config.Config) {}), place)
	expect(t, plain, "ProtectHome", "yes")
	expect(t, plain, "PrivateTmp", "yes")
	linked := place
	linked.Real = func(path string) string { return strings.Replace(path, "/srv/", "/home/me/", 1) }
	text := Text(site(func(c *config.Config) { c.App.Files, c.PidFile = "/srv/www", "/var/tmp/pid" }), linked)
	expect(t, text, "ProtectHome", "read-only")
	expect(t, text, "PrivateTmp", "no")
}

func TestTheStoreHoldsTheListenersOfTwoGenerationsAndTheLimitWhatIsAsked(t *testing.T) {
	t.Parallel()
	text := Text(site(func(c *config.Config) {
		for range 19 {
			c.Listen = append(c.Listen, c.Listen[0])
		}
		c.Limits.Files = 1 << 20
	}), place)
	expect(t, text, "FileDescriptorStoreMax", "42")
	expect(t, text, "LimitNOFILE", "1048576")
	text = Text(site(func(*config.Config) {}), place)
	expect(t, text, "FileDescriptorStoreMax", "16")
	expect(t, text, "LimitNOFILE")
}

func TestAnAddressOfTheNetworkIsWaitedFor(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		":443": "network.target", "[::]:443": "network.target", "127.0.0.1:8443": "network.target",
		"192.0.2.1:443": "network-online.target", "[2001:db8::1]:443": "network-online.target",
	} {
		expect(t, Text(site(func(c *config.Config) { c.Listen[0].Address = address }), place), "After", want)
	}
}

func TestAUnitOfAUserHasNothingThatOnlyRootsManagerCan(t *testing.T) {
	t.Parallel()
	own := place
	own.User = true
	text := Text(site(func(c *config.Config) { c.User, c.StateDir = "me", "/home/me/state" }), own)
	expect(t, text, "WantedBy", "default.target")
	expect(t, text, "ExecStart", "/usr/bin/handover run -c /etc/handover/config.toml")
	for _, key := range []string{"User", "DynamicUser", "CapabilityBoundingSet", "ProtectSystem", "PrivateTmp", "ReadWritePaths", "ExecStartPre", "After"} {
		expect(t, text, key)
	}
}

func TestPathsAreQuotedAsSystemdReadsThem(t *testing.T) {
	t.Parallel()
	odd := place
	odd.Binary = "/opt/a b/handover"
	text := Text(site(func(c *config.Config) { c.Path = `/etc/100%/$HOME "x"/config.toml` }), odd)
	expect(t, text, "ExecStart", `"/opt/a b/handover" run -c "/etc/100%%/$$HOME \"x\"/config.toml"`)
	if want := `  handover unit -c '/etc/100%/$HOME "x"/config.toml' | sudo tee`; !strings.Contains(text, want) {
		t.Errorf("the command that writes the unit again: got\n%s\nwant %q", text, want)
	}
	text = Text(site(func(c *config.Config) { c.Path = "/etc/a\rb\n\x7f.toml" }), place)
	expect(t, text, "ExecStart", `/usr/bin/handover run -c "/etc/a\x0db\x0a\x7f.toml"`)
	if strings.ContainsAny(text, "\r\x7f") {
		t.Errorf("a control character in the unit:\n%q", text)
	}
}
