package cert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"example.com/handover/supervisor/config"
)

// The severities of a finding, and what [tls.checks] can say of a check.
const (
	refuse = "refuse" // change nothing, go on serving what is served
	warn   = "warn"   // take it, and say so
	info   = "info"   // only said
	off    = "off"    // not looked at
)

// untrusted is the name of the check that needs roots to look with.
const untrusted = "chain.untrusted"

// check is one row of the catalogue. One of look and prove is set, unless it is
// about several pairs.
type check struct {
	name     string // a contract: users, metrics and tests hang on it
	severity string // unless moved
	fixed    bool   // without it a worker cannot serve at all: never moved
	reason   string
	look     func(*candidate) []problem                  // at what was read
	prove    func(context.Context, *candidate) []problem // by using it; only when no fixed check failed before
	across   bool                                        // compares pairs with each other, when each was judged
}

// problem is what a check found.
type problem struct {
	file    string
	message string
	hint    string
	torn    bool       // a writer at work explains it: worth another look while the files are young
	atMost  string     // milder than the check weighs, wherever that is moved to; empty: as the check
	atLeast string     // graver than the check weighs
	until   *time.Time // when it is no problem any more
}

// weigh is the severity of a finding whose check weighs severity.
func (p problem) weigh(severity string) string {
	switch {
	case p.atLeast != "" && severity == info, p.atMost != "" && severity == refuse, p.atMost == info:
		return p.atLeast + p.atMost // one of them
	}
	return severity
}

// weigh says how severe a finding of k is, once moved and allowed.
func (k check) weigh(moved map[string]string, allow []string) string {
	severity := k.severity
	if k.fixed {
		return severity
	}
	if to, ok := moved[k.name]; ok {
		severity = to
	}
	if severity == refuse && slices.Contains(allow, k.name) {
		severity = warn
	}
	return severity
}

// moves is where the checks are moved to: as t says, and the one that asks for
// roots is on where t names some.
func moves(t config.TLS) map[string]string {
	if _, said := t.Checks[untrusted]; said || !verifies(t) {
		return t.Checks
	}
	moved := maps.Clone(t.Checks)
	if moved == nil {
		moved = map[string]string{}
	}
	moved[untrusted] = refuse
	return moved
}

// CheckNames says what is wrong with a [tls.checks] table: an unknown check
// with the nearest name, a fixed one, or a place that none can be moved to.
func CheckNames(moved map[string]string) error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(moved)) {
		if err := movable(name); err != nil {
			problems = append(problems, err)
		} else if to := moved[name]; to != refuse && to != warn && to != off {
			problems = append(problems, fmt.Errorf("check %q is moved to %q: expected refuse, warn or off", name, to))
		}
	}
	return errors.Join(problems...)
}

// CheckAllow says what is wrong with a list of checks to be only warned of.
func CheckAllow(allow []string) error {
	var problems []error
	for _, name := range allow {
		problems = append(problems, movable(name))
	}
	return errors.Join(problems...)
}

func movable(name string) error {
	for _, k := range table {
		if k.name == name && k.fixed {
			return fmt.Errorf("check %q is fixed: %s", name, k.reason)
		}
		if k.name == name {
			return nil
		}
	}
	return unknown(name)
}

// unknown is the error for what is no check's name.
func unknown(name string) error {
	names := make([]string, 0, len(table))
	for _, k := range table {
		names = append(names, k.name)
	}
	if near := config.Nearest(name, names); near != "" {
		return fmt.Errorf("unknown check %.100q: did you mean %q?", name, near)
	}
	return fmt.Errorf("unknown check %.100q: \"handover check --explain all\" lists them", name)
}
