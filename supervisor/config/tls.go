package config

import (
	"fmt"
	"maps"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The bounds of how often the session ticket key rotates. RFC 8446 lets no
// ticket live longer than a week.
const (
	minTickets = time.Minute
	maxTickets = 7 * 24 * time.Hour
)

func (r *reader) tls(t *TLS) {
	r.oneOf("tls.min_version", t.MinVersion, "1.2", "1.3")
	r.oneOf("tls.reload", t.Reload, "signal", "watch")
	r.oneOf("tls.sni", t.SNI, "lenient", "strict", "san")
	r.path("tls.client_ca", &t.ClientCA)
	r.verify(&t.Verify)
	if t.Tickets != 0 && (t.Tickets < minTickets || t.Tickets > maxTickets) {
		r.report("tls.tickets", `"0s" stands for no session tickets`,
			"key %q: found %s, expected 0s, or %s to %s", "tls.tickets", t.Tickets, minTickets, maxTickets)
	}
	r.path("tls.ticket_keys", &t.TicketKeys)
	if t.TicketKeys != "" && t.Tickets == 0 {
		r.report("tls.ticket_keys", `take one of the two out`, "key %q: found a file of keys, and tickets = \"0s\", which resumes no session", "tls.ticket_keys")
	}
	for i, group := range t.KeyGroups {
		r.keyGroup(index("tls.key_groups", i), group)
	}
	for name, verdict := range t.Checks {
		r.oneOf(join("tls.checks", name), verdict, "refuse", "warn", "off")
	}
}

// verify tells the two words from a file of roots. A lone word is no file: it
// is one of the two with a letter wrong.
func (r *reader) verify(value *string) {
	words := []string{"off", "system"}
	switch {
	case slices.Contains(words, *value):
	case strings.ContainsAny(*value, "/."):
		r.path("tls.verify", value)
	default:
		hint := meant(*value, words)
		if hint == "" && *value != "" {
			hint = fmt.Sprintf("a file is written with its folder: %q", "./"+*value)
		}
		r.report("tls.verify", hint, "key %q: found %q, expected off, system or the path of a file of roots", "tls.verify", *value)
	}
}

// keyGroup takes a group of this machine, or any number: in a container files
// have groups that nobody has named.
func (r *reader) keyGroup(key, group string) {
	if _, err := strconv.ParseUint(group, 10, 32); err == nil {
		return
	}
	if _, err := user.LookupGroup(group); err != nil {
		r.report(key, "", "key %q: found %q, expected a group of this machine or its number: %s", key, group, unknown(err))
	}
}

// JudgeChecks returns an *Error with what judge says of each entry of
// [tls.checks], or nil: which checks there are, and which can be moved, is known
// to those who make them.
func (c *Config) JudgeChecks(judge func(moved map[string]string) error) error {
	var problems []Problem
	for _, name := range slices.Sorted(maps.Keys(c.TLS.Checks)) {
		if err := judge(map[string]string{name: c.TLS.Checks[name]}); err != nil {
			key := join("tls.checks", name)
			problems = append(problems, c.Problem(key, `"handover check --explain all" lists the checks`, "key %q: %v", key, err))
		}
	}
	return failure(problems)
}
