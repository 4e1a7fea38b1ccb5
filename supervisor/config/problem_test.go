package config

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const somePair = "certfile = \"c\"\nkeyfile = \"k\"\n"

var tooLong = strings.Repeat("x", 108)

// refusals has every refusal: the line, the key, a part of the message and a
// part of the hint.
var refusals = []struct {
	name, text string
	line       int
	key        string
	message    string
	hint       string
}{
	// Syntax.
	{"syntax", "workers = 1\nlog = [", 2, "log", "invalid TOML: ", ""},
	{"twice", "workers = 1\nworkers = 2", 2, "workers", "invalid TOML: ", "leave one of them out"},
	{"UTF-16", "w\x00o\x00", 1, "", "invalid TOML: ", "in UTF-8"},

	// Unknown keys.
	{"unknown", "\nworker = 1", 2, "worker", `unknown key "worker"`, `did you mean "workers"?`},
	{"unknown and upper case", "Workers = 1", 1, "Workers", `unknown key "Workers"`, `did you mean "workers"?`},
	{"unknown in a table", "[log]\nlevle = \"info\"", 2, "log.levle", `unknown key "log.levle"`, `did you mean "level"?`},
	{"unknown in the second of a kind", "[[listen]]\naddress = \":1\"\n[[listen]]\naddress = \":2\"\nadress = \"\"", 5, "listen[1].adress", `unknown key "listen[1].adress"`, `did you mean "address"?`},
	{"unknown and nothing like it", "frobnicate = 1", 1, "frobnicate", `unknown key "frobnicate"`, ""},
	{"unknown table", "[tsl]", 1, "tsl", `unknown key "tsl"`, `did you mean "tls"?`},
	{"top key below a table", "[log]\nworkers = 1", 2, "log.workers", `unknown key "log.workers"`, `"workers" belongs at the top of the file`},
	{"table key at the top", "certfile = \"c\"", 1, "certfile", `unknown key "certfile"`, `"certfile" belongs under [[certificate]]`},

	// Types.
	{"string for integer", "workers = \"four\"", 1, "workers", `key "workers": found string "four", expected integer`, ""},
	{"quoted integer", "workers = \"4\"", 1, "workers", `found string "4", expected integer`, "leave out the quotes"},
	{"float for integer", "workers = 1.5", 1, "workers", "found float 1.5, expected integer", ""},
	{"quoted boolean", "[[listen]]\naddress = \":1\"\ntls = \"true\"", 3, "listen[0].tls", `found string "true", expected boolean`, "leave out the quotes"},
	{"integer for string", "[[listen]]\naddress = 443", 2, "listen[0].address", "found integer 443, expected string", `write "443"`},
	{"date for string", "user = 2026-01-01", 1, "user", "found date or time, expected string", ""},
	{"array for string", "user = []", 1, "user", "found array, expected string", ""},
	{"string for array", "[app]\ncommand = \"sh -c exit\"", 2, "app.command", `found string "sh -c exit", expected array of strings`, `write ["sh", "-c", "exit"]`},
	{"integer in array", "[app]\ncommand = [\"sleep\",\n 5]", 3, "app.command[1]", "found integer 5, expected string", `write "5"`},
	{"table for array of tables", "[listen]\naddress = \":1\"", 1, "listen", "found table, expected array of tables", "write [[listen]]"},
	{"array of tables for table", "[[log]]", 1, "log", "found array of tables, expected table", "write [log]"},
	{"string for table", "log = \"x\"", 1, "log", `found string "x", expected table`, ""},
	{"dotted check without quotes", "[tls.checks]\npair.mismatch = \"warn\"", 2, "tls.checks.pair", "found a table, expected a string", `write "pair.mismatch" = "warn"`},
	{"check that is no string", "[tls.checks]\nx = false", 2, "tls.checks.x", "found boolean false, expected string", `write "false"`},

	// Sizes.
	{"size without unit", "max_memory = \"512\"", 1, "max_memory", `found "512", expected a size such as "512MiB"`, `did you mean "512MiB"?`},
	{"size without quotes", "max_memory = 512", 1, "max_memory", `found integer 512, expected a size such as "512MiB"`, `did you mean "512MiB"?`},
	{"size in short", "max_memory = \"512M\"", 1, "max_memory", `found "512M", expected a size`, `did you mean "512MiB"?`},
	{"size in words", "max_memory = \"much\"", 1, "max_memory", `found "much", expected a size`, `a whole number and a unit`},
	{"size that is a boolean", "max_memory = true", 1, "max_memory", "found boolean true, expected size such as", ""},
	{"size that is too large", "max_memory = \"9999999TiB\"", 1, "max_memory", `found "9999999TiB", expected a size`, "a whole number and a unit"},
	{"memory too small for a worker", "max_memory = \"1MiB\"", 1, "max_memory", "found 1MiB, expected at least 16MiB", ""},
	{"header too small", "[limits]\nheader_size = \"10B\"", 2, "limits.header_size", "found 10B, expected 1KiB to 16MiB", ""},

	// Lives and limits.
	{"timeout too short", "timeout = \"1s\"", 1, "timeout", "found 1s, expected 0s (never) or at least 2s", ""},
	{"negative timeout", "timeout = \"-1s\"", 1, "timeout", "found -1s, expected 0s or more", ""},
	{"negative delay", "shutdown_delay = \"-1s\"", 1, "shutdown_delay", "found -1s, expected 0s or more", ""},
	{"negative requests", "max_requests = -1", 1, "max_requests", "found -1, expected 0 (never) or more", ""},
	{"jitter alone", "max_requests_jitter = 5", 1, "max_requests_jitter", "found 5 without max_requests", "set max_requests"},
	{"no time for headers", "[limits]\nheader = \"0s\"", 2, "limits.header", "found 0s, expected more than 0s", ""},
	{"negative pause", "[limits]\nbody = \"-1s\"", 2, "limits.body", "found -1s, expected 0s (for ever)", ""},
	{"negative connections", "[limits]\nconnections = -1", 2, "limits.connections", "found -1, expected 0", ""},
	{"too few files", "[limits]\nfiles = 3", 2, "limits.files", "found 3, expected 0 (as many as the system allows) or at least 64", ""},
	{"umask in decimal", "umask = \"0029\"", 1, "umask", `found "0029", expected an octal mask`, ""},
	{"admin on a listener's port", "[[listen]]\naddress = \"127.0.0.1:1\"\n[admin]\naddress = \":1\"", 4, "admin.address", `found ":1", which listen[0] with "127.0.0.1:1" takes already`, "give it a port of its own"},
	{"access log into the log of a certificate", "[[certificate]]\ncertfile = \"c\"\nkeyfile = \"k\"\n[log]\naccess = \"c\"", 2, "certificate[0].certfile", `which "log.access" names already`, "give each a path of its own"},

	// Durations.
	{"duration without unit", "boot_timeout = \"30\"", 1, "boot_timeout", `found "30", expected a duration such as "30s"`, `did you mean "30s"?`},
	{"duration without quotes", "boot_timeout = 30", 1, "boot_timeout", `found integer 30, expected a duration such as "30s"`, `did you mean "30s"?`},
	{"duration in words", "boot_timeout = \"soon\"", 1, "boot_timeout", `found "soon", expected a duration`, `a number and a unit: "500ms"`},
	{"duration that is a float", "boot_timeout = 1.5", 1, "boot_timeout", "found float 1.5, expected duration", ""},
	{"no boot_timeout", "boot_timeout = \"0s\"", 1, "boot_timeout", "found 0s, expected more than 0s", ""},
	{"no graceful_timeout", "graceful_timeout = \"0s\"\nkeepalive_grace = \"0s\"", 1, "graceful_timeout", "found 0s, expected more than 0s", ""},
	{"negative keepalive_grace", "keepalive_grace = \"-1s\"", 1, "keepalive_grace", "found -1s, expected 0s or more", ""},
	{"duration of years", "boot_timeout = \"10000h\"", 1, "boot_timeout", "expected at most 720h0m0s", ""},
	{"grace longer than all", "keepalive_grace = \"31s\"", 1, "keepalive_grace", "found 31s, expected at most graceful_timeout, which is 30s", "part of graceful_timeout"},

	// Numbers and names.
	{"negative workers", "workers = -1", 1, "workers", "found -1, expected 0 to 1024", "one per CPU"},
	{"too many workers", "workers = 1025", 1, "workers", "found 1025, expected 0 to 1024", ""},
	{"no draining", "max_draining = 0", 1, "max_draining", "found 0, expected 1 or more", ""},
	{"health_path without slash", "health_path = \"healthz\"", 1, "health_path", `found "healthz", expected a path such as "/healthz"`, ""},
	{"health_path with a space", "health_path = \"/a b\"", 1, "health_path", "expected a path", ""},
	{"user", "user = \"no-such-user\"", 1, "user", `found "no-such-user", expected a user of this machine: there is none of that name`, ""},
	{"user by number", "user = \"4242424\"", 1, "user", "there is none of that name", ""},
	{"group", "group = \"no-such-group\"", 1, "group", `found "no-such-group", expected a group of this machine: there is none of that name`, ""},
	{"path with a zero byte", "pidfile = \"a\\u0000\"", 1, "pidfile", "it holds a zero byte", ""},

	// Listeners.
	{"no address", "\n[[listen]]\ntls = true", 2, "listen[0].address", "found nothing, expected host:port or unix:/path", ""},
	{"only a port", "[[listen]]\naddress = \"443\"", 2, "listen[0].address", `found "443", expected host:port`, `did you mean ":443"?`},
	{"only a host", "[[listen]]\naddress = \"example.org\"", 2, "listen[0].address", `found "example.org", expected host:port`, `add a port: "example.org:443"`},
	{"only an IPv6 address", "[[listen]]\naddress = \"::1\"", 2, "listen[0].address", "expected host:port", `add a port: "[::1]:443"`},
	{"star", "[[listen]]\naddress = \"*:443\"", 2, "listen[0].address", "expected host:port", `write ":443"`},
	{"scheme", "[[listen]]\naddress = \"quic://:443/\"", 2, "listen[0].address", "expected host:port", `leave out the scheme: ":443"`},
	{"udp", "[[listen]]\naddress = \"udp::443\"", 2, "listen[0].address", `found "udp::443", expected host:port or unix:/path`, ""},
	{"mistyped address", "[[listen]]\naddress = \"127.0.0.300:443\"", 2, "listen[0].address", "expected host:port", ""},
	{"port by name", "[[listen]]\naddress = \":https\"", 2, "listen[0].address", `found port "https", expected a number from 1 to 65535`, ""},
	{"port too large", "[[listen]]\naddress = \":65536\"", 2, "listen[0].address", `found port "65536"`, ""},
	{"port 0", "[[listen]]\naddress = \"127.0.0.1:0\"", 2, "listen[0].address", "could not be found again after a handover", "name the port"},
	{"unix without path", "[[listen]]\naddress = \"unix:\"", 2, "listen[0].address", `found "", expected the path of a socket`, ""},
	{"abstract", "[[listen]]\naddress = \"unix:@web\"", 2, "listen[0].address", "abstract sockets", ""},
	{"long unix", "[[listen]]\naddress = \"unix:/" + tooLong + "\"", 2, "listen[0].address", "found a path of 109 bytes, expected at most 107", "shorter"},
	{"mode", "[[listen]]\naddress = \":1\"\nmode = \"0680\"", 3, "listen[0].mode", `found "0680", expected an octal mode`, ""},
	{"mode too large", "[[listen]]\naddress = \":1\"\nmode = \"1777\"", 3, "listen[0].mode", "expected an octal mode", ""},
	{"backlog", "[[listen]]\naddress = \":1\"\nbacklog = -1", 3, "listen[0].backlog", "found -1, expected 0", ""},
	{"long control socket", "[control]\nsocket = \"/" + tooLong + "\"", 2, "control.socket", "found a path of 109 bytes, expected at most 107", ""},
	{"pidfile over a key", "pidfile = \"k\"\n[[certificate]]\n" + somePair, 4, "certificate[0].keyfile", `which "pidfile" names already`, "a path of its own"},
	{"log in the pidfile", "pidfile = \"p\"\n[log]\nfile = \"./p\"", 3, "log.file", `which "pidfile" names already`, "a path of its own"},
	{"control socket of a listener", "listen = [{address = \"unix:/tmp/a\"}]\n[control]\nsocket = \"/tmp/./a\"", 3, "control.socket", "which listen[0] takes already", ""},

	// Certificates and tls.
	{"neither", "[[certificate]]\nname = \"a\"", 1, "certificate[0]", "found neither files, dir nor self_signed, expected certfile and keyfile, dir, or self_signed", ""},
	{"both", "[[certificate]]\n" + somePair + "self_signed = [\"a\"]", 1, "certificate[0]", "found files and self_signed", "for development"},
	{"no keyfile", "[[certificate]]\ncertfile = \"c\"", 1, "certificate[0]", "found certfile without keyfile", "name it twice"},
	{"no certfile", "[[certificate]]\nkeyfile = \"k\"", 1, "certificate[0]", "found keyfile without certfile", "name it twice"},
	{"one name twice", "[[certificate]]\nname = \"a\"\n" + somePair + "[[certificate]]\nname = \"a\"\n" + somePair, 6, "certificate[1].name", `found "a", which certificate[0] is called already`, "a name of its own"},
	{"one derived name twice", "[[certificate]]\nself_signed = [\"a\"]\n[[certificate]]\nself_signed = [\"a\"]", 3, "certificate[1].name", `found "a", which certificate[0]`, ""},
	{"server name", "[[certificate]]\n" + somePair + "server_names = [\"a\", \"a b\"]", 4, "certificate[0].server_names[1]", `found "a b", expected a host name or an address`, ""},
	{"server name with a dot", "[[certificate]]\n" + somePair + "server_names = [\"a.\"]", 4, "certificate[0].server_names[0]", `found "a."`, "leave out the dot"},
	{"server name with a port", "[[certificate]]\n" + somePair + "server_names = [\"a:443\"]", 4, "certificate[0].server_names[0]", `found "a:443"`, "neither scheme nor port"},
	{"server name not in ASCII", "[[certificate]]\n" + somePair + "server_names = [\"bücher.de\"]", 4, "certificate[0].server_names[0]", "expected a host name", "xn--"},
	{"self-signed for nobody", "[[certificate]]\nself_signed = [\"\"]", 2, "certificate[0].self_signed[0]", `found ""`, ""},
	{"name of control characters", "[[certificate]]\nname = \"a\\u001b\"\n" + somePair, 2, "certificate[0].name", `found "a\x1b", expected at most 255 bytes that can be printed`, ""},
	{"long name", "[[certificate]]\nname = \"" + strings.Repeat("a", 256) + "\"\n" + somePair, 2, "certificate[0].name", `a", expected at most 255 bytes`, ""},
	{"dir and files", "[[certificate]]\ndir = \"d\"\n" + somePair, 1, "certificate[0]", "found files and dir, expected certfile and keyfile, dir, or self_signed", "of its own"},
	{"dir and self_signed", "[[certificate]]\ndir = \"d\"\nself_signed = [\"a\"]", 1, "certificate[0]", "found dir and self_signed", "for development"},
	{"dir with a name", "[[certificate]]\ndir = \"d\"\nname = \"a\"", 3, "certificate[0].name", `found "a" with dir, expected none`, "leave it out"},
	{"dir with server names", "[[certificate]]\ndir = \"d\"\nserver_names = [\"a\"]", 3, "certificate[0].server_names", "found names with dir, expected none", "of its own"},
	{"one dir twice", "[[certificate]]\ndir = \"d\"\n[[certificate]]\ndir = \"./d/\"", 4, "certificate[1].dir", "which certificate[0] names already", "once"},
	{"dir with a zero byte", "[[certificate]]\ndir = \"d\\u0000\"", 2, "certificate[0].dir", "it holds a zero byte", ""},
	{"reload", "[tls]\nreload = \"watched\"", 2, "tls.reload", `found "watched", expected signal or watch`, `did you mean "watch"?`},
	{"sni", "[tls]\nsni = \"loose\"", 2, "tls.sni", `found "loose", expected lenient, strict or san`, ""},
	{"client_ca", "[tls]\nclient_ca = \"a\\u0000\"", 2, "tls.client_ca", "it holds a zero byte", ""},
	{"client_ca as pidfile", "pidfile = \"p\"\n[tls]\nclient_ca = \"p\"", 3, "tls.client_ca", `which "pidfile" names already`, "a path of its own"},
	{"verify", "[tls]\nverify = \"sytem\"", 2, "tls.verify", `found "sytem", expected off, system or the path of a file of roots`, `did you mean "system"?`},
	{"verify with a lone word", "[tls]\nverify = \"roots\"", 2, "tls.verify", `found "roots"`, `"./roots"`},
	{"verify with nothing", "[tls]\nverify = \"\"", 2, "tls.verify", `found "", expected off`, ""},
	{"tickets too short", "[tls]\ntickets = \"59s\"", 2, "tls.tickets", "found 59s, expected 0s, or 1m0s to 168h0m0s", "no session tickets"},
	{"tickets too long", "[tls]\ntickets = \"169h\"", 2, "tls.tickets", "found 169h0m0s", "no session tickets"},
	{"negative tickets", "[tls]\ntickets = \"-1m\"", 2, "tls.tickets", "found -1m0s", "no session tickets"},
	{"ticket_keys", "[tls]\nticket_keys = \"a\\u0000\"", 2, "tls.ticket_keys", "it holds a zero byte", ""},
	{"ticket_keys as pidfile", "pidfile = \"p\"\n[tls]\nticket_keys = \"p\"", 3, "tls.ticket_keys", `which "pidfile" names already`, "a path of its own"},
	{"ticket_keys without tickets", "[tls]\ntickets = \"0s\"\nticket_keys = \"k\"", 3, "tls.ticket_keys", `tickets = "0s", which resumes no session`, "take one of the two out"},
	{"key group", "[tls]\nkey_groups = [\"root\", \"no-such-group\"]", 2, "tls.key_groups[1]", `found "no-such-group", expected a group of this machine or its number`, ""},
	{"key group by a number too large", "[tls]\nkey_groups = [\"4294967296\"]", 2, "tls.key_groups[0]", "there is none of that name", ""},
	{"key group without quotes", "[tls]\nkey_groups = [27]", 2, "tls.key_groups[0]", "found integer 27, expected string", `write "27"`},

	// Previous certificates, hooks.
	{"on_bad_start", "on_bad_start = \"last-good\"", 1, "on_bad_start", `found "last-good", expected exit or last_good`, `did you mean "last_good"?`},
	{"last_good without state_dir", "on_bad_start = \"last_good\"", 1, "on_bad_start", `found "last_good" without state_dir`, "set state_dir"},
	{"state_dir with a zero byte", "state_dir = \"a\\u0000\"", 1, "state_dir", "it holds a zero byte", ""},
	{"state_dir that is a file", "state_dir = \"/dev/null\"", 1, "state_dir", "expected a directory, or nothing there yet: not a directory", ""},
	{"state_dir around a key", "state_dir = \"s\"\n[[certificate]]\ncertfile = \"s/c\"\nkeyfile = \"s/k\"", 1, "state_dir", `/s", which holds what "certificate[0].certfile" names`, "of its own"},
	{"state_dir around the log", "state_dir = \"s/\"\n[log]\nfile = \"./s/x/../log\"", 1, "state_dir", `which holds what "log.file" names`, "of its own"},
	{"state_dir around everything", "state_dir = \"/\"", 1, "state_dir", `which holds what "the configuration" names`, "of its own"},
	{"state_dir that is a folder of pairs", "state_dir = \"s\"\n[[certificate]]\ndir = \"s\"", 1, "state_dir", `which holds what "certificate[0].dir" names`, "of its own"},
	{"state_dir in a folder of pairs", "state_dir = \"s/t\"\n[[certificate]]\ndir = \"s\"", 1, "state_dir", `which lies in "certificate[0].dir"`, "of its own"},
	{"state_dir that is served", "state_dir = \"s/t\"\n[app]\nfiles = \".\"", 1, "state_dir", `which lies in "app.files"`, "of its own"},
	{"hook of nothing", "[hooks]\ndone = [\"x\", \" \"]", 2, "hooks.done[1]", `found " ", expected a command line`, "leave it out"},
	{"hook with a zero byte", "[hooks]\nrefused = [\"\\u0000\"]", 2, "hooks.refused[0]", "it holds a zero byte", ""},
	{"hook that is no list", "[hooks]\nexpiring = \"mail -s x root\"", 2, "hooks.expiring", `found string "mail -s x root", expected array of strings`, `write ["mail -s x root"]`},

	{"min_version", "[tls]\nmin_version = \"1.1\"", 2, "tls.min_version", `found "1.1", expected 1.2 or 1.3`, ""},
	{"check", "[tls.checks]\n\"pair.mismatch\" = \"ignore\"", 2, "tls.checks.'pair.mismatch'", `key "tls.checks.'pair.mismatch'": found "ignore", expected refuse, warn or off`, ""},

	// The app, the log.
	{"two apps", "[app]\nfiles = \"/\"\nproxy = \"http://a\"", 1, "app", "found files and proxy, expected at most one of command, files and proxy", ""},
	{"command not in PATH", "[app]\ncommand = [\"no-such-program\"]", 2, "app.command", `found "no-such-program", expected a program: not found in PATH`, "named by its path"},
	{"command not there", "[app]\ncommand = [\"./none\"]", 2, "app.command", "no such file or directory", "/none\" is where it was looked for"},
	{"command without name", "[app]\ncommand = [\"\"]", 2, "app.command", "the name of the program is empty", ""},
	{"command that is a folder", "[app]\ncommand = [\"/tmp\"]", 2, "app.command", "a directory", ""},
	{"command not executable", "[app]\ncommand = [\"./config.toml\"]", 2, "app.command", "not executable", "chmod +x "},
	{"command in the folder only", "[app]\ncommand = [\"config.toml\"]", 2, "app.command", "not found in PATH", `did you mean "./config.toml"?`},
	{"no folder", "[app]\nfiles = \"none\"", 2, "app.files", "expected a directory: no such file or directory", ""},
	{"folder that is a file", "[app]\nfiles = \"config.toml\"", 2, "app.files", "expected a directory: not a directory", ""},
	{"proxy without scheme", "[app]\nproxy = \"127.0.0.1:8080\"", 2, "app.proxy", "expected http://host, https://host or unix:/path", `did you mean "http://127.0.0.1:8080"?`},
	{"proxy of another scheme", "[app]\nproxy = \"ftp://a\"", 2, "app.proxy", `its scheme is "ftp"`, ""},
	{"proxy without host", "[app]\nproxy = \"http:///a\"", 2, "app.proxy", `its host is ""`, ""},
	{"proxy with port 0", "[app]\nproxy = \"http://a:0\"", 2, "app.proxy", `its port is "0"`, ""},
	{"proxy with a query", "[app]\nproxy = \"http://a?b\"", 2, "app.proxy", "would be lost", ""},
	{"proxy without socket", "[app]\nproxy = \"unix:\"", 2, "app.proxy", "expected the path of a socket", ""},
	{"variable without a name", "[app]\nenv = [\"=x\"]", 2, "app.env[0]", `found "=x", expected NAME or NAME=VALUE`, ""},
	{"variable with a zero byte", "[app]\nenv = [\"A=\\u0000\"]", 2, "app.env[0]", "zero byte", ""},
	{"variable twice", "[app]\nenv = [\"A\",\n\"A=1\"]", 3, "app.env[1]", `found "A", which an earlier entry names too`, "leave one out"},
	{"variable of the supervisor", "[app]\nenv = [\"NOTIFY_SOCKET\"]", 2, "app.env[0]", `found "NOTIFY_SOCKET"`, "leave it out"},
	{"format", "[log]\nformat = \"xml\"", 2, "log.format", `found "xml", expected auto, text or json`, ""},
	{"level", "[log]\nlevel = \"warning\"", 2, "log.level", `found "warning", expected debug, info, warn or error`, `did you mean "warn"?`},
}

