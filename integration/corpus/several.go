package corpus

import (
	"crypto/elliptic"
	"crypto/x509"
	"os"
	"time"

	"example.com/handover/integration/harness"
)

// putPair writes a pair under two names.
func (k *Kit) putPair(cert, key string, p Pair) {
	k.Helper()
	k.Put(cert, PEM(p.Chain...))
	k.Put(key, k.PKCS8(p.Key))
}

// forNames issues a pair for other names.
func (k *Kit) forNames(list ...string) Pair {
	k.Helper()
	return k.Leaf(func(c *x509.Certificate) { c.DNSNames = list })
}

// several are pairs beside the first: two bad ones never become half a change.
func several() []Input {
	second, dir := Settings{Second: true}, Settings{Dir: true}
	also := func(id, what string, s Settings, layout func(k *Kit), wants ...Finding) Input {
		return Input{ID: "several/" + id, What: what, Settings: s, Wants: wants, Layout: func(k *Kit) { k.Renew(); layout(k) }}
	}
	return []Input{
		also("both-renewed", "two fresh pairs", second, func(k *Kit) { k.putPair("second.pem", "second.key", k.forNames("second.test")) }),
		also("second-expired", "a good pair and an expired one", second, func(k *Kit) {
			k.putPair("second.pem", "second.key", k.Leaf(func(c *x509.Certificate) {
				c.DNSNames, c.NotBefore, c.NotAfter = []string{"second.test"}, k.now.Add(-9*day), k.now.Add(-day)
			}))
		}, refuse("time.expired")...).may("time.remaining", "change.older"),
		also("second-mismatch", "a good pair and one of two issues", second, func(k *Kit) { k.Put("second.key", otherKey(k, nil)) }, refuse("pair.mismatch")...),
		also("duplicate", "two pairs for one name", second, func(k *Kit) { k.putPair("second.pem", "second.key", k.forNames("second.test", harness.Name)) }, warn("name.duplicate")...),
		also("second-lost", "a second pair for another name", second, func(k *Kit) { k.putPair("second.pem", "second.key", k.forNames("third.test")) }, refuse("name.lost")...),
		also("folder-one-more", "one pair more in a folder", dir, func(k *Kit) { k.putPair("pairs/third.crt", "pairs/third.key", k.forNames("third.test")) }),
		also("folder-nested", "a pair in a folder of its own in a folder", dir, func(k *Kit) {
			k.putPair("pairs/third/fullchain.pem", "pairs/third/privkey.pem", k.forNames("third.test"))
		}),
		also("folder-hidden", "hidden names and notes in a folder", dir, func(k *Kit) {
			k.Put("pairs/.third.crt", []byte("not yet"))
			k.Put("pairs/README", []byte("not a pair"))
		}),
		also("folder-no-key", "a certificate without a key in a folder", dir, func(k *Kit) { k.Put("pairs/third.crt", PEM(k.forNames("third.test").Chain...)) }, refuse("file.missing")...),
		also("folder-no-cert", "a key without a certificate in a folder", dir, func(k *Kit) { k.Put("pairs/third.key", otherKey(k, nil)) }, refuse("file.missing")...),
		also("folder-mismatch", "a pair of two issues among good ones in a folder", dir, func(k *Kit) {
			k.putPair("pairs/third.crt", "pairs/third.key", k.forNames("third.test"))
			k.Put("pairs/third.key", otherKey(k, nil))
		}, refuse("pair.mismatch")...),
		also("folder-fifo", "a pipe in a folder", dir, func(k *Kit) {
			k.putPair("pairs/third.crt", "pairs/third.key", k.forNames("third.test"))
			k.remove("pairs/third.crt")
			k.Must(fifo(k.Path("pairs/third.crt")))
		}, refuse("file.not_regular")...),
		also("folder-pair-gone", "a served pair that is gone from its folder", dir, func(k *Kit) {
			k.putPair("pairs/third.crt", "pairs/third.key", k.forNames("third.test"))
			k.remove("pairs/second.crt", "pairs/second.key")
		}, refuse("name.lost")...),
		also("folder-empty", "an empty folder", dir, func(k *Kit) { k.remove("pairs/second.crt", "pairs/second.key") }, refuse("file.missing")...).may("name.lost"),
		also("folder-gone", "a folder that is gone", dir, func(k *Kit) { k.Must(os.RemoveAll(k.Path("pairs"))) }, refuse("file.missing")...).may("name.lost"),
		also("folder-is-file", "a file in place of a folder", dir, func(k *Kit) { k.Put("pairs", nil) }, refuse("file.not_regular")...).may("name.lost"),
	}
}

func (i Input) may(names ...string) Input {
	i.Mays = append(i.Mays, names...)
	return i
}

