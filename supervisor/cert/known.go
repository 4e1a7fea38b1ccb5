package cert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"

	"example.com/handover/supervisor/config"
	"golang.org/x/sys/unix"
)

// prover identifies what proves pairs: this program and the settings that decide
// what is proven. A bundle that notes the same need not be proven again. The
// running executable is told apart as the kernel knows it, so that a new release
// proves everything with its own rules once. Empty: it cannot be told.
func prover(tls config.TLS) string {
	var st unix.Stat_t
	if _, err := retry(func() (int, error) { return 0, unix.Stat("/proc/self/exe", &st) }); err != nil {
		return ""
	}
	h := sha256.New()
	fmt.Fprintln(h, st.Dev, st.Ino, st.Size, st.Mtim.Nano(), tls.Version())
	for _, name := range slices.Sorted(maps.Keys(tls.Checks)) {
		_, _ = io.WriteString(h, name+"="+tls.Checks[name]+"\n")
	}
	return hex.EncodeToString(h.Sum(nil))
}

// proven is what was noted of a pair when it was proven.
type proven struct {
	Certificate
	notes []byte // the same, encoded

	// The pair lies in the mapping of this one. A judgement that came to no end is
	// left behind, and reads it for longer than the Take lasts.
	bundle *Bundle
}

// knowing indexes the pairs of the known bundle that need not be proven again,
// by the digest of their files.
func knowing(b *Bundle, by string) map[string]int {
	known := map[string]int{}
	if b == nil || by == "" || b.notes.Prover != by {
		return known
	}
	for i, c := range b.Certificates {
		if c.Digest != "" && !c.Held && !c.Anew {
			known[c.Digest] = i
		}
	}
	return known
}

// repeatable says whether what was found in known pair i may be repeated of source:
// findings name the file that they were found in.
func (t *taker) repeatable(source config.Certificate, i int) bool {
	c := &t.Known.Certificates[i]
	return len(c.Found) == 0 || c.Source == (&candidate{source: source}).from()
}

// recall makes a candidate of what was proven when the same bytes were taken
// before. Nothing is computed but what the leaf says: the clock, the names asked
// for and what is served may have changed.
func (t *taker) recall(ctx context.Context, r *round, s snapshot, i int) *candidate {
	p := t.Known.mapped.Pair(i)
	c := &candidate{snapshot: s, known: &proven{t.Known.Certificates[i], p.Notes, t.Known}, pkcs8: p.Key}
	c.parse(ctx, p.Chain, r.share)
	return c
}
