package cert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
)

// The severities of a finding, and what [tls.checks] can say of a check.
const (
	refuse = "refuse" // change nothing, go on serving what is served
	warn   = "warn"   // take it, and say so
	info   = "info"   // only said
	off    = "off"    // not looked at
)

// check is one row of the catalogue. Exactly one of look and prove is set.
type check struct {
	name     string // a contract: users, metrics and tests hang on it
	severity string // unless moved
	fixed    bool   // without it a worker cannot serve at all: never moved
	reason   string
	look     func(*candidate) []problem                  // at what was read
	prove    func(context.Context, *candidate) []problem // by using it; only when no fixed check failed before
}

// problem is what a check found.
type problem struct {
	file    string
	message string
	hint    string
	torn    bool // a writer at work explains it: worth another look while the files are young
}

// table is every check, in the order in which findings are reported: the first
// that refuses names the outcome, so causes stand before their consequences.
var table = []check{
	{"file.symlink_loop", refuse, true, "links that lead in a circle lead to no file", fileSymlinkLoop, nil},
	{"file.missing", refuse, true, "a file that is not there cannot be served", fileMissing, nil},
	{"file.unreadable", refuse, true, "the master must be able to read both files", fileUnreadable, nil},
	{"file.not_regular", refuse, true, "reading a pipe or a device could block for ever", fileNotRegular, nil},
	{"file.too_large", refuse, true, "no certificate needs so much, and memory is finite", fileTooLarge, nil},

	{"pem.empty", refuse, true, "an empty file holds neither certificate nor key", pemEmpty, nil},
	{"pem.swapped", refuse, true, "certificate and key file stand in each other's place", pemSwapped, nil},
	{"pem.no_certificate", refuse, true, "without a certificate there is nothing to serve", pemNoCertificate, nil},
	{"pem.no_key", refuse, true, "without a private key no handshake succeeds", pemNoKey, nil},
	{"pem.undecoded_block", refuse, true, "readers drop a broken block silently, and the chain is incomplete", pemUndecodedBlock, nil},

	{"key.not_private", refuse, true, "a public key cannot sign", keyNotPrivate, nil},
	{"key.encrypted", refuse, true, "nobody is there to type a passphrase at a renewal", keyEncrypted, nil},
	{"key.parse", refuse, true, "a key that cannot be read cannot sign", keyParse, nil},

	{"cert.parse", refuse, true, "clients refuse a chain with a certificate they cannot read", certParse, nil},
	{"chain.leaf_not_first", refuse, true, "clients take the first certificate for the server's", chainLeafNotFirst, nil},
	{"pair.mismatch", refuse, true, "no handshake succeeds with another certificate's key", pairMismatch, nil},

	{"time.expired", refuse, false, "clients refuse an expired certificate", timeExpired, nil},
	{"time.not_yet", refuse, false, "clients refuse a certificate whose time has not come", timeNotYet, nil},
	{"name.missing", refuse, false, "clients of a configured name would refuse the certificate", nameMissing, nil},
	{"name.lost", refuse, false, "clients of a name that is served now would refuse the certificate", nameLost, nil},
	{"chain.incomplete", refuse, false, "clients that do not know the intermediate refuse the leaf", chainIncomplete, nil},

	{"proof.sign", refuse, true, "only a signature shows that the private half is whole", nil, proofSign},
	{"proof.handshake", refuse, true, "only a handshake shows that clients can connect", nil, proofHandshake},
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

// run is what k finds in c. It ends when ctx does, or shortly after: a fixed
// look only reads what was parsed and ends by itself, a proof is bounded within.
func (k check) run(ctx context.Context, c *candidate) ([]problem, error) {
	switch {
	case k.prove != nil:
		return k.prove(ctx, c), nil
	case k.fixed:
		return k.look(c), nil
	}
	return bounded(ctx, func() ([]problem, error) { return k.look(c), nil })
}

// verdict is what the checks say of one candidate.
type verdict struct {
	checks  []status.Check
	refused bool // at least one finding refuses
	torn    bool // a writer at work explains a finding
	final   bool // something refuses that a writer does not explain
}

// undecided is the problem of a check that came to no end. Unknown is not good:
// it refuses, and neither moving nor allowing the check makes that otherwise.
func undecided(c *candidate, err error) problem {
	return problem{
		file:    c.path(),
		message: fmt.Sprintf("this could not be decided for %s: %q", c.subject(), err.Error()),
		hint:    fmt.Sprintf("no client has use for a certificate that takes longer than %v to judge: have it issued anew", cryptoLimit),
	}
}

// judge runs every check over c.
func judge(ctx context.Context, c *candidate, moved map[string]string, allow []string) verdict {
	var v verdict
	broken, mixed := false, false
	for _, k := range table {
		severity := k.weigh(moved, allow)
		if severity == off || k.prove != nil && broken {
			continue
		}
		found, err := k.run(ctx, c)
		if err != nil {
			if !broken { // else what used the time up has been said
				v.add(k.name, refuse, c.name, undecided(c, err))
			}
			v.final = true
			return v
		}
		broken = broken || k.fixed && len(found) > 0
		for _, p := range found {
			v.add(k.name, severity, c.name, p)
			// A new key beside the old certificate: that the old one has expired
			// says nothing about the pair that is being written.
			mixed = mixed || k.fixed && p.torn
			v.final = v.final || severity == refuse && !p.torn && (k.fixed || !mixed)
		}
	}
	return v
}

func (v *verdict) add(check, severity, certificate string, p problem) {
	v.torn = v.torn || p.torn
	v.refused = v.refused || severity == refuse
	v.checks = append(v.checks, status.Check{
		Name: check, Severity: severity, Certificate: certificate,
		File: p.file, Message: p.message, Hint: p.hint,
	})
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
	names := make([]string, 0, len(table))
	for _, k := range table {
		if k.name == name && k.fixed {
			return fmt.Errorf("check %q is fixed: %s", name, k.reason)
		}
		if k.name == name {
			return nil
		}
		names = append(names, k.name)
	}
	if near := config.Nearest(name, names); near != "" {
		return fmt.Errorf("unknown check %q: did you mean %q?", name, near)
	}
	return fmt.Errorf("unknown check %q: known are %s", name, strings.Join(names, ", "))
}
