package wire

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

// MaxBundle is the largest bundle in bytes.
const MaxBundle = 1 << 30

// Bundle is what workers serve, before it is sealed.
type Bundle struct {
	Pairs     []Pair
	Hosts     []Host   // sorted by name, without duplicates
	ClientCAs [][]byte // DER; none: clients are not asked for a certificate
	Notes     []byte   // the master's own, of no meaning to a worker
}

// Pair is one certificate chain with its key, in DER.
type Pair struct {
	Name  string   // how it is called in output
	Chain [][]byte // leaf first
	Key   []byte   // PKCS #8 (RFC 5208)
	Notes []byte   // the master's own, of no meaning to a worker
}

// Host says which pairs serve a name: a DNS name or an address in lower case, or
// "*.example.org".
type Host struct {
	Name  string
	Pairs []int // indexes into Bundle.Pairs, in order of preference; at least one
}

// The layout. Every number has 32 bits, little-endian. A span is the offset and
// the length of some bytes behind the tables.
//
//	magic, two zero bytes
//	how many: hosts, choices, pairs, links, client authorities
//	span of the notes
//	a host:   span of its name; its first choice and how many
//	a choice: the index of a pair
//	a pair:   spans of name, notes and key; its first link and how many
//	a link:   span of one certificate; the authorities are the last links
//	the bytes
//
// There is one way only to lay out a bundle: the spans follow one another without
// a gap in the order in which they stand in the tables, and so do the choices of
// the hosts and the links of the pairs. So one walk over the tables proves every
// offset, and nothing in a bundle can be meant twice.
const (
	bundleName  = "HANDOVER BUNDLE "
	bundleMagic = bundleName + string(rune('0'+Version)) + "\n" // the digit is the version

	numberSize = 4
	spanSize   = 2 * numberSize
	headerSize = len(bundleMagic) + 2 + 5*numberSize + spanSize
	hostSize   = spanSize + 2*numberSize
	pairSize   = 3*spanSize + 2*numberSize
)

// SealBundle lays b out in a memfd that nobody can change any more.
func SealBundle(b Bundle) (*os.File, error) {
	counted, err := b.count()
	if err != nil {
		return nil, fmt.Errorf("lay out bundle: %v", err)
	}
	return seal("bundle", func(w io.Writer) error {
		l := layout{w: bufio.NewWriterSize(w, 64<<10), next: int(counted.tables())}
		l.head(b, counted)
		l.rows(b)
		l.bytes(b)
		return l.w.Flush() // the first error of all writes
	})
}

// counts is how many entries the tables of a bundle have.
type counts struct{ hosts, choices, pairs, links, authorities int }

// tables is how many bytes the header and the tables take.
func (c counts) tables() int64 {
	rows := int64(c.hosts)*hostSize + int64(c.choices)*numberSize + int64(c.pairs)*pairSize + int64(c.links)*spanSize
	return int64(headerSize) + rows
}

// count measures b. It refuses what OpenBundle would.
func (b Bundle) count() (counts, error) {
	c := counts{hosts: len(b.Hosts), pairs: len(b.Pairs), links: len(b.ClientCAs), authorities: len(b.ClientCAs)}
	size := int64(len(b.Notes) + total(b.ClientCAs))
	for i, h := range b.Hosts {
		if i > 0 && h.Name <= b.Hosts[i-1].Name {
			return c, fmt.Errorf("host %.100q is not sorted or there twice", h.Name)
		}
		if len(h.Pairs) == 0 {
			return c, fmt.Errorf("host %.100q has no pair", h.Name)
		}
		for _, n := range h.Pairs {
			if n < 0 || n >= len(b.Pairs) {
				return c, fmt.Errorf("host %.100q names pair %d of %d", h.Name, n, len(b.Pairs))
			}
		}
		c.choices += len(h.Pairs)
		size += int64(len(h.Name))
	}
	for _, p := range b.Pairs {
		c.links += len(p.Chain)
		size += int64(len(p.Name) + len(p.Notes) + len(p.Key) + total(p.Chain))
	}
	if size += c.tables(); size > MaxBundle {
		return c, fmt.Errorf("%d bytes, at most %d", size, MaxBundle)
	}
	return c, nil
}

func total(list [][]byte) int {
	n := 0
	for _, b := range list {
		n += len(b)
	}
	return n
}

// layout writes a bundle from its beginning to its end. There is no second copy
// of it on the way: with thousands of pairs it would be the largest thing that
// the process holds. Writing also fails where a mapping would end the process,
// if the memory is not to be had.
type layout struct {
	w    *bufio.Writer
	next int // where the next span lies
}

func (l *layout) number(n int) {
	_, _ = l.w.Write(binary.LittleEndian.AppendUint32(l.w.AvailableBuffer(), uint32(n))) // Flush returns the error
}

func (l *layout) span(size int) {
	l.number(l.next)
	l.number(size)
	l.next += size
}

func (l *layout) head(b Bundle, c counts) {
	_, _ = l.w.WriteString(bundleMagic + "\x00\x00")
	for _, n := range []int{c.hosts, c.choices, c.pairs, c.links, c.authorities} {
		l.number(n)
	}
	l.span(len(b.Notes))
}

func (l *layout) rows(b Bundle) {
	choice, link := 0, 0
	for _, h := range b.Hosts {
		l.span(len(h.Name))
		l.number(choice)
		l.number(len(h.Pairs))
		choice += len(h.Pairs)
	}
	for _, h := range b.Hosts {
		for _, n := range h.Pairs {
			l.number(n)
		}
	}
	for _, p := range b.Pairs {
		l.span(len(p.Name))
		l.span(len(p.Notes))
		l.span(len(p.Key))
		l.number(link)
		l.number(len(p.Chain))
		link += len(p.Chain)
	}
	b.eachLink(func(der []byte) { l.span(len(der)) })
}

func (l *layout) bytes(b Bundle) {
	_, _ = l.w.Write(b.Notes)
	for _, h := range b.Hosts {
		_, _ = l.w.WriteString(h.Name)
	}
	for _, p := range b.Pairs {
		_, _ = l.w.WriteString(p.Name)
		_, _ = l.w.Write(p.Notes)
		_, _ = l.w.Write(p.Key)
	}
	b.eachLink(func(der []byte) { _, _ = l.w.Write(der) })
}

func (b Bundle) eachLink(f func(der []byte)) {
	for _, p := range b.Pairs {
		for _, der := range p.Chain {
			f(der)
		}
	}
	for _, der := range b.ClientCAs {
		f(der)
	}
}