// clientCAs are files of authorities that clients must come from.
func clientCAs() []Input {
	on := func(id, what string, content func(k *Kit) []byte, wants ...Finding) Input {
		return Input{
			ID: "clients/" + id, What: what, Wants: wants, Settings: Settings{TLS: `client_ca = "DIR/` + clientFile + `"`},
			Layout: func(k *Kit) { k.Renew(); k.Put(clientFile, content(k)) },
		}
	}
	expired := func(k *Kit) []byte {
		return PEM(k.CA(nil, func(c *x509.Certificate) { c.NotAfter = k.now.Add(-day) }).DER)
	}
	return []Input{
		on("good", "the same authority", func(k *Kit) []byte { return PEM(k.client.DER) }),
		on("two", "two authorities", func(k *Kit) []byte { return PEM(k.client.DER, k.Root.DER) }),
		on("one-expired", "an authority and an expired one", func(k *Kit) []byte { return join(PEM(k.client.DER), expired(k)) }, warn("time.expired")...),
		on("all-expired", "an expired authority alone", expired, refuse("time.expired")...),
		on("not-ca", "a leaf in place of an authority", func(k *Kit) []byte { return PEM(k.Good.Chain[0]) }, refuse("chain.issuer_not_ca")...),
		on("empty", "an empty file of authorities", func(*Kit) []byte { return nil }, refuse("pem.empty")...),
		on("html", "an error page in place of authorities", func(*Kit) []byte { return []byte(page) }, refuse("pem.no_certificate")...),
		on("torn", "half an authority", func(k *Kit) []byte { return harness.Torn(PEM(k.client.DER)) }, refuse("pem.undecoded_block")...),
		on("noise", "an authority of bytes without a meaning", func(*Kit) []byte { return PEM([]byte("\x30\x03\x1b[2")) }, refuse("cert.parse")...),
		{
			ID: "clients/missing", What: "no file of authorities", Wants: refuse("file.missing"), Settings: Settings{TLS: `client_ca = "DIR/` + clientFile + `"`},
			Layout: func(k *Kit) { k.Renew(); k.remove(clientFile) },
		},
		{
			ID: "clients/fifo", What: "a pipe in place of authorities", Wants: refuse("file.not_regular"), Settings: Settings{TLS: `client_ca = "DIR/` + clientFile + `"`},
			Layout: instead(clientFile, fifo),
		},
	}
}

// roots are chains held against roots that a chain must lead to.
func roots() []Input {
	file := Settings{TLS: `verify = "DIR/` + rootFile + `"`}
	foreign := func(k *Kit) {
		root := k.CA(nil, nil)
		k.Install(k.Under(k.CA(root, nil), k.Leaf(nil).Key, nil))
	}
	untrusted := refuse("chain.untrusted")
	return []Input{
		{ID: "roots/good", What: "a chain that leads to the roots", Settings: file, Layout: func(k *Kit) { k.Renew() }},
		{ID: "roots/foreign", What: "a chain that leads elsewhere", Settings: file, Layout: foreign, Wants: untrusted},
		{ID: "roots/off", What: "a chain that leads elsewhere, and nobody asked", Layout: foreign, Nevers: []string{"chain.untrusted"}},
		{ID: "roots/leaf-alone", What: "a leaf alone below the roots", Settings: file, Layout: alone(false), Wants: refuse("chain.incomplete"), Mays: []string{"chain.untrusted"}},
		{ID: "roots/empty", What: "an empty file of roots", Settings: file, Layout: func(k *Kit) { k.Renew(); k.Put(rootFile, nil) }, Wants: untrusted},
		{ID: "roots/missing", What: "no file of roots", Settings: file, Layout: func(k *Kit) { k.Renew(); k.remove(rootFile) }, Wants: untrusted},
		{ID: "roots/fifo", What: "a pipe in place of roots", Settings: file, Layout: instead(rootFile, fifo), Wants: untrusted},
		{ID: "roots/hole", What: "a chain with a hole below the roots", Settings: file, Layout: hole, Wants: untrusted, Mays: []string{"chain.incomplete", "chain.extraneous"}},
		{ID: "roots/ends-tomorrow", What: "a root that expires in an hour", Settings: file, Layout: func(k *Kit) {
			root := k.CA(nil, func(c *x509.Certificate) { c.NotAfter = k.now.Add(time.Hour) })
			k.Install(k.Under(k.CA(root, nil), k.Leaf(nil).Key, nil))
			k.Put(rootFile, PEM(root.DER))
		}, Wants: untrusted},
		{ID: "roots/system", What: "a private chain held against the system's roots", Settings: Settings{
			TLS: `verify = "system"`, Checks: `"chain.untrusted" = "warn"`,
		}, Layout: func(k *Kit) { k.Renew() }, Wants: warn("chain.untrusted")},
	}
}

// moved are checks that the configuration moves.
func moved() []Input {
	to := func(line string) Settings { return Settings{Checks: line} }
	return []Input{
		{ID: "moved/expired-warns", What: "an expired leaf where that only warns", Settings: to(`"time.expired" = "warn"`), Layout: window(-9*day, -day), Wants: warn("time.expired"), Mays: []string{"time.remaining", "change.older"}},
		{ID: "moved/lost-off", What: "a lost name where nobody looks", Settings: to(`"name.lost" = "off"`), Layout: only(harness.Name), Nevers: []string{"name.lost"}},
		{ID: "moved/readable-refuses", What: "a key that everybody may read where that refuses", Settings: to(`"file.key_world_readable" = "refuse"`), Layout: mode(keyFile, 0o644, -1, -1), Wants: refuse("file.key_world_readable"), Mays: []string{"file.key_group_readable"}},
		{ID: "moved/curve-off", What: "a curve that no client has, where nobody looks", Settings: to(`"key.type" = "off"`), Layout: ofCurve(elliptic.P224()), Wants: refuse("proof.handshake")},
		{ID: "moved/large-off", What: "a chain larger than Go's clients read, where nobody looks", Settings: to(`"chain.message_too_large" = "off"`), Layout: thousand, Wants: refuse("proof.handshake"), Mays: []string{"chain.too_long", "chain.duplicate", "chain.extraneous"}},
		{ID: "moved/info-refuses", What: "a link where links are refused", Settings: to(`"file.symlink" = "refuse"`), Layout: func(k *Kit) { k.Renew(); k.link(certFile, "real.pem", "real.pem") }, Wants: refuse("file.symlink")},
		{ID: "moved/info-off", What: "a link where nobody looks", Settings: to(`"file.symlink" = "off"`), Layout: func(k *Kit) { k.Renew(); k.link(certFile, "real.pem", "real.pem") }, Nevers: []string{"file.symlink"}},
	}
}
