package archive

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
)

// version is of the format of the files.
const version = 1

// Entry is one bundle that was taken.
type Entry struct {
	Version      int       `json:"version"`
	Adopted      time.Time `json:"adopted"`
	AskedBy      string    `json:"asked_by"` // signal, control, watch, start or deferral
	Certificates []Kept    `json:"certificates"`

	Number uint64 `json:"-"` // counts up
}

// Kept is one certificate of a bundle.
type Kept struct {
	Name        string    `json:"name"`
	Pair        string    `json:"pair"` // SHA-256 of the file that holds chain and key, which bears that name
	Fingerprint string    `json:"fingerprint"`
	ChainSHA256 string    `json:"chain_sha256"`
	Names       []string  `json:"names"`
	Serial      string    `json:"serial"`
	Issuer      string    `json:"issuer"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Source      string    `json:"source"` // the certificate file it came from
	Digest      string    `json:"digest"` // of the files it came from
	Held        bool      `json:"held"`   // it came from here
}

// keep describes a certificate whose pair is kept under a digest.
func keep(c cert.Certificate, pair string) Kept {
	return Kept{
		Name: c.Name, Pair: pair, Fingerprint: c.Fingerprint, ChainSHA256: c.ChainSHA256, Names: c.Names, Serial: c.Serial,
		Issuer: c.Issuer, NotBefore: c.NotBefore, NotAfter: c.NotAfter, Source: c.Source, Digest: c.Digest, Held: c.Held,
	}
}

// parseEntry reads what encode wrote. What a later release adds is ignored.
func parseEntry(b []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(b, &e); err != nil {
		return Entry{}, fmt.Errorf("decode: %.200v", err)
	}
	if e.Version != version {
		return Entry{}, fmt.Errorf("version %d, expected %d", e.Version, version)
	}
	if len(e.Certificates) == 0 {
		return Entry{}, fmt.Errorf("no certificates")
	}
	for _, k := range e.Certificates {
		if k.Name == "" || !isDigest(k.Pair) {
			return Entry{}, fmt.Errorf("certificate %.100q is kept in %.100q, expected a digest", k.Name, k.Pair)
		}
	}
	return e, nil
}

// file is the name of the list of e.
func (e Entry) file() string { return strconv.FormatUint(e.Number, 10) + ".json" }

func (e Entry) encode() ([]byte, error) { return json.MarshalIndent(e, "", "\t") }

// sameAs says whether there is nothing in next to adopt. What was rolled back
// to is nothing new.
func (e Entry) sameAs(next Entry) bool {
	if len(e.Certificates) != len(next.Certificates) {
		return false
	}
	for i, k := range next.Certificates {
		was := e.Certificates[i]
		if was.Name != k.Name || !k.Held && (was.Held || was.Pair != k.Pair) {
			return false
		}
	}
	return true
}

// bearing returns the certificates of e that are called name.
func (e Entry) bearing(name string) []Kept {
	var found []Kept
	for _, k := range e.Certificates {
		if k.Name == name {
			found = append(found, k)
		}
	}
	return found
}

// is says whether k is what is served.
func (k Kept) is(c status.Certificate) bool {
	return k.Fingerprint == c.Fingerprint && (k.ChainSHA256 == c.ChainSHA256 || k.ChainSHA256 == "" || c.ChainSHA256 == "")
}

// Sources returns the configured certificates with the files of those that e
// has put in the place of their own; a folder becomes the pairs that came from
// it. What e does not have, and what is made on the spot, stays as it is.
func (a *Archive) Sources(e Entry, configured []config.Certificate) []config.Certificate {
	sources := make([]config.Certificate, 0, len(configured))
	used := map[int]bool{}
	for _, c := range configured {
		found := false
		for i, k := range e.Certificates {
			if !used[i] && from(c, k) {
				used[i], found = true, true
				path := a.pairPath(k.Pair)
				sources = append(sources, config.Certificate{Name: k.Name, CertFile: path, KeyFile: path, ServerNames: c.ServerNames})
			}
			if found && c.Dir == "" {
				break
			}
		}
		if !found {
			sources = append(sources, c)
		}
	}
	return sources
}

// from says whether k is of a configured certificate: from the same place, or,
// if that has moved, of the same name.
func from(c config.Certificate, k Kept) bool {
	switch {
	case len(c.SelfSigned) > 0:
		return false
	case c.Dir != "":
		rest, err := filepath.Rel(c.Dir, k.Source)
		return err == nil && k.Source != "" && !strings.HasPrefix(rest, "..") // one in a hidden folder of two dots is none of ours
	case c.Name != "":
		return c.Name == k.Name
	}
	return c.CertFile == k.Source || len(c.ServerNames) > 0 && c.ServerNames[0] == k.Name
}

// isDigest says whether s is a SHA-256 as this package writes it.
func isDigest(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32 && s == strings.ToLower(s)
}

// number is the number in a bundle's file name; ok says whether it is one.
func number(file string) (n uint64, ok bool) {
	text, ok := strings.CutSuffix(file, ".json")
	n, err := strconv.ParseUint(text, 10, 63)
	return n, ok && err == nil && text == strconv.FormatUint(n, 10)
}

// debris says whether a file was left by a write that did not end: renameio's
// temporary files are called after what they were to become.
func debris(file string) bool {
	text, ok := strings.CutPrefix(file, ".")
	if !ok {
		return false
	}
	stem := strings.TrimRight(text, "0123456789")
	if stem == text {
		return false
	}
	_, bundle := number(stem)
	pair, pem := strings.CutSuffix(stem, ".pem")
	return bundle || pem && isDigest(pair) || stem == heldFile
}
