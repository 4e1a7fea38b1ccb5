package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"example.com/handover/integration/harness"
)

// combined is a folder of files that hold a chain and its key, behind a link. A
// file that has changed looks a second younger than any before: hitch passes over
// those of the same second. It belongs to one goroutine.
type combined struct {
	setup Setup
	link  string
	turn  int
	first time.Time // when it was written first
}

// write makes them of the files that are live now.
func (c *combined) write() error {
	if c.first.IsZero() {
		c.first = time.Now()
	}
	c.turn++
	last, next := fmt.Sprintf("%s-%d", c.link, c.turn-1), fmt.Sprintf("%s-%d", c.link, c.turn)
	if err := os.Mkdir(next, 0o755); err != nil {
		return err
	}
	for n := range c.setup.Sites {
		name := harness.Site(n) + ".pem"
		if err := c.join(n, filepath.Join(last, name), filepath.Join(next, name)); err != nil {
			return err
		}
	}
	if err := os.Symlink(filepath.Base(next), next+".link"); err != nil {
		return err
	}
	if err := os.Rename(next+".link", c.link); err != nil {
		return err
	}
	return os.RemoveAll(last)
}

// join writes the n-th file, or keeps the last one if it holds the same.
func (c *combined) join(n int, last, next string) error {
	certfile, keyfile := c.setup.site(n)
	chain, err := os.ReadFile(certfile)
	if err != nil {
		return err
	}
	key, err := os.ReadFile(keyfile)
	if err != nil {
		return err
	}
	both := append(chain, key...)
	if old, err := os.ReadFile(last); err == nil && bytes.Equal(old, both) {
		return os.Link(last, next)
	}
	if err := os.WriteFile(next, both, 0o600); err != nil {
		return err
	}
	return os.Chtimes(next, time.Time{}, c.first.Add(time.Duration(c.turn)*time.Second))
}
