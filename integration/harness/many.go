package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
)

// Site is what the n-th of many pairs is for.
func Site(n int) string { return fmt.Sprintf("site%04d.%s", n, Name) }

// Many writes pairs for so many sites into a folder, NAME.crt and NAME.key, and
// returns their fingerprints.
func (c *Certs) Many(dir string, count int) []string {
	c.t.Helper()
	fingerprints := make([]string, count)
	var next atomic.Int64
	var all sync.WaitGroup
	for range runtime.NumCPU() {
		all.Go(func() {
			for n := int(next.Add(1)) - 1; n < count; n = int(next.Add(1)) - 1 {
				fingerprints[n] = c.Put(dir, Site(n))
			}
		})
	}
	all.Wait()
	return fingerprints
}

// Put writes a fresh pair for a name into a folder and returns its fingerprint.
func (c *Certs) Put(dir, name string) string {
	c.t.Helper()
	p := c.Issue(Leaf{Names: []string{name}})
	for suffix, content := range map[string][]byte{".crt": p.Cert, ".key": p.Key} {
		if err := os.WriteFile(filepath.Join(dir, name+suffix), content, 0o600); err != nil {
			c.t.Error(err)
		}
	}
	return p.Fingerprint
}
