package config

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write puts a config file into a fresh folder and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// accept loads a config that is right.
func accept(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Load(write(t, text))
	if err != nil {
		t.Fatalf("load: got %v, want no error", err)
	}
	return c
}

// refuse loads a config that is wrong.
func refuse(t *testing.T, text string) []Problem {
	t.Helper()
	c, err := Load(write(t, text))
	var all *Error
	if !errors.As(err, &all) || c != nil {
		t.Fatalf("load: got %v and %v, want nil and an *Error", c, err)
	}
	return all.Problems
}

func TestLoadOfNothingIsTheDefault(t *testing.T) {
	t.Parallel()
	got, err := Load("")
	if err != nil || !reflect.DeepEqual(got, Default()) {
		t.Errorf("got %+v and %v, want %+v", got, err, Default())
	}
}

func TestLoadOfAnEmptyFileIsTheDefaultWithAPath(t *testing.T) {
	t.Parallel()
	file := write(t, "\n# nothing here\n")
	got, err := Load(file)
	want := Default()
	want.Path = file
	if err != nil || !reflect.DeepEqual(withoutLines(got), want) {
		t.Errorf("got %+v and %v, want %+v", got, err, want)
	}
}

// withoutLines returns a copy of c that does not know where its keys stood.
func withoutLines(c *Config) *Config {
	if c == nil {
		return nil
	}
	changed := *c
	changed.lines = nil
	return &changed
}

func TestDefaultPassesItsOwnChecks(t *testing.T) {
	t.Parallel()
	r := &reader{dir: t.TempDir()}
	c := Default()
	r.check(c)
	if err := failure(r.problems); err != nil || !reflect.DeepEqual(c, Default()) {
		t.Errorf("got %+v and %v, want it unchanged and no error", c, err)
	}
}

func TestLoadMakesItsPathAbsolute(t *testing.T) {
	t.Chdir(filepath.Dir(write(t, "workers = 2"))) // so not parallel
	want, err := filepath.Abs("config.toml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load("./config.toml")
	if err != nil || c.Path != want {
		t.Errorf("got %+v and %v, want path %q", c, err, want)
	}
}

func TestLoadResolvesRelativePathsAgainstTheFile(t *testing.T) {
	t.Parallel()
	file := write(t, `
pidfile = "run/handover.pid"
state_dir = "state"
[[listen]]
address = "unix:run/web.sock"
[[listen]]
address = "unix:///tmp/other.sock"
[[certificate]]
certfile = "./pki/cert.pem"
keyfile = "../key.pem"
[[certificate]]
dir = "./pairs"
[tls]
client_ca = "ca.pem"
ticket_keys = "ticket.keys"
verify = "roots.pem"
[app]
files = "public"
[log]
file = "log/handover.log"
[control]
socket = "run/control.sock"
`)
	dir := filepath.Dir(file)
	if err := os.Mkdir(filepath.Join(dir, "public"), 0o700); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ key, got, want string }{
		{"pidfile", c.PidFile, dir + "/run/handover.pid"},
		{"listen[0].address", c.Listen[0].Address, "unix:" + dir + "/run/web.sock"},
		{"listen[1].address", c.Listen[1].Address, "unix:/tmp/other.sock"},
		{"certfile", c.Certificate[0].CertFile, dir + "/pki/cert.pem"},
		// Not cleaned: dir might be a link.
		{"keyfile", c.Certificate[0].KeyFile, dir + "/../key.pem"},
		{"state_dir", c.StateDir, dir + "/state"},
		{"dir", c.Certificate[1].Dir, dir + "/pairs"},
		{"tls.client_ca", c.TLS.ClientCA, dir + "/ca.pem"},
		{"tls.ticket_keys", c.TLS.TicketKeys, dir + "/ticket.keys"},
		{"tls.verify", c.TLS.Verify, dir + "/roots.pem"},
		{"app.files", c.App.Files, dir + "/public"},
		{"log.file", c.Log.File, dir + "/log/handover.log"},
		{"control.socket", c.ControlSocket(), dir + "/run/control.sock"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.key, tt.got, tt.want)
		}
	}
}

func TestLoadKeepsAbsentKeysOfAListenerAtTheirDefaults(t *testing.T) {
	t.Parallel()
	c := accept(t, "[[listen]]\naddress = \":443\"\n[[listen]]\naddress = \"localhost:080\"\ntls = false\nmode = \"0600\"\nbacklog = 7")
	want := []Listen{
		{Address: ":443", TLS: true, Mode: "0660"},
		{Address: "localhost:80", Mode: "0600", Backlog: 7},
	}
	if !reflect.DeepEqual(c.Listen, want) {
		t.Errorf("got %+v, want %+v", c.Listen, want)
	}
}

