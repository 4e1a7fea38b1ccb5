package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"example.com/handover/supervisor/status"
)

// Entries lists the bundles that are kept whole, newest first. The error says
// which are damaged: both may be given.
func (a *Archive) Entries() ([]Entry, error) {
	f, err := a.open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, _, err := f.entries()
	problems := []error{err}
	checked := map[string]error{}
	good := all[:0]
	for _, e := range all {
		err := e.whole(f, checked)
		if _, gone := f.bundles.Lstat(e.file()); errors.Is(gone, fs.ErrNotExist) {
			continue // another process has just removed it, with what it names
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("kept bundle %d: %v", e.Number, err))
			continue
		}
		good = append(good, e)
	}
	return good, errors.Join(problems...)
}

// whole says what is wrong with the first pair that is not as it was written.
func (e Entry) whole(f *folders, checked map[string]error) error {
	for _, k := range e.Certificates {
		err, known := checked[k.Pair]
		if !known {
			err = whole(f, k.Pair)
			checked[k.Pair] = err
		}
		if err != nil {
			return fmt.Errorf("certificate %.100q: %v", k.Name, err)
		}
	}
	return nil
}

// whole says what is wrong with a pair, if it is not as it was written.
func whole(f *folders, pair string) error {
	text, err := get(f.pairs, pair+".pem")
	if err != nil {
		return fmt.Errorf("read pair: %v", err)
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != pair {
		return fmt.Errorf("pair %q has another content than was written", pair)
	}
	return nil
}

// Previous returns what a rollback serves: by certificate name the file of the
// pair that was adopted before the one served, for one name or, if it is empty,
// for all that have one; and the newest bundle that one of them is from.
func (a *Archive) Previous(served []status.Certificate, name string) (map[string]string, Entry, error) {
	entries, damaged := a.Entries()
	replacements := map[string]string{}
	newest := -1
	var problems []error
	found := false
	for _, c := range served {
		if name != "" && c.Name != name {
			continue
		}
		found = true
		at, k, err := previous(entries, served, c)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		replacements[c.Name] = a.pairPath(k.Pair)
		if newest < 0 || at < newest {
			newest = at
		}
	}
	switch {
	case !found && name != "":
		return nil, Entry{}, fmt.Errorf("no certificate %.100q is served", name)
	case len(replacements) == 0 && (name != "" || len(problems) == 1):
		return nil, Entry{}, errors.Join(problems[0], damaged)
	case len(replacements) == 0:
		return nil, Entry{}, errors.Join(errors.New("no certificate has a previous one that is kept"), damaged)
	}
	return replacements, entries[newest], nil
}

// previous finds the pair that was adopted before c, in which of the entries.
func previous(entries []Entry, served []status.Certificate, c status.Certificate) (int, Kept, error) {
	switch {
	case c.SelfSigned:
		return 0, Kept{}, fmt.Errorf("certificate %.100q is made on the spot: there is no previous one", c.Name)
	case slices.ContainsFunc(served, func(o status.Certificate) bool { return o.Name == c.Name && o.Fingerprint != c.Fingerprint }):
		return 0, Kept{}, fmt.Errorf("several certificates are called %.100q: give each a name of its own", c.Name)
	}
	// What is served has come from its own files, then its last adoption counts;
	// or a rollback led to it, then its first does, or a second one would lead
	// forward again. What is not kept was adopted after all that is.
	at, now := -1, Kept{}
	for i, e := range entries {
		for _, k := range e.bearing(c.Name) {
			if !k.Held && k.is(c) && (at < 0 || c.Held) {
				at, now = i, k
			}
		}
	}
	for i := at + 1; i < len(entries) && (at >= 0 || !c.Held); i++ {
		for _, k := range entries[i].bearing(c.Name) {
			if !k.Held && !k.is(c) || !k.Held && at >= 0 && k.Pair != now.Pair {
				return i, k, nil
			}
		}
	}
	return 0, Kept{}, fmt.Errorf("certificate %.100q has no previous one that is kept", c.Name)
}
