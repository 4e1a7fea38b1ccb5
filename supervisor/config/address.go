package config

import (
	"math"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// maxSocket is how long the path of a unix socket may be: sun_path of unix(7)
// without the zero at its end.
const maxSocket = 107

// place is an address in the one form in which two can be compared. The zero
// place is nowhere.
type place struct {
	host string // "*" stands for all
	port uint64
	path string
}

// overlaps says whether the kernel would refuse to bind both.
func (p place) overlaps(q place) bool {
	if p == (place{}) || q == (place{}) || p.path != q.path || p.port != q.port {
		return false
	}
	return p.host == q.host || p.host == "*" || q.host == "*"
}

func (r *reader) listeners(c *Config) {
	places := make([]place, len(c.Listen))
	for i := range c.Listen {
		l, key := &c.Listen[i], index("listen", i)
		if l.Backlog < 0 || l.Backlog > math.MaxInt32 {
			r.report(key+".backlog", "", "key %q: found %d, expected 0 (the system's) or more", key+".backlog", l.Backlog)
		}
		if n, err := strconv.ParseUint(l.Mode, 8, 32); err != nil || n > 0o777 {
			r.report(key+".mode", "", `key %q: found %q, expected an octal mode such as "0660"`, key+".mode", l.Mode)
		}
		key += ".address"
		places[i] = r.address(key, &l.Address)
		if j := slices.IndexFunc(places[:i], places[i].overlaps); j >= 0 {
			r.report(key, "remove one of them, or give it another address", "key %q: found %q, which listen[%d] with %q takes already", key, l.Address, j, c.Listen[j].Address)
		}
	}
	if c.Admin.Address != "" {
		admin := r.address("admin.address", &c.Admin.Address)
		if j := slices.IndexFunc(places, admin.overlaps); j >= 0 {
			r.report("admin.address", "give it a port of its own", "key %q: found %q, which listen[%d] with %q takes already", "admin.address", c.Admin.Address, j, c.Listen[j].Address)
		}
	}
	if c.Control.Socket == "" {
		return
	}
	own := r.socket("control.socket", &c.Control.Socket)
	if j := slices.IndexFunc(places, own.overlaps); j >= 0 {
		r.report("control.socket", "", "key %q: found %q, which listen[%d] takes already", "control.socket", c.Control.Socket, j)
	}
}

// address checks the address of a listener and puts it into its plain form.
func (r *reader) address(key string, address *string) place {
	if *address == "" {
		r.report(key, "", "key %q: found nothing, expected host:port or unix:/path", key)
		return place{}
	}
	if rest, ok := strings.CutPrefix(*address, "unix:"); ok {
		path := socketPath(rest)
		p := r.socket(key, &path)
		*address = "unix:" + path
		return p
	}
	host, text, err := net.SplitHostPort(*address)
	if err != nil || host != "" && !validHost(host) {
		r.report(key, mendAddress(*address), "key %q: found %q, expected host:port or unix:/path", key, *address)
		return place{}
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		r.report(key, "", "key %q: found port %q, expected a number from 1 to 65535", key, text)
		return place{}
	}
	if port == 0 {
		r.report(key, "name the port",
			"key %q: found port 0, expected 1 to 65535: a port that the system picks could not be found again after a handover", key)
		return place{}
	}
	*address = net.JoinHostPort(host, strconv.FormatUint(port, 10))
	return place{host: sameHost(host), port: port}
}

// mendAddress is the hint for an address that is none.
func mendAddress(address string) string {
	if _, rest, ok := strings.Cut(address, "://"); ok {
		return "leave out the scheme: " + strconv.Quote(strings.TrimSuffix(rest, "/"))
	}
	if _, err := strconv.ParseUint(address, 10, 16); err == nil {
		return "did you mean " + strconv.Quote(":"+address) + "?"
	}
	if port, ok := strings.CutPrefix(address, "*:"); ok {
		return "for all addresses write " + strconv.Quote(":"+port)
	}
	if ip, err := netip.ParseAddr(address); err == nil {
		return "add a port: " + strconv.Quote(net.JoinHostPort(ip.String(), "443"))
	}
	if validHost(address) {
		return "add a port: " + strconv.Quote(address+":443")
	}
	return ""
}

// sameHost maps hosts that listen on the same address to the same word. All
// unspecified addresses are one: net.Listen opens a socket for both families
// for each of them.
func sameHost(host string) string {
	if strings.EqualFold(host, "localhost") {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && ip.Unmap().IsUnspecified():
		return "*"
	case err == nil:
		return ip.Unmap().String()
	}
	return strings.ToLower(host)
}

// socketPath takes the slashes off that unix:///run/x.sock has too many.
func socketPath(rest string) string {
	if strings.HasPrefix(rest, "//") {
		return "/" + strings.TrimLeft(rest, "/")
	}
	return rest
}

// socket checks the path of a unix socket and makes it absolute.
func (r *reader) socket(key string, path *string) place {
	if *path == "" || strings.HasSuffix(*path, "/") {
		r.report(key, "", "key %q: found %q, expected the path of a socket", key, *path)
		return place{}
	}
	if strings.HasPrefix(*path, "@") {
		r.report(key, "", "key %q: found %q, expected a path: abstract sockets have no owner and no mode", key, *path)
		return place{}
	}
	r.path(key, path)
	if n := len(*path); n > maxSocket {
		r.report(key, "choose a shorter one", "key %q: found a path of %d bytes, expected at most %d for a socket: %q", key, n, maxSocket, *path)
		return place{}
	}
	return place{path: filepath.Clean(*path)}
}

// validHost says whether name is an IP address or could be a host name.
func validHost(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	if len(name) > 253 {
		return false
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if !validLabel(label) {
			return false
		}
	}
	// A last label of digits is what is left of a mistyped address.
	return strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

func validLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		if !bare(label[i]) {
			return false
		}
	}
	return true
}