func TestTheDefaultCertificateIsOnlyForTLSWithoutAny(t *testing.T) {
	t.Parallel()
	const plain, pair = "[[listen]]\naddress=\":80\"\ntls=false\n", "[[certificate]]\ncertfile=\"c\"\nkeyfile=\"k\"\n"
	for _, tt := range []struct {
		name, text string
		want       int
	}{
		{"plaintext only", plain, 0},
		{"plaintext only, with a certificate", plain + pair, 1},
		{"tls without a certificate", "[[listen]]\naddress=\":443\"", 1},
		{"tls with a certificate", pair, 1},
	} {
		c := accept(t, tt.text)
		if len(c.Certificate) != tt.want {
			t.Errorf("%s: got %+v, want %d", tt.name, c.Certificate, tt.want)
		}
		for _, got := range c.Certificate {
			if made := len(got.SelfSigned) > 0; made != (tt.text == "[[listen]]\naddress=\":443\"") {
				t.Errorf("%s: got %+v, want the one of the file if there is one", tt.name, got)
			}
		}
	}
}

func TestACertificateIsCalledAfterItsFirstName(t *testing.T) {
	t.Parallel()
	c := accept(t, `
[[certificate]]
certfile = "a"
keyfile = "a"
server_names = ["example.org", "www.example.org"]
[[certificate]]
self_signed = ["127.0.0.1"]
[[certificate]]
certfile = "b"
keyfile = "b"
[[certificate]]
name = "mine"
certfile = "c"
keyfile = "c"
server_names = ["*.example.org", "::1"]
`)
	want := []string{"example.org", "127.0.0.1", "", "mine"}
	for i, got := range c.Certificate {
		if got.Name != want[i] {
			t.Errorf("certificate %d: got name %q, want %q", i, got.Name, want[i])
		}
	}
}

func TestAccountsMayBeGivenByNumber(t *testing.T) {
	t.Parallel()
	c := accept(t, "user = \"0\"\ngroup = \"0\"")
	if c.User != "root" || c.Group != "root" {
		t.Errorf("got %q and %q, want root and root", c.User, c.Group)
	}
}

func TestConfigSurvivesJSON(t *testing.T) {
	t.Parallel()
	full := accept(t, `
workers = 3
keepalive_grace = "0s"
graceful_timeout = "1h30m"
health_path = "/healthz?deep=1"
state_dir = "state"
on_bad_start = "last_good"
listen = [{address = "[::1]:443"}, {address = "127.0.0.1:443", tls = false}]
[[certificate]]
certfile = "a.pem"
keyfile = "a.key"
server_names = ["example.org"]
[[certificate]]
dir = "pairs"
[tls]
min_version = "1.3"
reload = "watch"
sni = "san"
client_ca = "ca.pem"
verify = "system"
tickets = "0s"
key_groups = ["root", "4242"]
checks = {"file.key_world_readable" = "warn", "pair.mismatch" = "refuse"}
[app]
command = ["sh", "-c", "exit"]
[hooks]
done = ["a", "b"]
refused = ["c"]
expiring = ["d"]
`)
	empty := accept(t, "listen = []\n[hooks]\ndone = []\n[tls]\nkey_groups = []\n[tls.checks]\n[app]\ncommand = []\n[[certificate]]\nself_signed = [\"a\"]\nserver_names = []")
	for _, want := range []*Config{Default(), full, empty} {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got := new(Config)
		if err := json.Unmarshal(text, got); err != nil {
			t.Fatal(err)
		}
		if want := withoutLines(want); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestWhatANeighbouringReleaseAcceptedHasTheDefaultsOfThisOne(t *testing.T) {
	t.Parallel()
	got := new(Config)
	if err := json.Unmarshal([]byte(`{"Path":"/c","Workers":3,"BootTimeout":7,"TLS":{"MinVersion":"1.3","Tickets":0}}`), got); err != nil {
		t.Fatal(err)
	}
	want := base()
	want.Path, want.Workers, want.BootTimeout, want.TLS.MinVersion, want.TLS.Tickets = "/c", 3, 7, "1.3", 0
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestFindPrefersFlagThenEnvironmentThenFolder(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir) // so not parallel
	t.Setenv(FileVariable, "")
	check := func(flag, want string) {
		t.Helper()
		if got := Find(flag); got != want {
			t.Errorf("find %q: got %q, want %q", flag, got, want)
		}
	}
	check("", "")
	if err := os.Symlink("nowhere", filepath.Join(dir, "config.toml")); err != nil {
		t.Fatal(err)
	}
	check("", "config.toml") // to be complained about, not passed over
	t.Setenv(FileVariable, "/etc/env.toml")
	check("", "/etc/env.toml")
	check("flag.toml", "flag.toml")
}

func TestLoadSaysWhyAFileCannotBeRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	huge := write(t, "#"+string(make([]byte, maxSize)))
	for _, tt := range []struct{ file, want string }{
		{dir + "/absent.toml", dir + "/absent.toml: read config: no such file or directory"},
		{dir, dir + ": read config: found a directory, expected a file"},
		{huge, huge + ": read config: longer than 1048576 bytes"},
	} {
		_, err := Load(tt.file)
		var all *Error
		if !errors.As(err, &all) || err.Error() != tt.want {
			t.Errorf("got %v, want an *Error: %s", err, tt.want)
		}
	}
}
