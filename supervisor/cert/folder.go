package cert

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
	"golang.org/x/sys/unix"
)

// lookFolder says why there is no pair in a folder.
func (t *taker) lookFolder(p *pair) {
	dir := p.source.Dir
	f := newFolders().locate("dir", dir)
	_, err := listFolder(dir)
	name, found := noPair(f, err)
	p.verdict = verdict{}
	p.verdict.add(name, row(name).weigh(t.TLS.Checks, t.Allow), dir, found)
	p.settled = !found.torn || !f.changedSince(t.now(), youth)
	p.verdict.final = !found.torn
}

// noPair returns the finding about a folder that err was met in, or nothing.
func noPair(f *file, err error) (check string, p problem) {
	p.file = f.path
	var errno syscall.Errno
	switch {
	case err == nil:
		p.message = fmt.Sprintf("no pair lies in the folder %q", f.path)
		p.hint = fmt.Sprintf("put NAME.crt and NAME.key, or NAME/fullchain.pem and NAME/privkey.pem, into %q, or take it out of the configuration", f.path)
		p.torn = true
		return "file.missing", p
	case errors.Is(err, os.ErrNotExist):
		p.message = fmt.Sprintf("the folder %q does not exist", f.path)
		p.hint = "dir must name a folder that is there"
		var lost *pathError
		if errors.As(f.err, &lost) {
			p.hint = fmt.Sprintf("there is no %q in %q: correct dir or run the renewal tool again", lost.base, lost.dir)
		}
		p.torn = true
		return "file.missing", p
	case errors.Is(err, unix.ENOTDIR):
		p.message = fmt.Sprintf("%q is not a folder", f.path)
		p.hint = "dir must name a folder; certfile and keyfile name files"
		return "file.not_regular", p
	case errors.As(err, &errno):
		p.message = fmt.Sprintf("the folder %q cannot be read by uid %d, gid %d: %v", f.path, os.Geteuid(), os.Getegid(), errno)
		p.hint = fmt.Sprintf("give the master's user r and x on %q, or start it as root", f.path)
		return "file.unreadable", p
	default:
		p.message = fmt.Sprintf("the folder %q holds %v", f.path, err)
		p.hint = "dir must name a folder that holds pairs and nothing else"
		return "file.too_large", p
	}
}

// missed looks for what is served from a folder and is no longer there. That its
// names are lost is said unless another pair bears them.
func (t *taker) missed(pairs []*pair) []*pair {
	var gone []*pair
	var others bearing
	there := map[string]bool{}
	for _, p := range pairs {
		there[(&candidate{source: p.source}).from()] = true
	}
	for _, source := range t.Sources {
		for i := range t.Served {
			c := &t.Served[i]
			if source.Dir == "" || there[c.Source] || !within(source.Dir, c.Source) {
				continue
			}
			if others == nil {
				others = bornByAny(pairs)
			}
			if p := t.gone(source, c, others); p != nil {
				gone = append(gone, p)
			}
		}
	}
	return gone
}

func bornByAny(pairs []*pair) bearing {
	b := bearing{}
	for _, p := range pairs {
		for _, name := range p.names {
			b[strings.ToLower(name)] = true
		}
	}
	return b
}

// gone is the verdict on one that is served and is no longer there; nil if
// nothing is lost with it.
func (t *taker) gone(source config.Certificate, c *status.Certificate, others bearing) *pair {
	var lost []string
	for _, name := range c.Names {
		if !others.covers(name) {
			lost = append(lost, name)
		}
	}
	severity := row("name.lost").weigh(t.TLS.Checks, t.Allow)
	if len(lost) == 0 || severity == off {
		return nil
	}
	p := &pair{source: source}
	p.verdict.add("name.lost", severity, c.Name, problem{
		file:    c.Source,
		message: fmt.Sprintf("%q is gone from its folder, and nothing else is for %s, which is served now", c.Source, quoted(lost)),
		hint:    fmt.Sprintf("put the pair back into %q, or reload with --allow name.lost if nobody needs these names any more", filepath.Clean(source.Dir)),
		torn:    true,
	})
	f := newFolders().locate("dir", c.Source)
	p.settled = severity != refuse || f.err != nil && !f.changedSince(t.now(), youth)
	return p
}
