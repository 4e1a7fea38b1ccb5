package cert

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
)

// nameTicketKeys is what the file of session ticket keys is called in findings.
const nameTicketKeys = "ticket_keys"

const (
	// mostTicketKeys is how many keys the file may hold: a ticket of none of them is
	// tried with each, by whoever sends one.
	mostTicketKeys = 16

	// fewestBytes is how many different ones 32 random bytes have, but for less
	// than one time in 10^20. What has fewer was typed or is a placeholder.
	fewestBytes = 12
)

// isTicketKeys says whether a source is the file of session ticket keys: of a
// pair, or of authorities, certfile is named.
func isTicketKeys(source config.Certificate) bool {
	return source.CertFile == "" && source.KeyFile != ""
}

// lookTicketKeys reads the file of session ticket keys and judges it like a key.
func (t *taker) lookTicketKeys(ctx context.Context, r *round, p *pair) {
	now := t.now()
	s := r.folders.read(nameTicketKeys, p.source.KeyFile, "", "")
	s.key = s.cert
	c := &candidate{snapshot: s, source: p.source, name: p.source.Name, now: now, tls: t.TLS, worker: t.Worker}
	p.judged(c, judgeBy(ctx, ticketKeyRows(), c, moves(t.TLS), t.Allow), now)
}

// ticketKeyRows is what is checked of that file: who may read and write it, as of
// a private key, and that it holds keys.
func ticketKeyRows() []check {
	var rows []check
	for _, k := range table {
		if strings.HasPrefix(k.name, "file.") || k.name == "tickets.keys" {
			rows = append(rows, k)
		}
	}
	return rows
}

// ticketsKeys says what is wrong with the lines of the file. None is quoted: what
// is no key may be all but one.
func ticketsKeys(c *candidate) []problem {
	if !isTicketKeys(c.source) || c.key == nil || c.key.err != nil {
		return nil
	}
	_, flaws := ticketKeysIn(c.key.data)
	found := make([]problem, len(flaws))
	for i, f := range flaws {
		found[i] = problem{file: c.path(), message: c.subject() + f.message, hint: f.hint, torn: true}
	}
	return found
}

// flaw is what is wrong with a file of session ticket keys; the message goes on
// where the name of the file ends.
type flaw struct{ message, hint string }

const (
	hintLines = "write one key a line, the one that encrypts first: openssl rand -base64 32"
	hintOther = "that is the size of a key of nginx, HAProxy or Envoy, whose tickets have another form: make keys with openssl rand -base64 32"
)

// ticketKeysIn returns the keys that text holds, or what is wrong with it.
// Blank lines and those that begin with # count for nothing.
func ticketKeysIn(text []byte) (keys [][]byte, flaws []flaw) {
	at := map[string]int{}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, f := ticketKey(line)
		if f == nil && at[string(key)] > 0 {
			f = &flaw{fmt.Sprintf("is the key of line %d again, expected each key once", at[string(key)]), "take one of the two lines out"}
		}
		if f != nil {
			flaws = append(flaws, flaw{fmt.Sprintf(", line %d: %s", number, f.message), f.hint})
			if len(flaws) == mostParts {
				return nil, flaws
			}
			continue
		}
		at[string(key)] = number
		keys = append(keys, key)
	}
	if n := len(keys); len(flaws) == 0 && (n == 0 || n > mostTicketKeys) {
		flaws = []flaw{{fmt.Sprintf(" holds %d session ticket keys, expected 1 to %d", n, mostTicketKeys), hintLines}}
	}
	if len(flaws) > 0 {
		return nil, flaws
	}
	return keys, nil
}

// ticketKey decodes one line.
func ticketKey(line []byte) ([]byte, *flaw) {
	key, err := base64.StdEncoding.Strict().DecodeString(string(line))
	switch {
	case err != nil:
		return nil, &flaw{fmt.Sprintf("found %d characters that are no base64, expected 32 random bytes as 44 characters of base64", len(line)), hintLines}
	case len(key) == 48 || len(key) == 80:
		return nil, &flaw{fmt.Sprintf("found %d bytes in base64, expected %d", len(key), wire.TicketSize), hintOther}
	case len(key) != wire.TicketSize:
		return nil, &flaw{fmt.Sprintf("found %d bytes in base64, expected %d", len(key), wire.TicketSize), hintLines}
	}
	different := map[byte]bool{}
	for _, b := range key {
		different[b] = true
	}
	if len(different) < fewestBytes {
		return nil, &flaw{fmt.Sprintf("found %d different bytes among %d, expected random ones", len(different), len(key)), hintLines}
	}
	return key, nil
}

// TicketKeys returns the keys of the file that the configuration names: the first
// encrypts, all decrypt. None: it names no file, or what is served for want of
// better has none.
func (b *Bundle) TicketKeys() [][]byte { return b.notes.TicketKeys }

// SameTicketKeys says whether both have the same keys in the same order.
func (b *Bundle) SameTicketKeys(other *Bundle) bool {
	return slices.EqualFunc(b.notes.TicketKeys, other.notes.TicketKeys, bytes.Equal)
}

// PrintOfTicketKey tells session ticket keys apart without giving them away: the
// beginning of the SHA-256 of its 32 bytes, which were random.
func PrintOfTicketKey(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

// OfTicketKeys says whether the file of session ticket keys was refused.
func (r *Refusal) OfTicketKeys() bool {
	return slices.ContainsFunc(r.Checks, func(c status.Check) bool { return c.Severity == refuse && c.Certificate == nameTicketKeys })
}

// ticketKeys compares the file of session ticket keys with those that were taken.
func (d *drifting) ticketKeys(path string) Difference {
	s := d.folders.read(nameTicketKeys, path, "", "")
	if s.cert.err != nil {
		return Difference{State: DiskUnreadable}
	}
	keys, flaws := ticketKeysIn(s.cert.data)
	switch {
	case len(flaws) > 0:
		return Difference{State: DiskUnreadable}
	case slices.EqualFunc(keys, d.b.notes.TicketKeys, bytes.Equal):
		return Difference{State: DiskSame}
	}
	return Difference{State: DiskChanged}
}
