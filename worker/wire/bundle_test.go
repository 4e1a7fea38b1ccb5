package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func someBundle() Bundle {
	return Bundle{
		Pairs: []Pair{
			{Name: "a", Chain: [][]byte{[]byte("leaf"), []byte("issuer")}, Key: []byte("key"), Notes: []byte("{}")},
			{Name: "b", Chain: [][]byte{[]byte("other")}, Key: []byte("other key")},
			{},
		},
		Hosts: []Host{
			{Name: "*.a.example", Pairs: []int{0}},
			{Name: "127.0.0.1", Pairs: []int{1}},
			{Name: "a.example", Pairs: []int{1, 0}},
			{Name: "b.example", Pairs: []int{2, 1, 0}},
		},
		ClientCAs: [][]byte{[]byte("authority"), []byte("another")},
		Notes:     []byte("of the master"),
	}
}

// manyPairs makes a bundle of n pairs, with so many names each.
func manyPairs(n, names int) Bundle {
	var b Bundle
	for i := range n {
		name := fmt.Sprintf("host%06d.example", i)
		b.Pairs = append(b.Pairs, Pair{Name: name, Chain: [][]byte{make([]byte, 900), make([]byte, 1100)}, Key: make([]byte, 138)})
		for j := range names {
			b.Hosts = append(b.Hosts, Host{Name: fmt.Sprintf("host%06d.%d.example", i, j), Pairs: []int{i}})
		}
	}
	return b
}

