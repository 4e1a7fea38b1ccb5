package archive

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/handover/supervisor/cert"
)

// Save keeps what was taken, unless the newest bundle is the same, and forgets
// what is too old. What was made on the spot is not kept. When it returns nil,
// the bundle is on disk; when it returns an error, it is not listed, and all
// that was kept before still is.
func (a *Archive) Save(b *cert.Bundle, askedBy string, now time.Time) error {
	f, err := a.write()
	if err != nil {
		return err
	}
	defer f.Close()
	s := &saving{folders: f, now: now}
	if err := s.save(b, askedBy); err != nil {
		s.undo()
		return fmt.Errorf("save bundle in state_dir %q: %v", a.dir, err)
	}
	if err := s.prune(); err != nil {
		return fmt.Errorf("remove old bundles from state_dir %q: %v", a.dir, err)
	}
	return nil
}

// writers is how many pairs are written at once.
const writers = 32

// saving is one Save. The lock is held.
type saving struct {
	*folders
	now  time.Time
	list string // of the new bundle

	mu    sync.Mutex
	wrote []string // pairs that were not there before
}

func (s *saving) save(b *cert.Bundle, askedBy string) error {
	e := Entry{Version: version, Adopted: s.now, AskedBy: askedBy}
	pairs, err := s.keepAll(b)
	if err != nil {
		return err
	}
	for i, c := range b.Certificates {
		if !c.SelfSigned {
			e.Certificates = append(e.Certificates, keep(c, pairs[i]))
		}
	}
	entries, highest, _ := s.entries()
	if len(e.Certificates) == 0 || len(entries) > 0 && entries[0].sameAs(e) {
		return nil
	}
	if err := flush(s.pairs); err != nil {
		return err
	}
	e.Number = highest + 1
	s.list = e.file()
	return s.note(e)
}

// keepAll keeps the pairs of b and returns their digests. Several are written at
// once: most of the time goes by in fsync, which then does for all of them.
func (s *saving) keepAll(b *cert.Bundle) ([]string, error) {
	pairs, problems := make([]string, len(b.Certificates)), make([]error, len(b.Certificates))
	var next atomic.Int64
	var end sync.WaitGroup
	for range min(writers, len(pairs)) {
		end.Go(func() { // ends with the list
			for i := int(next.Add(1)) - 1; i < len(pairs); i = int(next.Add(1)) - 1 {
				if b.Certificates[i].SelfSigned {
					continue
				}
				if pairs[i], problems[i] = s.keep(b.PEM(i)); problems[i] != nil {
					next.Store(int64(len(pairs))) // one is enough
				}
			}
		})
	}
	end.Wait()
	for _, err := range problems {
		if err != nil {
			return nil, err
		}
	}
	return pairs, nil
}

// keep writes a pair, unless it lies there whole, and returns its digest.
func (s *saving) keep(text []byte) (string, error) {
	sum := sha256.Sum256(text)
	digest := hex.EncodeToString(sum[:])
	there, err := get(s.pairs, digest+".pem")
	if err == nil && bytes.Equal(there, text) {
		return digest, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		s.mu.Lock()
		s.wrote = append(s.wrote, digest+".pem")
		s.mu.Unlock()
	}
	return digest, put(s.pairs, digest+".pem", text)
}

// note writes the list of a bundle.
func (s *saving) note(e Entry) error {
	text, err := e.encode()
	if err != nil {
		return err
	}
	if err := put(s.bundles, e.file(), text); err != nil {
		return err
	}
	return flush(s.bundles)
}

// undo removes what a Save has written in vain: the disk may be full.
func (s *saving) undo() {
	if s.list != "" {
		_ = s.bundles.Remove(s.list)
	}
	for _, name := range s.wrote {
		_ = s.pairs.Remove(name)
	}
}

// prune forgets all but the newest bundles, what has expired in those but the
// newest, the pairs that none names any more, and what other writes left.
func (s *saving) prune() error {
	entries, _, _ := s.entries()
	var problems []error
	listed, named := map[string]bool{}, map[string]bool{}
	for i, e := range entries[:min(kept, len(entries))] {
		if i > 0 {
			all := len(e.Certificates)
			e.Certificates = slices.DeleteFunc(e.Certificates, func(k Kept) bool { return k.NotAfter.Before(s.now) })
			if len(e.Certificates) == 0 {
				continue
			}
			if len(e.Certificates) < all {
				problems = append(problems, s.note(e))
			}
		}
		listed[e.file()] = true
		for _, k := range e.Certificates {
			named[k.Pair+".pem"] = true
		}
	}
	held, _ := readHeld(s.folders)
	for _, h := range held {
		named[h.Pair+".pem"] = true
	}
	if len(entries) == 0 {
		return errors.Join(problems...) // nothing that could be read says what may go
	}
	newest := entries[0].Number
	problems = append(problems, sweep(s.top, debris))
	problems = append(problems, sweep(s.bundles, func(name string) bool {
		n, ok := number(name)
		return debris(name) || ok && n <= newest && !listed[name]
	}))
	problems = append(problems, sweep(s.pairs, func(name string) bool {
		digest, ok := strings.CutSuffix(name, ".pem")
		return debris(name) || ok && isDigest(digest) && !named[name]
	}))
	return errors.Join(problems...)
}

// sweep removes the files of a directory that are to go.
func sweep(dir *os.Root, goes func(name string) bool) error {
	names, err := regular(dir)
	problems := []error{err}
	for _, name := range names {
		if goes(name) {
			problems = append(problems, dir.Remove(name))
		}
	}
	return errors.Join(problems...)
}

// entries lists the bundles, newest first, whose lists can be read, and the
// highest number that is in use. The errors say which cannot.
func (f *folders) entries() ([]Entry, uint64, error) {
	files, err := fs.ReadDir(f.bundles.FS(), ".")
	problems := []error{err}
	var entries []Entry
	highest := uint64(0)
	for _, file := range files {
		n, ok := number(file.Name())
		if !ok {
			continue
		}
		highest = max(highest, n)
		b, err := get(f.bundles, file.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue // another process has just removed it
		}
		var e Entry
		if err == nil {
			e, err = parseEntry(b)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("kept bundle %d: %v", n, err))
			continue
		}
		e.Number = n
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(x, y Entry) int { return cmp.Compare(y.Number, x.Number) })
	return entries, highest, errors.Join(problems...)
}
