package config

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile(exampleFile)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	for _, seed := range []string{
		"", "worker = 1", "listen = [{address = 'unix:x', tls = false}]", "[[listen]]\n[listen.x]", "[tls.checks]\na.b = 1",
		"[app]\ncommand = ['sh']\nfiles = 'x'\nproxy = 'http://[::1]'", "a = \"\"\"\\", "[[certificate]]\nself_signed = ['*.a', '::']",
		"boot_timeout = '1h'\nkeepalive_grace = 5\nmax_draining = -1", "\xff\xfe", "'' = {'' = ['']}", "user = '0'\ngroup = '-1'",
		"state_dir = '/'\non_bad_start = 'last_good'\n[[certificate]]\ndir = '.'\n[[certificate]]\ndir = ''\nname = '\\e'",
		"[tls]\nreload = 'watch'\nsni = 'san'\nclient_ca = 'c'\nverify = './v'\ntickets = '90s'\nkey_groups = ['0', 'x', '']",
		"[tls.checks]\n'a[0].b' = 'off'\n\"\" = 'warn'", "[hooks]\ndone = ['', 'a\\u0000']\nrefused = 'reload'\nexpiring = ['x']",
	} {
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parse(dir+"/config.toml", text)
		if err == nil {
			sameAfterJSON(t, c)
			err = c.JudgeChecks(func(map[string]string) error { return errors.New("unknown\ncheck") })
			if len(c.TLS.Checks) == 0 {
				return
			}
		}
		var all *Error
		if !errors.As(err, &all) || len(all.Problems) == 0 {
			t.Fatalf("got %v and %v, want problems", c, err)
		}
		for _, p := range all.Problems {
			if p.Line == 0 && (p.Key == "" || strings.HasPrefix(p.Message, "unknown key")) {
				t.Errorf("got %+v, want a line", p)
			}
			if n := strings.Count(text, "\n") + 1; p.Line < 0 || p.Line > n {
				t.Errorf("got line %d, want one of %d", p.Line, n)
			}
			if strings.ContainsAny(p.Message+p.Hint, "\n\x00") {
				t.Errorf("got %q and %q, want one line each", p.Message, p.Hint)
			}
		}
	})
}

func sameAfterJSON(t *testing.T, c *Config) {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	got := new(Config)
	if err := json.Unmarshal(text, got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, withoutLines(c)) {
		t.Errorf("got %+v after JSON, want %+v", got, c)
	}
}
