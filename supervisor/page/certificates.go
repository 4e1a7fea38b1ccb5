package page

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/handover/supervisor/status"
)

// mostCertificates is how many are shown; of thousands those that need a look.
const mostCertificates = 24

// Certificates are those that are served, the ones in trouble first.
type Certificates struct {
	Served   []certificate
	MoreText string // how many are not shown; empty: none
	Degraded string
	Deferred *moment
}

type certificate struct {
	ID, Name, Level, Label string
	Names                  string
	Bar                    bar
	Ends                   string
	Until                  *moment
	Issuer                 string
	Fingerprint            [2]string
	Disk                   string
	DiskLevel              string
	Since                  *moment
	OnDisk                 *onDisk
}

// onDisk is what waits there.
type onDisk struct {
	Fingerprint [2]string
	Until       *moment
	From        *moment // when it becomes valid, if it is not yet
}

// bar is a share with its meaning in words.
type bar struct {
	Level, Text string
	Percent     int
}

// trouble orders certificates by how soon somebody must look.
type trouble int

const (
	expired trouble = iota
	ending
	unreadable
	waiting
	rolledBack
	none
)

// The states of the disk.
const (
	diskSame    = "same"
	diskChanged = "changed"
)

func troubleOf(c status.Certificate, now time.Time) trouble {
	left := c.ChainNotAfter.Sub(now)
	switch {
	case left <= 0:
		return expired
	case left < c.NotAfter.Sub(c.NotBefore)/10: // as the commands say it: days would never be right
		return ending
	case c.Held:
		return rolledBack
	case c.Disk == diskChanged:
		return waiting
	case c.Disk != diskSame && c.Disk != "":
		return unreadable
	default:
		return none
	}
}

func certificates(s *status.Status, now time.Time) Certificates {
	order := make([]int, len(s.Certificates))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return int(troubleOf(s.Certificates[a], now) - troubleOf(s.Certificates[b], now))
	})
	list := Certificates{Degraded: s.Degraded}
	if more := len(order) - mostCertificates; more > 0 {
		order, list.MoreText = order[:mostCertificates], number(more)
	}
	if s.Deferred != nil {
		list.Deferred = at(*s.Deferred, now)
	}
	for _, i := range order {
		list.Served = append(list.Served, describeCertificate(i, s.Certificates[i], now))
	}
	return list
}

func describeCertificate(i int, c status.Certificate, now time.Time) certificate {
	out := certificate{
		ID: fmt.Sprint("certificate-", i), Name: c.Name, Names: several(c.Names, 4), Ends: "ends", Until: at(c.ChainNotAfter, now),
		Issuer: c.Issuer, Fingerprint: halves(c.Fingerprint),
	}
	switch troubleOf(c, now) {
	case expired:
		out.Level, out.Label, out.Ends = bad, "expired", "ended"
	case ending:
		out.Level, out.Label = warn, "ends soon"
	case unreadable:
		out.Level, out.Label = warn, "not readable on disk"
	case waiting:
		out.Level, out.Label = warn, "another waits on disk"
		if c.SameLeaf() {
			out.Label = "its files have changed"
		}
	case rolledBack:
		out.Level, out.Label = warn, "rolled back"
	case none:
		out.Level, out.Label = well, "valid"
	}
	out.Bar = lifetime(c, out.Level, now)
	out.Disk, out.DiskLevel = disk(c)
	if c.DiskSince != nil {
		out.Since = at(*c.DiskSince, now)
	}
	if d := c.OnDisk; d != nil && !c.SameLeaf() {
		out.OnDisk = &onDisk{Fingerprint: halves(d.Fingerprint), Until: at(d.NotAfter, now)}
		if d.NotBefore.After(now) {
			out.OnDisk.From = at(d.NotBefore, now)
		}
	}
	return out
}

func lifetime(c status.Certificate, level string, now time.Time) bar {
	if level == warn && troubleOf(c, now) != ending {
		level = well // the bar says how it is with the time alone
	}
	whole, left := c.NotAfter.Sub(c.NotBefore), c.ChainNotAfter.Sub(now)
	if left <= 0 {
		return bar{level, "nothing left, since " + long(-left), 0}
	}
	share := 100
	if whole > 0 {
		share = max(1, min(100, int(100*left.Seconds()/whole.Seconds()))) // a hundred times three years is no Duration
	}
	return bar{level, fmt.Sprintf("%s of %s left", days(left), days(whole)), share}
}

func disk(c status.Certificate) (text, level string) {
	switch {
	case c.SelfSigned:
		return "made on the spot, there is no file", idle
	case c.Held && c.Disk == diskSame:
		return "rolled back to; the same lies on disk", warn
	case c.Held:
		return "rolled back to, until the files on disk change", warn
	case c.Disk == diskSame || c.Disk == "":
		return "the same as served", well
	case c.Disk == diskChanged && c.SameLeaf():
		return "the same certificate with another key or chain", warn
	case c.Disk == diskChanged:
		return "another one, not served", warn
	default:
		return c.Disk, bad
	}
}

// halves splits a fingerprint where a line may end.
func halves(fingerprint string) [2]string {
	half := min(len(fingerprint), 32)
	return [2]string{fingerprint[:half], fingerprint[half:]}
}

// several shows the first of many names.
func several(names []string, most int) string {
	text := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