func TestLoadReportsEachProblem(t *testing.T) {
	t.Parallel()
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			all := refuse(t, tt.text)
			if len(all) != 1 {
				t.Fatalf("got %d problems, want 1: %+v", len(all), all)
			}
			got := all[0]
			if got.Line != tt.line || got.Key != tt.key {
				t.Errorf("got line %d, key %s, want line %d, key %s", got.Line, got.Key, tt.line, tt.key)
			}
			if !strings.Contains(got.Message, tt.message) {
				t.Errorf("got message %q, want %q in it", got.Message, tt.message)
			}
			if !strings.Contains(got.Hint, tt.hint) || tt.hint == "" && got.Hint != "" && !tolerated[tt.name] {
				t.Errorf("got hint %q, want %q in it", got.Hint, tt.hint)
			}
		})
	}
}

// tolerated are the cases whose hint is another case's to check.
var tolerated = map[string]bool{
	"too many workers": true, "long control socket": true, "one derived name twice": true, "min_version": true,
}

func TestLoadReportsAllProblemsAtOnceInTheOrderOfTheFile(t *testing.T) {
	t.Parallel()
	file := write(t, `workers = 2000
boot_timeout = "soon"
worker = 1
[[listen]]
address = "127.0.0.1:1"
[[listen]]
address = ":1"
mode = 660
[app]
command = ["no-such-program"]
files = "/"
[log]
level = "loud"
`)
	_, err := Load(file)
	want := strings.ReplaceAll(`FILE: line 1: key "workers": found 2000, expected 0 to 1024
FILE: line 2: key "boot_timeout": found "soon", expected a duration such as "30s"
FILE: line 3: unknown key "worker"
FILE: line 7: key "listen[1].address": found ":1", which listen[0] with "127.0.0.1:1" takes already
FILE: line 8: key "listen[1].mode": found integer 660, expected string
FILE: line 9: key "app": found command and files, expected at most one of command, files and proxy
FILE: line 10: key "app.command": found "no-such-program", expected a program: not found in PATH
FILE: line 13: key "log.level": found "loud", expected debug, info, warn or error`, "FILE", file)
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

func TestAValueThatWasNotReadIsReportedOnce(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"[[listen]]\naddress = 1",                               // not also: no address
		"[[certificate]]\nself_signed = \"localhost\"",          // not also: neither files nor self_signed
		"[[certificate]]\nkeyfile = \"k\"\ncrtfile = \"c\"",     // not also: no certfile
		"graceful_timeout = \"60\"\nkeepalive_grace = \"40s\"",  // not also: longer than the default
		"graceful_timeout = \"-1s\"\nkeepalive_grace = \"40s\"", // not also: longer than that
		"listen = 5", // the default stands in
		"[[listen]]\naddress = \":1\"\n[[listen]]\naddress = 1e3", // not also: overlaps
	} {
		if all := refuse(t, text); len(all) != 1 {
			t.Errorf("%q: got %d problems, want 1: %+v", text, len(all), all)
		}
	}
}

