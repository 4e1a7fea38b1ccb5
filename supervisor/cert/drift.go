package cert

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
)

// What the disk holds, held against what was taken from it.
const (
	DiskSame       = "same"
	DiskChanged    = "changed"
	DiskUnreadable = "unreadable"
)

// Difference is what the disk holds where a certificate was taken from.
type Difference struct {
	State  string         // DiskSame, DiskChanged or DiskUnreadable
	OnDisk *status.OnDisk // what lies there, if changed and if it is a certificate
}

// Drift says for each certificate of b, by name, whether the disk holds the same
// as b; also for pairs that have come to a folder since, which are changed, and,
// as "client_ca" and "ticket_keys", for the files of those names. The sources must
// be those that b was taken from. It reads once and waits for no writer. Times of
// files say nothing: a copy keeps them. Of two with one name the worse is told.
func Drift(sources []config.Certificate, tls config.TLS, b *Bundle) map[string]Difference {
	defer runtime.KeepAlive(b)
	d := drifting{b: b, folders: newFolders(), share: newShare()}
	defer d.folders.close()
	all := Expand(sources)
	taken := d.match(all)
	names, found := make([]string, len(all)), make([]Difference, len(all))
	each(len(all), func(i int) { names[i], found[i] = d.pair(all[i], taken[i]) })

	drift := make(map[string]Difference, len(all))
	add := func(name string, one Difference) {
		if before, ok := drift[name]; !ok || before.State == DiskSame {
			drift[name] = one
		}
	}
	for i, name := range names {
		if name != "" {
			add(name, found[i])
		}
	}
	matched := make([]bool, len(b.Certificates))
	for _, i := range taken {
		if i >= 0 {
			matched[i] = true
		}
	}
	for i, c := range b.Certificates {
		switch {
		case matched[i]:
		case c.Source == "":
			add(c.Name, Difference{State: DiskSame}) // made anew at every Take: there is nothing to compare
		default:
			add(c.Name, Difference{State: DiskUnreadable})
		}
	}
	if tls.ClientCA != "" {
		add(nameAuthorities, d.authorities(tls.ClientCA))
	}
	if tls.TicketKeys != "" {
		add(nameTicketKeys, d.ticketKeys(tls.TicketKeys))
	}
	return drift
}

// Digests returns, by certificate name, the digest of the files that each
// certificate of b was taken from, as they are now; empty for those that cannot
// be read.
func Digests(b *Bundle, sources []config.Certificate) map[string]string {
	d := drifting{b: b, folders: newFolders()}
	defer d.folders.close()
	all := Expand(sources)
	digests := map[string]string{}
	for i, taken := range d.match(all) {
		if taken >= 0 {
			digests[b.Certificates[taken].Name] = d.folders.read("certfile", all[i].CertFile, "keyfile", all[i].KeyFile).digest()
		}
	}
	return digests
}

// drifting is one Drift.
type drifting struct {
	b       *Bundle
	folders *folders
	share   *share
}

// match returns for each source the index of the certificate that was taken from
// it; -1: none.
func (d *drifting) match(sources []config.Certificate) []int {
	from := map[string][]int{}
	for i, c := range d.b.Certificates {
		from[c.Source] = append(from[c.Source], i)
	}
	taken := make([]int, len(sources))
	for i, source := range sources {
		taken[i] = -1
		path := (&candidate{source: source}).from()
		if of := from[path]; path != "" && len(of) > 0 {
			taken[i], from[path] = of[0], of[1:]
		}
	}
	return taken
}

// pair compares what lies at one source with certificate i.
func (d *drifting) pair(source config.Certificate, i int) (name string, found Difference) {
	if source.CertFile == "" {
		return "", Difference{} // an empty folder, or none: made on the spot
	}
	s := d.folders.read("certfile", source.CertFile, "keyfile", source.KeyFile)
	digest := s.digest()
	if i >= 0 && !d.b.Certificates[i].Held && digest != "" && digest == d.b.Certificates[i].Digest {
		return d.b.Certificates[i].Name, Difference{State: DiskSame}
	}
	ctx, cancel := context.WithTimeout(context.Background(), cryptoLimit)
	defer cancel()
	disk := d.share.inspect(ctx, s)
	disk.source = source
	name = disk.nameFor()
	if i >= 0 {
		name = d.b.Certificates[i].Name
	}
	if len(disk.chain) == 0 || disk.pkcs8 == nil || errors.Join(disk.chainErrs...) != nil {
		return name, Difference{State: DiskUnreadable}
	}
	if i >= 0 && !d.b.Certificates[i].Held {
		p := d.b.mapped.Pair(i)
		if bytes.Equal(disk.pkcs8, p.Key) && slices.EqualFunc(disk.chain, p.Chain, bytes.Equal) {
			return name, Difference{State: DiskSame}
		}
	}
	return name, Difference{State: DiskChanged, OnDisk: brief(disk.parsed[0])}
}

// authorities compares the file of authorities with those that were taken.
func (d *drifting) authorities(path string) Difference {
	s := d.folders.read(nameAuthorities, path, "", "")
	if s.cert.err != nil {
		return Difference{State: DiskUnreadable}
	}
	list := walk(s.cert.data)
	switch {
	case !list.whole() || len(list.certificates()) == 0:
		return Difference{State: DiskUnreadable}
	case slices.EqualFunc(list.certificates(), d.b.mapped.ClientCAs(), bytes.Equal):
		return Difference{State: DiskSame}
	}
	return Difference{State: DiskChanged}
}
