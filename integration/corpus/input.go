package corpus

import (
	"fmt"
	"slices"
	"strings"
)

// Input is one odd state of the files, and what must be said of it.
type Input struct {
	ID       string // stable: family/oddity
	What     string // one sentence
	Layout   func(k *Kit)
	Wants    []Finding // must appear; none that refuses: it is accepted
	Mays     []string  // names that may warn or refuse besides
	Nevers   []string  // names that must not appear, not even to inform
	Refused  bool      // it is refused, by whatever check, if no Want does
	Settings Settings
	Before   func(k *Kit) // what is served before; nil: the good state
	Alone    bool         // the master and the commands run as nobody
	Meddle   func(dir string) (stop func())
	Heavy    bool         // it takes seconds to compute with: nothing else runs meanwhile
	Needs    func() error // what the machine must allow
}

// Finding is a check's name and the severity that it must have.
type Finding struct{ Name, Severity string }

// Settings are what the configuration of an input has besides the pair.
type Settings struct {
	Names  []string // server_names; nil: the one name
	TLS    string   // lines of [tls]
	Checks string   // lines of [tls.checks]
	Second bool     // a second pair, second.pem and second.key
	Dir    bool     // every pair of the folder pairs
}

// String tells settings apart.
func (s Settings) String() string {
	return fmt.Sprintf("%q|%s|%s|%v|%v", s.Names, s.TLS, s.Checks, s.Second, s.Dir)
}

// Tables is the text of the configuration for files in dir.
func (s Settings) Tables(dir string) string {
	text := "[tls]\n" + strings.ReplaceAll(s.TLS, "DIR", dir) + "\n"
	if s.Checks != "" {
		text += "[tls.checks]\n" + s.Checks + "\n"
	}
	if s.Second {
		text += fmt.Sprintf("[[certificate]]\nname = \"second\"\ncertfile = %q\nkeyfile = %q\n", dir+"/second.pem", dir+"/second.key")
	}
	if s.Dir {
		text += fmt.Sprintf("[[certificate]]\ndir = %q\n", dir+"/pairs")
	}
	return text
}

// Accepted says what the verdict must be.
func (i Input) Accepted() bool { return i.First() == "" && !i.Refused }

// First is the check that must give the refusal its name; empty: any.
func (i Input) First() string {
	for _, w := range i.Wants {
		if w.Severity == "refuse" {
			return w.Name
		}
	}
	return ""
}

// Allows says whether a finding that warns or refuses is expected.
func (i Input) Allows(name string) bool {
	return slices.Contains(i.Mays, name) || slices.ContainsFunc(i.Wants, func(f Finding) bool { return f.Name == name })
}

// All is the whole corpus.
func All() []Input {
	return slices.Concat(
		places(), modes(), links(), moving(), forms(), torn(), accompanied(), keyForms(), brokenKeys(), keyKinds(),
		ders(), times(), subjects(), alternatives(), extensionsOf(), uses(), chains(), longChains(), issuers(), changes(),
		several(), clientCAs(), ticketKeys(), roots(), moved(),
	)
}

// The severities.
func refuse(names ...string) []Finding { return findings("refuse", names) }
func warn(names ...string) []Finding   { return findings("warn", names) }
func info(names ...string) []Finding   { return findings("info", names) }

func findings(severity string, names []string) []Finding {
	list := make([]Finding, len(names))
	for n, name := range names {
		list[n] = Finding{name, severity}
	}
	return list
}