func TestNearestFindsTypingErrorsOnly(t *testing.T) {
	t.Parallel()
	words := []string{"workers", "user", "group", "listen", "certificate", "tls"}
	for word, want := range map[string]string{
		"worker": "workers", "wrokers": "workers", "WORKERS": "workers", "cert": "certificate",
		"listener": "listen", "tsl": "tls", "t": "", "": "", "frobnicate": "", strings.Repeat("workers", 99): "workers",
		strings.Repeat("y", 99): "",
	} {
		if got := Nearest(word, words); got != want {
			t.Errorf("nearest to %q: got %q, want %q", word, got, want)
		}
	}
}

func TestAConfigThatIsNoFileIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, kind := range map[string]string{pipe: "named pipe", t.TempDir(): "directory", "/dev/zero": "device"} {
		_, err := Load(path)
		if err == nil || !strings.Contains(err.Error(), kind) {
			t.Errorf("load %s: got %v, want an error that names a %s", path, err, kind)
		}
	}
}

func TestWhatOthersFindWrongHasFileLineAndKey(t *testing.T) {
	t.Parallel()
	c := accept(t, "workers = 1\n[tls.checks]\n\"name.lost\" = \"warn\"\n\"name.lst\" = \"off\"\n\"time\\nx\" = \"off\"\n[[certificate]]\nself_signed = [\"a\"]")
	err := c.JudgeChecks(func(moved map[string]string) error {
		if _, known := moved["name.lost"]; known || len(moved) != 1 {
			return nil
		}
		return errors.New("unknown check")
	})
	want := c.Path + `: line 4: key "tls.checks.'name.lst'": unknown check` + "\n" +
		c.Path + `: line 5: key "tls.checks.\"time\\nx\"": unknown check`
	var all *Error
	if !errors.As(err, &all) || !strings.Contains(all.Problems[0].Hint, "--explain all") || strings.ReplaceAll(err.Error(), `\\`, `\`) != strings.ReplaceAll(want, `\\`, `\`) {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	if err := c.JudgeChecks(func(map[string]string) error { return nil }); err != nil {
		t.Errorf("nothing wrong: got %v", err)
	}
	for key, line := range map[string]int{"workers": 1, "tls.sni": 2, "certificate[0].dir": 0, "nothing": 0} {
		if got := c.Problem(key, "", "%s", key); got.Line != line || got.File != c.Path {
			t.Errorf("%s: got %+v, want line %d", key, got, line)
		}
	}
}
