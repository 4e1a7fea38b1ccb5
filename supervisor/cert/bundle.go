package cert

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"example.com/handover/supervisor/config"
	"example.com/handover/worker/wire"
)

// Bundle is what workers serve, in sealed memory: certificates that passed the
// checks together. Nobody changes it; it is safe for use by several goroutines
// until it is closed.
type Bundle struct {
	Certificates []Certificate // in the order of the configuration

	sealed *os.File
	mapped *wire.Mapped
	notes  bundleNotes
}

// bundleNotes is what the bundle as a whole says to later masters.
type bundleNotes struct {
	Prover     string   `json:"prover"`                // what proved the pairs, and under which settings; empty: unknown
	TicketKeys [][]byte `json:"ticket_keys,omitempty"` // of the file that the configuration names
}

// File is the sealed memory, for those who are to serve it. It stays the
// bundle's.
func (b *Bundle) File() *os.File { return b.sealed }

// Close gives the memory back. Those who got the File keep theirs.
func (b *Bundle) Close() {
	_ = b.mapped.Close()
	_ = b.sealed.Close()
}

// seal makes the bundle of what was accepted.
func seal(list []*accepted, hosts []wire.Host, authorities [][]byte, notes bundleNotes) (*Bundle, error) {
	text, err := json.Marshal(notes)
	if err != nil {
		return nil, fmt.Errorf("encode bundle: %v", err)
	}
	b := wire.Bundle{Hosts: hosts, ClientCAs: authorities, Notes: text, Pairs: make([]wire.Pair, len(list))}
	described := make([]Certificate, len(list))
	for i, a := range list {
		b.Pairs[i] = wire.Pair{Name: a.Name, Chain: a.chain, Key: a.key, Notes: a.notes}
		described[i] = a.Certificate
	}
	f, err := wire.SealBundle(b)
	if err != nil {
		return nil, err
	}
	mapped, err := wire.OpenBundle(f)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return newBundle(f, mapped, described, notes), nil
}

// newBundle sees to it that the memory is given back when nobody needs the
// bundle any more. So whoever uses what lies in its mapping keeps it reachable.
func newBundle(f *os.File, mapped *wire.Mapped, described []Certificate, notes bundleNotes) *Bundle {
	b := &Bundle{Certificates: described, sealed: f, mapped: mapped, notes: notes}
	runtime.AddCleanup(b, func(mapped *wire.Mapped) { _ = mapped.Close() }, mapped)
	return b
}

// Open reads a sealed bundle, which becomes the Bundle's. It judges nothing
// again: the content was sealed after it had passed.
func Open(f *os.File) (*Bundle, error) {
	mapped, err := wire.OpenBundle(f)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	b := newBundle(f, mapped, nil, bundleNotes{})
	if err := b.read(); err != nil {
		b.Close()
		return nil, fmt.Errorf("decode bundle: %v", err)
	}
	return b, nil
}

// read decodes the notes.
func (b *Bundle) read() error {
	if notes := b.mapped.Notes(); len(notes) > 0 {
		if err := json.Unmarshal(notes, &b.notes); err != nil {
			return err
		}
	}
	b.Certificates = make([]Certificate, b.mapped.Len())
	errs := make([]error, b.mapped.Len())
	each(b.mapped.Len(), func(i int) { b.Certificates[i], errs[i] = decode(b.mapped.NotesOf(i)) })
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("certificate %.100q: %v", b.mapped.Pair(i).Name, err)
		}
	}
	return nil
}

// Ours says whether this very program, by these settings, proved what is in the
// bundle.
func (b *Bundle) Ours(tls config.TLS) bool {
	by := prover(tls)
	return by != "" && b.notes.Prover == by
}

// PEM returns the chain and then the key of a pair, from 0, as one file in PEM.
func (b *Bundle) PEM(i int) []byte {
	defer runtime.KeepAlive(b)
	p := b.mapped.Pair(i)
	var text bytes.Buffer
	for _, der := range p.Chain {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: labelCertificate, Bytes: der}))
	}
	text.Write(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: p.Key}))
	return text.Bytes()
}

// Same says whether clients would get the same from both bundles: chains, keys,
// the choice among them, who may connect, and which sessions are resumed. Of what
// was made on the spot each Take makes its own; one is as good as the other until
// half of its life is over.
func (b *Bundle) Same(other *Bundle) bool {
	defer runtime.KeepAlive(b)
	defer runtime.KeepAlive(other)
	if b.mapped.Len() != other.mapped.Len() || !slices.EqualFunc(b.mapped.ClientCAs(), other.mapped.ClientCAs(), bytes.Equal) || !b.SameTicketKeys(other) {
		return false
	}
	for i, c := range b.Certificates {
		d := other.Certificates[i]
		if !slices.Equal(c.Names, d.Names) || !b.mapped.SamePair(i, other.mapped, i) && !interchangeable(c, d) {
			return false
		}
	}
	for _, c := range b.Certificates { // with the same names, nothing but the order is left
		for _, name := range c.Names {
			name = strings.ToLower(name)
			if !b.mapped.Lookup(name).Equal(other.mapped.Lookup(name)) {
				return false
			}
		}
	}
	return true
}

// Changed lists the pairs of b, from 0, that are not in old with the same chain
// and key; without an old bundle all.
func (b *Bundle) Changed(old *Bundle) []int {
	defer runtime.KeepAlive(b)
	defer runtime.KeepAlive(old)
	if old == nil {
		old = &Bundle{}
	}
	there := make(map[string][]int, len(old.Certificates))
	for i, c := range old.Certificates {
		there[c.ChainSHA256] = append(there[c.ChainSHA256], i)
	}
	var changed []int
	for i, c := range b.Certificates {
		if !slices.ContainsFunc(there[c.ChainSHA256], func(j int) bool { return b.mapped.SamePair(i, old.mapped, j) }) {
			changed = append(changed, i)
		}
	}
	return changed
}

// interchangeable says whether both were made on the spot and neither is needed
// because the other ends soon.
func interchangeable(a, b Certificate) bool {
	made := func(c Certificate) bool { return c.SelfSigned && c.Source == "" }
	return made(a) && made(b) && a.NotBefore.Sub(b.NotBefore).Abs() < selfSignedLifetime/2
}
