package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sort"

	"golang.org/x/sys/unix"
)

// Mapped is a sealed bundle, mapped into memory that all processes share. The
// byte slices that its methods return lie in that memory: they are valid until
// Close, and whoever keeps one longer copies it. It is safe for use by several
// goroutines, of which the last to be done calls Close.
type Mapped struct {
	data []byte // nil after Close
	n    counts

	hosts, choices, pairs, links int // where the tables begin
}

var errLayout = errors.New("decode bundle: its tables contradict one another")

// OpenBundle maps what SealBundle wrote. It refuses what is not sealed or not
// whole, so that no later access can fail. The file stays the caller's.
func OpenBundle(f *os.File) (*Mapped, error) {
	seals, err := unix.FcntlInt(uintptr(Descriptor(f)), unix.F_GET_SEALS, 0)
	const needed = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK
	if err != nil || seals&needed != needed {
		return nil, fmt.Errorf("open bundle %.100q: not in sealed memory", f.Name())
	}
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open bundle: %v", err)
	}
	if size := info.Size(); size < int64(headerSize) || size > MaxBundle {
		return nil, fmt.Errorf("open bundle %.100q: %d bytes, want %d to %d", f.Name(), size, headerSize, MaxBundle)
	}
	data, err := unix.Mmap(Descriptor(f), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map bundle %.100q: %v", f.Name(), err)
	}
	m := &Mapped{data: data}
	if err := m.index(); err != nil {
		_ = m.Close()
		return nil, err
	}
	return m, nil
}

// index finds the tables and proves every number in them.
func (m *Mapped) index() error {
	name, digit, end := m.data[:len(bundleName)], m.data[len(bundleName)], m.data[len(bundleMagic)-1]
	if string(name) != bundleName || end != '\n' {
		return fmt.Errorf("decode bundle: no %q at its beginning", bundleName)
	}
	if err := Judge("bundle", int(digit)-'0', HintBuild); err != nil {
		return err
	}
	w := walk{data: m.data, at: len(bundleMagic)}
	if m.data[w.at] != 0 || m.data[w.at+1] != 0 {
		return errLayout
	}
	w.at += 2
	for _, n := range []*int{&m.n.hosts, &m.n.choices, &m.n.pairs, &m.n.links, &m.n.authorities} {
		if *n = w.number(); *n < 0 {
			return errLayout
		}
	}
	if m.n.tables() > int64(len(m.data)) || m.n.authorities > m.n.links {
		return errLayout
	}
	w.next = int(m.n.tables())
	m.hosts = headerSize
	m.choices = m.hosts + m.n.hosts*hostSize
	m.pairs = m.choices + m.n.choices*numberSize
	m.links = m.pairs + m.n.pairs*pairSize
	w.span() // of the notes
	w.rows(m)
	if w.wrong || w.next != len(m.data) {
		return errLayout
	}
	return nil
}

// walk reads the tables once, in their order, and notes what is wrong in them.
type walk struct {
	data  []byte
	at    int // in the tables; their size was proven before
	next  int // where the next span has to lie
	wrong bool
}

func (w *walk) number() int {
	n := binary.LittleEndian.Uint32(w.data[w.at:])
	w.at += numberSize
	return int(n)
}

func (w *walk) expect(ok bool) { w.wrong = w.wrong || !ok }

// span returns the bytes of the next span, which has to follow its predecessor.
func (w *walk) span() []byte {
	at, size := w.number(), w.number()
	if w.wrong || at != w.next || size < 0 || size > len(w.data)-at {
		w.wrong = true
		return nil
	}
	w.next += size
	return w.data[at:w.next]
}

// share reads which entries of another table belong to one of this, the first
// of them has to be the one after its predecessor's, and returns how many.
func (w *walk) share(used, of int) int {
	first, n := w.number(), w.number()
	if first != used || n < 0 || n > of-used {
		w.wrong = true
		return 0
	}
	return n
}

func (w *walk) rows(m *Mapped) {
	used := 0
	var last []byte
	for i := 0; i < m.n.hosts && !w.wrong; i++ {
		name := w.span()
		w.expect(i == 0 || string(last) < string(name))
		last = name
		n := w.share(used, m.n.choices)
		w.expect(n > 0)
		used += n
	}
	w.expect(used == m.n.choices)
	for i := 0; i < m.n.choices && !w.wrong; i++ {
		n := w.number()
		w.expect(n >= 0 && n < m.n.pairs)
	}
	used = 0
	for i := 0; i < m.n.pairs && !w.wrong; i++ {
		w.span() // name
		w.span() // notes
		w.span() // key
		used += w.share(used, m.n.links-m.n.authorities)
	}
	w.expect(used == m.n.links-m.n.authorities)
	for i := 0; i < m.n.links && !w.wrong; i++ {
		w.span()
	}
}