func mustSeal(t testing.TB, b Bundle) *os.File {
	t.Helper()
	f, err := SealBundle(b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func mustOpen(t testing.TB, f *os.File) *Mapped {
	t.Helper()
	m, err := OpenBundle(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// content collects all that the accessors return.
func content(m *Mapped) Bundle {
	b := Bundle{ClientCAs: m.ClientCAs(), Notes: m.Notes()}
	for i := range m.Len() {
		b.Pairs = append(b.Pairs, m.Pair(i))
	}
	for i := range m.n.hosts {
		name := string(m.span(m.hosts + i*hostSize))
		b.Hosts = append(b.Hosts, Host{Name: name, Pairs: m.Find(name)})
	}
	return b
}

func TestBundleSurvivesTheTrip(t *testing.T) {
	t.Parallel()
	for _, want := range []Bundle{{}, someBundle(), manyPairs(100, 10)} {
		f := mustSeal(t, want)
		for range 2 { // the file position plays no part
			if got := content(mustOpen(t, f)); !reflect.DeepEqual(got, want) {
				t.Errorf("bundle: got %.300q, want %.300q", fmt.Sprint(got), fmt.Sprint(want))
			}
		}
	}
}

func TestBundleOutlivesItsFile(t *testing.T) {
	t.Parallel()
	f, err := SealBundle(someBundle())
	check(t, err)
	m := mustOpen(t, f)
	check(t, f.Close())
	if got := string(m.Pair(1).Key); got != "other key" {
		t.Errorf("key: got %q, want \"other key\"", got)
	}
	check(t, m.Close())
	check(t, m.Close())
}

func TestLookupFindsWhatServesExactlyThisName(t *testing.T) {
	t.Parallel()
	m := mustOpen(t, mustSeal(t, someBundle()))
	for name, want := range map[string][]int{
		"*.a.example": {0}, "127.0.0.1": {1}, "a.example": {1, 0}, "b.example": {2, 1, 0},
		"": nil, "a": nil, "a.exampl": nil, "a.examplee": nil, "c.example": nil, "x.a.example": nil,
	} {
		if got := m.Find(name); !reflect.DeepEqual(got, want) {
			t.Errorf("pairs for %q: got %v, want %v", name, got, want)
		}
	}
}

func TestBundleThatCannotBeServedIsNotSealed(t *testing.T) {
	t.Parallel()
	pairs := []Pair{{}}
	for want, b := range map[string]Bundle{
		"not sorted or there twice": {Pairs: pairs, Hosts: []Host{{"b", []int{0}}, {"a", []int{0}}}},
		"sorted or there twice":     {Pairs: pairs, Hosts: []Host{{"a", []int{0}}, {"a", []int{0}}}},
		"has no pair":               {Pairs: pairs, Hosts: []Host{{"a", nil}}},
		"names pair 1 of 1":         {Pairs: pairs, Hosts: []Host{{"a", []int{1}}}},
		"names pair -1 of 1":        {Pairs: pairs, Hosts: []Host{{"a", []int{-1}}}},
		"bytes, at most":            {Notes: make([]byte, MaxBundle)},
	} {
		f, err := SealBundle(b)
		if err == nil {
			_ = f.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("seal: got %v, want an error with %q", err, want)
		}
	}
}

func TestBundleThatIsNotSealedIsRefused(t *testing.T) {
	t.Parallel()
	sealed := mustSeal(t, someBundle())
	b, err := ReadSealed(sealed)
	check(t, err)
	const write, grow, shrink = unix.F_SEAL_WRITE, unix.F_SEAL_GROW, unix.F_SEAL_SHRINK
	for seals, want := range map[int]bool{0: false, write | grow: false, write | shrink: false, grow | shrink: false, write | grow | shrink: true} {
		fd, err := unix.MemfdCreate("half", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
		check(t, err)
		f := NewFile(fd, "half")
		_, err = f.Write(b)
		check(t, err)
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
		check(t, err)
		m, err := OpenBundle(f)
		if (err == nil) != want {
			t.Errorf("open with seals %#x: got %v, want it opened: %v", seals, err, want)
		}
		if m != nil {
			check(t, m.Close())
		}
		check(t, f.Close())
	}
	r, w, err := Pipe("pipe")
	check(t, err)
	defer func() { _, _ = r.Close(), w.Close() }()
	if _, err := OpenBundle(r); err == nil {
		t.Error("open a pipe: got no error")
	}
}

func TestBundleThatIsNotWholeIsRefused(t *testing.T) {
	t.Parallel()
	whole, err := ReadSealed(mustSeal(t, someBundle()))
	check(t, err)
	for n := range whole {
		expectRefused(t, fmt.Sprintf("the first %d of %d bytes", n, len(whole)), whole[:n])
	}
	expectRefused(t, "a byte more", append(bytes.Clone(whole), 0))
	// Every number of header and tables is the only one that is right there.
	c, err := someBundle().count()
	check(t, err)
	for at := len(bundleMagic) + 2; at < int(c.tables()); at += numberSize {
		for _, n := range []uint32{0, 1, 2, 3, 4, 5, 6, 1 << 16, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
			if n == binary.LittleEndian.Uint32(whole[at:]) || isChoice(at, n, c) {
				continue
			}
			changed := bytes.Clone(whole)
			binary.LittleEndian.PutUint32(changed[at:], n)
			expectRefused(t, fmt.Sprintf("%d at offset %d", n, at), changed)
		}
	}
}

// isChoice says whether n would be a choice, as good as another.
func isChoice(at int, n uint32, c counts) bool {
	first := headerSize + c.hosts*hostSize
	return at >= first && at < first+c.choices*numberSize && int(n) < c.pairs
}

func expectRefused(t *testing.T, what string, b []byte) {
	t.Helper()
	f, err := Seal("bundle", b)
	check(t, err)
	defer func() { _ = f.Close() }()
	if m, err := OpenBundle(f); err == nil {
		t.Errorf("open %s: got a bundle of %d pairs, want an error", what, m.Len())
		check(t, m.Close())
	}
}

// Not parallel: allocations are counted for the whole process.
func TestOpeningManyPairsTakesNextToNoHeap(t *testing.T) {
	f := mustSeal(t, manyPairs(10_000, 10)) // and 100,000 names
	if info, err := f.Stat(); err != nil || info.Size() < 20<<20 {
		t.Fatalf("bundle: got %d bytes (%v), want over 20 MiB", info.Size(), err)
	}
	allocated := testing.AllocsPerRun(5, func() {
		m, err := OpenBundle(f)
		if err != nil || m.Find("host009999.9.example")[0] != 9999 {
			t.Errorf("open: got %v, or another pair than 9999", err)
			return
		}
		_ = m.Close()
	})
	if allocated > 40 {
		t.Errorf("open 10,000 pairs: got %v allocations, want at most 40", allocated)
	}
	m := mustOpen(t, f)
	if allocated := testing.AllocsPerRun(100, func() { _ = m.Lookup("host005000.5.example").At(0) }); allocated != 0 {
		t.Errorf("lookup: got %v allocations, want none", allocated)
	}
}

func TestPairsAreTheSameByChainAndKeyAlone(t *testing.T) {
	t.Parallel()
	pair := func(key string, chain ...string) Pair {
		p := Pair{Name: key + strings.Join(chain, "-"), Key: []byte(key), Notes: []byte(strings.Join(chain, "+"))}
		for _, link := range chain {
			p.Chain = append(p.Chain, []byte(link))
		}
		return p
	}
	all := []Pair{pair("k", "a", "b"), pair("l", "a", "b"), pair("k", "b", "a"), pair("k", "a"), pair("k", "a", "b", "c"), pair("k"), pair("k", "ab", "")}
	other := []Pair{pair("x", "y")}
	for _, p := range all { // so that no offset is the same in both
		p.Name, p.Notes = "renamed", nil
		other = append(other, p)
	}
	a, b := mustOpen(t, mustSeal(t, Bundle{Pairs: all})), mustOpen(t, mustSeal(t, Bundle{Pairs: other, ClientCAs: [][]byte{{1}}}))
	for i := range all {
		for j := range other {
			if got := a.SamePair(i, b, j); got != (j == i+1) {
				t.Errorf("pair %d (%q) and pair %d (%q): the same: got %v", i, all[i].Chain, j, other[j].Chain, got)
			}
		}
	}
}

func TestChoicesAreEqualInTheSameOrderAlone(t *testing.T) {
	t.Parallel()
	m := mustOpen(t, mustSeal(t, Bundle{Pairs: make([]Pair, 3), Hosts: []Host{
		{Name: "a", Pairs: []int{0, 1}}, {Name: "b", Pairs: []int{1, 0}}, {Name: "c", Pairs: []int{0}}, {Name: "d", Pairs: []int{0, 1}},
	}}))
	for name, want := range map[string]bool{"a": true, "b": false, "c": false, "d": true, "e": false} {
		if got := m.Lookup("a").Equal(m.Lookup(name)); got != want {
			t.Errorf("choices of a and %s: equal: got %v, want %v", name, got, want)
		}
	}
	if !m.Lookup("e").Equal(m.Lookup("f")) {
		t.Error("choices of nobody: got a difference")
	}
}

// Whatever lies in sealed memory is refused, or is the one layout of what it holds.
func FuzzOpenBundle(f *testing.F) {
	for _, b := range []Bundle{{}, someBundle(), manyPairs(3, 2)} {
		sealed, err := SealBundle(b)
		if err != nil {
			f.Fatal(err)
		}
		data, err := ReadSealed(sealed)
		if err != nil {
			f.Fatal(err)
		}
		_ = sealed.Close()
		f.Add(data)
	}
	f.Add([]byte(bundleMagic + "\x00\x00\xff\xff\xff\xff"))
	f.Add([]byte("HANDOVER BUNDLE 3\n" + strings.Repeat("\x00", headerSize-len(bundleMagic))))
	f.Add([]byte("HANDOVER BUNDLE 4\n" + strings.Repeat("\x00", headerSize-len(bundleMagic))))
	f.Fuzz(func(t *testing.T, data []byte) {
		sealed, err := Seal("fuzz", data)
		check(t, err)
		defer func() { _ = sealed.Close() }()
		m, err := OpenBundle(sealed)
		if err != nil {
			return
		}
		defer func() { _ = m.Close() }()
		again, err := SealBundle(content(m))
		check(t, err)
		defer func() { _ = again.Close() }()
		copy(data, bundleMagic) // it may be a neighbour's
		if got, err := io.ReadAll(io.NewSectionReader(again, 0, MaxBundle)); !bytes.Equal(got, data) {
			t.Fatalf("laid out again: got %q (%v), want %q", got, err, data)
		}
	})
}

func BenchmarkOpenBundle(b *testing.B) {
	for _, n := range []int{1, 100, 5000} {
		b.Run(fmt.Sprintf("pairs=%d", n), func(b *testing.B) {
			f := mustSeal(b, manyPairs(n, 2))
			b.ReportAllocs()
			for b.Loop() {
				m, err := OpenBundle(f)
				if err != nil {
					b.Fatal(err)
				}
				_ = m.Close()
			}
		})
	}
}

func BenchmarkLookup(b *testing.B) {
	m := mustOpen(b, mustSeal(b, manyPairs(5000, 2)))
	b.ReportAllocs()
	for b.Loop() {
		if m.Lookup("host002500.1.example").Len() != 1 {
			b.Fatal("not found")
		}
	}
}

func BenchmarkSealBundle(b *testing.B) {
	many := manyPairs(5000, 2)
	b.ReportAllocs()
	for b.Loop() {
		f, err := SealBundle(many)
		if err != nil {
			b.Fatal(err)
		}
		_ = f.Close()
	}
}
