package signals

import (
	"fmt"
	"strings"
	"syscall"
)

// Intent is what somebody wants of the whole service, by a signal or by a
// command.
type Intent int

// The intents.
const (
	None      Intent = iota // nothing: what an unknown signal or byte gives
	Reload                  // validate, hand over to a fresh generation
	Grow                    // one worker more
	Shrink                  // one worker fewer
	Reopen                  // reopen log files
	Quiet                   // stop the workers, keep the sockets
	Stop                    // graceful stop
	QuickStop               // quick stop
)

// intents holds the name and the mailbox byte of each intent. Stopping has no
// byte: it is a level (the stop pipe), not a message that can be overtaken.
var intents = [...]struct {
	name string
	code byte
}{
	None:      {"none", 0},
	Reload:    {"reload", 'r'},
	Grow:      {"grow", '+'},
	Shrink:    {"shrink", '-'},
	Reopen:    {"reopen", 'o'},
	Quiet:     {"quiet", 'q'},
	Stop:      {"stop", 0},
	QuickStop: {"quick stop", 0},
}

// String returns the intent in a word or two.
func (i Intent) String() string {
	if i < 0 || int(i) >= len(intents) {
		return fmt.Sprintf("intent %d", int(i))
	}
	return intents[i].name
}

// Byte returns what stands for the intent in the mailbox; false for one that
// does not travel there.
func (i Intent) Byte() (byte, bool) {
	if i < 0 || int(i) >= len(intents) {
		return 0, false
	}
	return intents[i].code, intents[i].code != 0
}

// IntentOf returns the intent that a byte in the mailbox stands for. False
// means that a neighbouring release wrote it.
func IntentOf(code byte) (Intent, bool) {
	for i, entry := range intents {
		if entry.code == code && code != 0 {
			return Intent(i), true
		}
	}
	return None, false
}

// Signal is one row of the table.
type Signal struct {
	Number syscall.Signal
	Name   string // without SIG
	Intent Intent
	Does   string // one line
}

// Table is every signal that the anchor takes.
var Table = []Signal{
	{syscall.SIGHUP, "HUP", Reload, "validate, hand over to a fresh generation (config, certificates and binary from disk)"},
	{syscall.SIGTERM, "TERM", Stop, "graceful stop: drain up to graceful_timeout"},
	{syscall.SIGINT, "INT", QuickStop, "quick stop"},
	{syscall.SIGQUIT, "QUIT", QuickStop, "quick stop"},
	{syscall.SIGTTIN, "TTIN", Grow, "one worker more; survives reloads until the config's own number changes"},
	{syscall.SIGTTOU, "TTOU", Shrink, "one worker fewer; survives reloads until the config's own number changes"},
	{syscall.SIGUSR1, "USR1", Reopen, "reopen log files"},
	{syscall.SIGUSR2, "USR2", Reload, "as HUP: the binary is always read again"},
	{syscall.SIGWINCH, "WINCH", Quiet, "gracefully stop the workers, keep the sockets; HUP starts them again"},
}

// Of returns what a signal asks for; None for one that is not in the table.
func Of(number syscall.Signal) Intent {
	for _, s := range Table {
		if s.Number == number {
			return s.Intent
		}
	}
	return None
}

// Markdown returns the table as README shows it.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| signal | does |\n|---|---|\n")
	for _, r := range rows() {
		fmt.Fprintf(&b, "| %s | %s |\n", r.names, r.does)
	}
	return b.String()
}

// Help returns the table as --help shows it.
func Help() string {
	width := 0
	for _, r := range rows() {
		width = max(width, len(r.names))
	}
	var b strings.Builder
	for _, r := range rows() {
		fmt.Fprintf(&b, "%-*s  %s\n", width, r.names, r.does)
	}
	return b.String()
}

type row struct{ names, does string }

// rows joins neighbours that do the same.
func rows() []row {
	var out []row
	for _, s := range Table {
		if n := len(out); n > 0 && out[n-1].does == s.Does {
			out[n-1].names += ", " + s.Name
			continue
		}
		out = append(out, row{s.Name, s.Does})
	}
	return out
}
