package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// bundleMagic opens a bundle; the digit is its version.
const bundleMagic = "HANDOVER BUNDLE 1\n"

// MaxBundle is the largest bundle in bytes.
const MaxBundle = 1 << 30

// Pair is one certificate chain with its key, in DER.
type Pair struct {
	Name  string   // how it is called in output
	Names []string // the DNS names and addresses it serves
	Chain [][]byte // leaf first
	Key   []byte   // PKCS #8 (RFC 5208)
}

// bundleIndex stands in front of the DER, so that a reader can find one pair
// among thousands without touching the others.
type bundleIndex struct {
	Name  string   `json:"name"`
	Names []string `json:"names"`
	Chain []int    `json:"chain"` // sizes, in order
	Key   int      `json:"key"`
}

// EncodeBundle lays pairs out as one block: magic, length of the index
// (big-endian, 4 bytes), index in JSON, then the DER of each pair, chain
// before key.
func EncodeBundle(pairs []Pair) ([]byte, error) {
	index := make([]bundleIndex, 0, len(pairs))
	var body bytes.Buffer
	for _, p := range pairs {
		entry := bundleIndex{Name: p.Name, Names: p.Names, Key: len(p.Key)}
		for _, der := range p.Chain {
			entry.Chain = append(entry.Chain, len(der))
			body.Write(der)
		}
		body.Write(p.Key)
		index = append(index, entry)
	}
	head, err := json.Marshal(index)
	if err != nil {
		return nil, fmt.Errorf("encode bundle: %w", err)
	}
	out := make([]byte, 0, len(bundleMagic)+4+len(head)+body.Len())
	out = append(out, bundleMagic...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(head)))
	out = append(out, head...)
	return append(out, body.Bytes()...), nil
}

// DecodeBundle reads what EncodeBundle wrote. The pairs point into b.
func DecodeBundle(b []byte) ([]Pair, error) {
	rest, ok := bytes.CutPrefix(b, []byte(bundleMagic))
	if !ok || len(rest) < 4 {
		return nil, fmt.Errorf("decode bundle: no %q at its beginning: another release", bundleMagic)
	}
	size := int(binary.BigEndian.Uint32(rest))
	rest = rest[4:]
	if size > len(rest) {
		return nil, fmt.Errorf("decode bundle: index of %d bytes in %d", size, len(rest))
	}
	var index []bundleIndex
	if err := json.Unmarshal(rest[:size], &index); err != nil {
		return nil, fmt.Errorf("decode bundle: index: %v", err)
	}
	rest = rest[size:]
	take := func(n int) ([]byte, error) {
		if n < 0 || n > len(rest) {
			return nil, fmt.Errorf("decode bundle: part of %d bytes in %d", n, len(rest))
		}
		part := rest[:n:n]
		rest = rest[n:]
		return part, nil
	}
	pairs := make([]Pair, 0, len(index))
	for _, entry := range index {
		p := Pair{Name: entry.Name, Names: entry.Names}
		for _, n := range entry.Chain {
			der, err := take(n)
			if err != nil {
				return nil, err
			}
			p.Chain = append(p.Chain, der)
		}
		key, err := take(entry.Key)
		if err != nil {
			return nil, err
		}
		p.Key = key
		pairs = append(pairs, p)
	}
	return pairs, nil
}

// Seal puts b into a memfd that nobody can change any more: not by writing, not
// by reopening it through /proc (memfd_create(2), F_SEAL_WRITE in fcntl(2)).
func Seal(name string, b []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("handover-"+name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("create memfd %q: %v", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Write(b); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("write memfd %q: %v", name, err)
	}
	seals := unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("seal memfd %q: %v", name, err)
	}
	return f, nil
}

// ReadSealed returns the content of a sealed memfd. It reads at offsets: the
// file position is shared by every process that has the descriptor.
func ReadSealed(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read memfd %q: %v", f.Name(), err)
	}
	if info.Size() > MaxBundle {
		return nil, fmt.Errorf("read memfd %q: %d bytes, at most %d", f.Name(), info.Size(), MaxBundle)
	}
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, info.Size()), b); err != nil {
		return nil, fmt.Errorf("read memfd %q: %v", f.Name(), err)
	}
	return b, nil
}
