package cert

import (
	"regexp"
	"strings"
	"testing"

	"example.com/handover/supervisor/config"
)

func TestEveryRowOfTheTableIsComplete(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	form := regexp.MustCompile(`^(file|pem|key|pair|proof|cert|time|clock|name|sig|ext|chain|change|tickets)\.[a-z_]+$`)
	loose := false
	// These two say why what is fixed behind them fails, and no writer leaves such
	// a thing half done.
	causes := map[string]bool{"key.multiple": true, "key.type": true}
	for _, k := range table {
		if !form.MatchString(k.name) || seen[k.name] || k.reason == "" || count(k.look != nil, k.prove != nil, k.across) != 1 {
			t.Errorf("row %q; want a family, a name used once, a reason, and one of look, prove and across", k.name)
		}
		if k.severity != refuse && k.fixed {
			t.Errorf("%q is fixed and of severity %q; want refuse", k.name, k.severity)
		}
		// What is fixed and torn makes later findings doubtful, so it comes first.
		if loose && k.fixed && k.look != nil {
			t.Errorf("%q is fixed and stands behind one that is not", k.name)
		}
		loose = loose || !k.fixed && !causes[k.name]
		seen[k.name] = true
	}
}

func count(set ...bool) (n int) {
	for _, is := range set {
		if is {
			n++
		}
	}
	return n
}

func TestCheckNamesSaysWhichAndTheNearest(t *testing.T) {
	t.Parallel()
	for _, s := range []struct {
		moved map[string]string
		want  string // part of the error; empty: none
	}{
		{nil, ""},
		{map[string]string{"name.lost": "warn", "time.expired": "off"}, ""},
		{map[string]string{"name.list": "warn"}, `unknown check "name.list": did you mean "name.lost"?`},
		{map[string]string{"pair.mismatch": "warn"}, `check "pair.mismatch" is fixed`},
		{map[string]string{"name.lost": "ignore"}, `check "name.lost" is moved to "ignore": expected refuse, warn or off`},
		{map[string]string{strings.Repeat("x", 1<<20): "warn"}, "unknown check"},
	} {
		err := CheckNames(s.moved)
		if s.want == "" && err != nil || s.want != "" && (err == nil || !strings.Contains(err.Error(), s.want)) {
			t.Errorf("%v: got %v; want %q", s.moved, err, s.want)
		}
	}
}

func TestAMovedOrAllowedCheckOnlyWarns(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	source := pairIn(t, chain, key)
	request := Request{Sources: []config.Certificate{source}, Served: served("example.org", 2, "lost.example.org")}
	for _, s := range []struct {
		name  string
		moved map[string]string
		allow []string
		want  string // severity of the only finding; empty: none
	}{
		{"as it is", nil, nil, refuse},
		{"moved to warn", map[string]string{"name.lost": warn}, nil, warn},
		{"off", map[string]string{"name.lost": off}, nil, ""},
		{"allowed", nil, []string{"name.lost"}, warn},
		{"moved to refuse and allowed", map[string]string{"name.lost": refuse}, []string{"name.lost"}, warn},
		{"off and allowed", map[string]string{"name.lost": off}, []string{"name.lost"}, ""},
	} {
		r := request
		r.TLS.Checks, r.Allow = s.moved, s.allow
		bundle, checks, _ := later(t, r).take(t.Context())
		got := ""
		if len(checks) > 0 {
			got = checks[0].Severity
		}
		if got != s.want || (bundle == nil) != (s.want == refuse) {
			t.Errorf("%s: severity %q, bundle %v; want %q", s.name, got, bundle != nil, s.want)
		}
	}
	for _, name := range []string{"pair.mismatch", "no.such"} {
		r := request
		r.Allow = []string{name}
		if _, _, err := Take(t.Context(), r); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("allow %q: got %v; want an error that names it", name, err)
		}
	}
}
