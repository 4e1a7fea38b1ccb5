package cert

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"example.com/handover/supervisor/config"
	"golang.org/x/sys/unix"
)

// mostPairs is how many pairs one folder may hold.
const mostPairs = 20_000

// Expand returns one source for each pair: in place of one that names a folder
// those of the pairs in it, by name, with Dir still set. A folder without any, or
// one that cannot be read, stays as it is and so has no CertFile.
//
// A pair is NAME.crt and NAME.key, or NAME/fullchain.pem and NAME/privkey.pem;
// half a pair counts, for the other half may be on its way. Hidden names are no
// pairs: Kubernetes keeps there what its links lead to.
func Expand(sources []config.Certificate) []config.Certificate {
	var all []config.Certificate
	for _, source := range sources {
		if source.Dir == "" {
			all = append(all, source)
			continue
		}
		pairs, _ := listFolder(source.Dir)
		if len(pairs) == 0 {
			all = append(all, config.Certificate{Dir: source.Dir})
		}
		all = append(all, pairs...)
	}
	return all
}

// listFolder returns the pairs in a folder, sorted by name.
func listFolder(dir string) ([]config.Certificate, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	dir = filepath.Clean(dir)
	there := func(name string) bool { // os.ReadDir sorts
		_, ok := slices.BinarySearchFunc(entries, name, func(e os.DirEntry, name string) int { return strings.Compare(e.Name(), name) })
		return ok
	}
	pairs := make([]config.Certificate, 0, len(entries)/2)
	add := func(name, certFile, keyFile string) {
		pairs = append(pairs, config.Certificate{Dir: dir, Name: name, CertFile: dir + "/" + certFile, KeyFile: dir + "/" + keyFile})
	}
	for _, e := range entries {
		file := e.Name()
		name, isCert := strings.CutSuffix(file, ".crt")
		name, isKey := strings.CutSuffix(name, ".key")
		switch {
		case strings.HasPrefix(file, "."), name == "":
		case isCert && companion(name, there):
		case isCert:
			add(name, file, name+".key")
		case isKey && there(name+".crt"):
		case isKey:
			add(name, name+".crt", file)
		case !e.Type().IsRegular() && halfPair(dir+"/"+file):
			add(file, file+"/fullchain.pem", file+"/privkey.pem")
		}
		if len(pairs) > mostPairs {
			return nil, fmt.Errorf("more than %d pairs", mostPairs)
		}
	}
	slices.SortStableFunc(pairs, func(a, b config.Certificate) int { return strings.Compare(a.Name, b.Name) })
	return pairs, nil
}

// companion says of a certificate without key that it is none of ours: lego
// writes NAME.issuer.crt beside NAME.crt, cert-manager ca.crt beside tls.crt.
func companion(name string, there func(string) bool) bool {
	of, issuer := strings.CutSuffix(name, ".issuer")
	return (issuer && there(of+".crt") || name == "ca") && !there(name+".key")
}

// halfPair says whether a folder holds one of the two files, or a link that
// should lead to it.
func halfPair(dir string) bool {
	var st unix.Stat_t
	return lstat(dir+"/fullchain.pem", &st) == nil || lstat(dir+"/privkey.pem", &st) == nil
}

// within says whether file is that of a pair in the folder dir.
func within(dir, file string) bool {
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	above, base := filepath.Split(file)
	above = filepath.Clean(above)
	return above == dir && strings.HasSuffix(base, ".crt") || filepath.Dir(above) == dir && base == "fullchain.pem"
}
