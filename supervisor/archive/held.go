package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"example.com/handover/supervisor/cert"
)

// heldList is held.json.
type heldList struct {
	Version int                 `json:"version"`
	Held    map[string]heldPair `json:"held"` // by certificate name
}

// heldPair is a cert.Held that does not say where the state directory is.
type heldPair struct {
	Digest string `json:"digest"` // of the files on disk; empty: they could not be read
	Pair   string `json:"pair"`
}

// Hold keeps what is served in the place of the files on disk. Each must be kept
// here; none: nothing is held any more.
func (a *Archive) Hold(held map[string]cert.Held) error {
	list := heldList{Version: version, Held: map[string]heldPair{}}
	for name, h := range held {
		pair, ok := strings.CutSuffix(filepath.Base(h.File), ".pem")
		if !ok || !isDigest(pair) || h.File != a.pairPath(pair) {
			return fmt.Errorf("hold certificate %.100q: %.300q is not kept in state_dir %q", name, h.File, a.dir)
		}
		list.Held[name] = heldPair{h.Digest, pair}
	}
	text, err := json.MarshalIndent(list, "", "\t")
	if err != nil {
		return fmt.Errorf("hold certificates: %v", err)
	}
	f, err := a.write()
	if err != nil {
		return err
	}
	defer f.Close()
	if len(held) == 0 {
		err = f.top.Remove(heldFile)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	} else {
		err = put(f.top, heldFile, text)
	}
	if err == nil {
		err = flush(f.top)
	}
	if err != nil {
		return fmt.Errorf("hold certificates in state_dir %q: %v", a.dir, err)
	}
	return nil
}

// Held returns what Hold was last told, without what is not there any more. The
// error says what is missing, or that nothing could be read: both may be given.
func (a *Archive) Held() (map[string]cert.Held, error) {
	f, err := a.open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := readHeld(f)
	problems := []error{err}
	held := map[string]cert.Held{}
	for name, h := range list {
		if err := whole(f, h.Pair); err != nil {
			problems = append(problems, fmt.Errorf("held certificate %.100q: %v", name, err))
			continue
		}
		held[name] = cert.Held{Digest: h.Digest, File: a.pairPath(h.Pair)}
	}
	return held, errors.Join(problems...)
}

func readHeld(f *folders) (map[string]heldPair, error) {
	b, err := get(f.top, heldFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read held certificates: %v", err)
	}
	return parseHeld(b)
}

// parseHeld reads held.json.
func parseHeld(b []byte) (map[string]heldPair, error) {
	var list heldList
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("read held certificates: decode: %.200v", err)
	}
	if list.Version != version {
		return nil, fmt.Errorf("read held certificates: version %d, expected %d", list.Version, version)
	}
	for name, h := range list.Held {
		if !isDigest(h.Pair) || h.Digest != "" && !isDigest(h.Digest) {
			return nil, fmt.Errorf("read held certificates: %.100q is kept in %.100q for %.100q, expected digests", name, h.Pair, h.Digest)
		}
	}
	return list.Held, nil
}