// Len returns the number of pairs.
func (m *Mapped) Len() int { return m.n.pairs }

// Pair returns pair i, from 0.
func (m *Mapped) Pair(i int) Pair {
	row := m.row(m.pairs, m.n.pairs, pairSize, i)
	return Pair{
		Name:  string(m.span(row)),
		Notes: m.span(row + spanSize),
		Key:   m.span(row + 2*spanSize),
		Chain: m.chain(m.number(row+3*spanSize), m.number(row+3*spanSize+numberSize)),
	}
}

// NotesOf returns the notes of pair i, from 0, and makes nothing of the rest.
func (m *Mapped) NotesOf(i int) []byte {
	return m.span(m.row(m.pairs, m.n.pairs, pairSize, i) + spanSize)
}

// SamePair says whether pair i has the chain and the key of pair j of another
// bundle. It allocates nothing.
func (m *Mapped) SamePair(i int, other *Mapped, j int) bool {
	a, b := m.row(m.pairs, m.n.pairs, pairSize, i), other.row(other.pairs, other.n.pairs, pairSize, j)
	if !bytes.Equal(m.span(a+2*spanSize), other.span(b+2*spanSize)) {
		return false
	}
	a, b = a+3*spanSize, b+3*spanSize
	links := m.number(a + numberSize)
	if links != other.number(b+numberSize) {
		return false
	}
	first, second := m.links+m.number(a)*spanSize, other.links+other.number(b)*spanSize
	for n := range links {
		if !bytes.Equal(m.span(first+n*spanSize), other.span(second+n*spanSize)) {
			return false
		}
	}
	return true
}

// Choices are the pairs that serve a name, in order of preference.
type Choices struct {
	m        *Mapped
	first, n int
}

// Len returns how many there are; none if no pair serves the name.
func (c Choices) Len() int { return c.n }

// At returns the index of choice i, from 0.
func (c Choices) At(i int) int {
	if i < 0 || i >= c.n {
		panic(fmt.Sprintf("BUG: choice %d of %d", i, c.n))
	}
	return c.m.number(c.m.choices + (c.first+i)*numberSize)
}

// Equal says whether both are the same pairs, by their index, in the same order.
func (c Choices) Equal(d Choices) bool {
	if c.n != d.n {
		return false
	}
	for i := range c.n {
		if c.At(i) != d.At(i) {
			return false
		}
	}
	return true
}

// Lookup finds the pairs that serve exactly this name, which may be a wildcard.
// It allocates nothing.
func (m *Mapped) Lookup(name string) Choices {
	i, found := sort.Find(m.n.hosts, func(i int) int {
		at := m.span(m.hosts + i*hostSize)
		switch { // a conversion that is only compared copies nothing
		case name < string(at):
			return -1
		case name > string(at):
			return 1
		default:
			return 0
		}
	})
	if !found {
		return Choices{}
	}
	row := m.hosts + i*hostSize + spanSize
	return Choices{m, m.number(row), m.number(row + numberSize)}
}

// Find returns what Lookup finds as a list; nil if no pair serves the name.
func (m *Mapped) Find(name string) []int {
	var list []int
	found := m.Lookup(name)
	for i := range found.Len() {
		list = append(list, found.At(i))
	}
	return list
}

// ClientCAs returns the authorities that clients' certificates must lead to.
func (m *Mapped) ClientCAs() [][]byte {
	return m.chain(m.n.links-m.n.authorities, m.n.authorities)
}

// Notes returns what the master noted for itself.
func (m *Mapped) Notes() []byte { return m.span(headerSize - spanSize) }

// Close unmaps the bundle, once; nothing that it returned may be used after it.
func (m *Mapped) Close() error {
	data := m.data
	m.data = nil
	if data == nil {
		return nil
	}
	return unix.Munmap(data)
}

func (m *Mapped) row(table, rows, size, i int) int {
	if i < 0 || i >= rows {
		panic(fmt.Sprintf("BUG: row %d of %d in a bundle", i, rows))
	}
	return table + i*size
}

func (m *Mapped) number(at int) int { return int(binary.LittleEndian.Uint32(m.data[at:])) }

// span returns the bytes of the span at an offset, nil if there are none. They
// have no room behind them, lest an append write to the mapping.
func (m *Mapped) span(at int) []byte {
	from, size := m.number(at), m.number(at+numberSize)
	if size == 0 {
		return nil
	}
	return m.data[from : from+size : from+size]
}

func (m *Mapped) chain(first, n int) [][]byte {
	var list [][]byte
	for i := first; i < first+n; i++ {
		list = append(list, m.span(m.links+i*spanSize))
	}
	return list
}
