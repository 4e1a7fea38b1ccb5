package cert

import (
	"slices"
	"strings"
	"sync"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
)

// servedIndex finds among thousands of served certificates the one that a
// candidate replaces.
type servedIndex struct {
	list   []status.Certificate
	byName map[string]int          // what it is called; the first that is called so
	byFile map[string]int          // where it lies; the first that does
	byHost func() map[string][]int // each of its names, and the wildcard that covers it; rarely needed
}

func indexServed(list []status.Certificate) servedIndex {
	s := servedIndex{
		list, make(map[string]int, len(list)), make(map[string]int, len(list)),
		sync.OnceValue(func() map[string][]int { return byHost(list) }),
	}
	for i, c := range slices.Backward(list) {
		s.byName[c.Name] = i
		s.byFile[c.Source] = i
	}
	delete(s.byFile, "") // made on the spot
	return s
}

func byHost(list []status.Certificate) map[string][]int {
	hosts := make(map[string][]int, len(list))
	for i, c := range list {
		for _, name := range c.Names {
			name = strings.ToLower(name)
			host := strings.TrimSuffix(name, ".")
			_, rest, _ := strings.Cut(host, ".")
			for _, key := range []string{name, host, "*." + rest} {
				if of := hosts[key]; len(of) == 0 || of[len(of)-1] != i {
					hosts[key] = append(of, i)
				}
			}
		}
	}
	return hosts
}

// replacedBy returns what c, made from source at of n, would replace: the certificate
// from the same file, for pairs in two folders may bear one name; then that of the
// same name. At its place if there are several. A name taken from the leaf changes
// with the leaf; then it is the one that shares a name with it, or the one at its
// place.
func (s servedIndex) replacedBy(c *candidate, at, n int) *status.Certificate {
	if i, ok := s.byFile[c.from()]; ok {
		if at < len(s.list) && s.list[at].Source == c.from() {
			i = at
		}
		return &s.list[i]
	}
	if at < len(s.list) && s.list[at].Name == c.name {
		return &s.list[at]
	}
	if i, ok := s.byName[c.name]; ok {
		return &s.list[i]
	}
	if named(c.source) || c.leaf() == nil {
		return nil
	}
	if i := s.sharing(bears(c.leaf())); i >= 0 {
		return &s.list[i]
	}
	if len(s.list) == n && at < n {
		return &s.list[at] // all names have changed: the place is what is left
	}
	return nil
}

// called is what c was called when it was taken from its file; if it was not, what
// it is called.
func (s servedIndex) called(c *candidate) string {
	if i, ok := s.byFile[c.from()]; ok {
		return s.list[i].Name
	}
	return c.name
}

// sharing returns the first that a leaf with these names shares one with, or -1.
func (s servedIndex) sharing(borne bearing) int {
	first := -1
	for name := range borne {
		for _, i := range s.byHost()[name] {
			if first >= 0 && i >= first {
				break
			}
			if slices.ContainsFunc(s.list[i].Names, borne.covers) {
				first = i
			}
		}
	}
	return first
}

// named says whether the configuration itself says what the certificate is called.
func named(source config.Certificate) bool { return source.Name != "" || len(source.ServerNames) > 0 }
