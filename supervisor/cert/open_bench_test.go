package cert

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// sealedMany is a bundle of n pairs as a Take would have noted them. They share
// their bytes: those are of no interest here.
func sealedMany(b *testing.B, n int) *Bundle {
	b.Helper()
	a := newAuthority(b)
	chain, key := a.issue(nil)
	leaf := newCertificate(inspect(b.Context(), read(pairIn(b, chain, key).CertFile, "")), verdict{})
	leaf.Digest = leaf.Fingerprint
	list := make([]*accepted, n)
	for i := range list {
		c := leaf
		c.Name = fmt.Sprintf("p%05d.example.org", i)
		c.Names = []string{c.Name, "www." + c.Name}
		c.Fingerprint = fmt.Sprintf("%064x", i)
		c.ChainSHA256 = c.Fingerprint
		c.Source = fmt.Sprintf("/etc/handover/certs/p%05d.crt", i)
		if i%2 == 0 { // half of them have something to say
			c.Found = []status.Check{{Name: "ext.sct", Severity: info, Certificate: c.Name, File: c.Source, Message: "no signed certificate timestamps"}}
		}
		list[i] = noted(&accepted{Certificate: c, chain: [][]byte{make([]byte, 600)}, key: make([]byte, 138)})
	}
	bundle, err := seal(list, hosts(list, time.Now()), nil, bundleNotes{Prover: "x"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(bundle.Close)
	return bundle
}

// many runs a benchmark with bundles of 1, 100 and 5000 pairs.
func many(b *testing.B, f func(b *testing.B, bundle *Bundle)) {
	for _, n := range []int{1, 100, 5000} {
		b.Run(fmt.Sprintf("pairs=%d", n), func(b *testing.B) {
			bundle := sealedMany(b, n)
			b.ReportAllocs()
			f(b, bundle)
		})
	}
}

// BenchmarkOpen is what a new master does first with what its predecessor has judged.
func BenchmarkOpen(b *testing.B) {
	many(b, func(b *testing.B, bundle *Bundle) {
		for b.Loop() {
			fd, err := unix.FcntlInt(uintptr(wire.Descriptor(bundle.File())), unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				b.Fatal(err)
			}
			again, err := Open(wire.NewFile(fd, "bundle"))
			if err != nil {
				b.Fatal(err)
			}
			again.Close()
		}
	})
}

// BenchmarkPublished is the certificates as each status has them.
func BenchmarkPublished(b *testing.B) {
	many(b, func(b *testing.B, bundle *Bundle) {
		for b.Loop() {
			bundle.Published()
		}
	})
}

// BenchmarkSame is how a rotation finds out that there is nothing to do.
func BenchmarkSame(b *testing.B) {
	many(b, func(b *testing.B, bundle *Bundle) {
		for b.Loop() {
			if !bundle.Same(bundle) || len(bundle.Changed(bundle)) > 0 {
				b.Fatal("got a change")
			}
		}
	})
}

// BenchmarkDecode is one description, beside encoding/json.
func BenchmarkDecode(b *testing.B) {
	text := sealedMany(b, 1).mapped.NotesOf(0)
	for name, read := range map[string]func() (Certificate, error){
		"decode": func() (Certificate, error) { return decode(text) },
		"encoding-json": func() (c Certificate, err error) {
			err = json.Unmarshal(text, &c)
			return c, err
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
