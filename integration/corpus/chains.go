package corpus

import (
	"crypto/x509"
	"os"
	"slices"
	"time"
)

// rechained has a fresh pair whose chain is put together otherwise.
func rechained(change func(k *Kit, leaf []byte) [][]byte) func(*Kit) {
	return func(k *Kit) {
		p := k.Leaf(nil)
		p.Chain = change(k, p.Chain[0])
		k.Install(p)
	}
}

// line makes so many authorities, each signed by the one before.
func (k *Kit) line(n int, edit func(at int, c *x509.Certificate)) []*Issuer {
	list := make([]*Issuer, n)
	above := k.Root
	for i := range list {
		list[i] = k.CA(above, func(c *x509.Certificate) {
			if edit != nil {
				edit(i, c)
			}
		})
		above = list[i]
	}
	return list
}

// below has a fresh pair of the last of a line of authorities, the chain
// complete but for the root.
func below(n int, edit func(at int, c *x509.Certificate)) func(*Kit) {
	return func(k *Kit) {
		list := k.line(n, edit)
		p := k.Under(list[n-1], k.Leaf(nil).Key, nil)
		for _, above := range slices.Backward(list[:n-1]) {
			p.Chain = append(p.Chain, above.DER)
		}
		k.Install(p)
	}
}

// chains are chains of two or three put together in every way.
func chains() []Input {
	chain := func(id, what string, change func(k *Kit, leaf []byte) [][]byte, wants []Finding, mays ...string) Input {
		return Input{ID: "chain/" + id, What: what, Layout: rechained(change), Wants: wants, Mays: mays}
	}
	// What is first is taken for the leaf.
	consequences := []string{"name.missing", "name.lost", "name.no_san", "ext.leaf_is_ca", "ext.ku", "ext.eku", "chain.bad_signature", "chain.order", "chain.extraneous", "change.older"}
	return []Input{
		chain("leaf-alone", "the leaf without its intermediate", func(_ *Kit, leaf []byte) [][]byte { return [][]byte{leaf} }, refuse("chain.incomplete")),
		chain("leaf-last", "the leaf behind its intermediate", func(k *Kit, leaf []byte) [][]byte { return [][]byte{k.Intermediate.DER, leaf} }, refuse("chain.leaf_not_first"), consequences...),
		chain("leaf-in-the-middle", "the leaf between intermediate and root", func(k *Kit, leaf []byte) [][]byte { return [][]byte{k.Intermediate.DER, leaf, k.Root.DER} }, refuse("chain.leaf_not_first"), consequences...),
		chain("root-included", "the root at the end", func(k *Kit, leaf []byte) [][]byte { return [][]byte{leaf, k.Intermediate.DER, k.Root.DER} }, info("chain.root_included")),
		chain("order", "the root before the intermediate", func(k *Kit, leaf []byte) [][]byte { return [][]byte{leaf, k.Root.DER, k.Intermediate.DER} }, warn("chain.order"), "chain.extraneous"),
		chain("duplicate", "the intermediate twice", func(k *Kit, leaf []byte) [][]byte { return [][]byte{leaf, k.Intermediate.DER, k.Intermediate.DER} }, warn("chain.duplicate"), "chain.extraneous"),
		chain("leaf-twice", "the leaf twice", func(k *Kit, leaf []byte) [][]byte { return [][]byte{leaf, leaf, k.Intermediate.DER} }, warn("chain.duplicate"), "chain.extraneous", "chain.order"),
		chain("extraneous", "an authority that has nothing to do with it", func(k *Kit, leaf []byte) [][]byte { return [][]byte{leaf, k.Intermediate.DER, k.client.DER} }, warn("chain.extraneous")),
		chain("extraneous-leaf", "another leaf behind the chain", func(k *Kit, leaf []byte) [][]byte { return [][]byte{leaf, k.Intermediate.DER, k.Good.Chain[0]} }, warn("chain.extraneous")),
		chain("unrelated", "an intermediate that did not sign the leaf", func(k *Kit, leaf []byte) [][]byte { return [][]byte{leaf, k.client.DER} }, nil, "chain.bad_signature", "chain.incomplete", "chain.extraneous").refused(),
		chain("same-name", "an intermediate of the same name with another key", func(k *Kit, leaf []byte) [][]byte {
			return [][]byte{leaf, k.CA(k.Root, func(c *x509.Certificate) {
				c.Subject = k.Intermediate.Cert.Subject
				c.SubjectKeyId = k.Intermediate.Cert.SubjectKeyId
			}).DER}
		}, refuse("chain.bad_signature"), "chain.incomplete", "chain.extraneous"),
		chain("intermediate-flipped", "one bit of the intermediate's signature, the root included", func(k *Kit, leaf []byte) [][]byte {
			return [][]byte{leaf, flipped(1)(k, k.Intermediate.DER), k.Root.DER}
		}, refuse("chain.bad_signature"), "chain.extraneous"),
		chain("cross-signed", "a root that another root signed", func(k *Kit, leaf []byte) [][]byte {
			older := k.CA(nil, nil)
			return [][]byte{leaf, k.Intermediate.DER, k.CAFor(older, k.Root.Key, func(c *x509.Certificate) { c.Subject = k.Root.Cert.Subject }).DER}
		}, nil),
		chain("cross-signed-expired", "a root that another root signed, until last year", func(k *Kit, leaf []byte) [][]byte {
			older := k.CA(nil, nil)
			return [][]byte{leaf, k.Intermediate.DER, k.CAFor(older, k.Root.Key, func(c *x509.Certificate) {
				c.Subject, c.NotAfter = k.Root.Cert.Subject, time.Now().Add(-200*day)
			}).DER}
		}, refuse("chain.expired"), "chain.expires_first"),
		chain("two-ways", "an intermediate in two versions, of two roots", func(k *Kit, leaf []byte) [][]byte {
			return [][]byte{leaf, k.Intermediate.DER, k.CAFor(k.CA(nil, nil), k.Intermediate.Key, func(c *x509.Certificate) { c.Subject = k.Intermediate.Cert.Subject }).DER}
		}, nil, "chain.extraneous", "chain.duplicate", "chain.order"),
		{ID: "chain/self-signed", What: "a leaf that signed itself", Layout: selfSigned, Wants: warn("chain.self_signed"), Nevers: []string{"chain.incomplete", "chain.root_included"}},
		{
			ID: "chain/leaf-alone-aia", What: "a leaf alone that says where its issuer is to be had", Before: alone(false), Layout: alone(true),
			Wants: warn("chain.incomplete"), Mays: []string{"chain.root_included"},
		},
	}
}

func (i Input) refused() Input {
	i.Refused = true
	return i
}

// alone has a leaf without a chain.
func alone(told bool) func(*Kit) {
	return func(k *Kit) {
		p := k.Leaf(func(c *x509.Certificate) {
			if told {
				c.IssuingCertificateURL = []string{"http://192.0.2.1/ca.cer"}
			}
		})
		p.Chain = p.Chain[:1]
		k.Install(p)
	}
}

func selfSigned(k *Kit) {
	p := k.Leaf(nil)
	template := k.Template(nil)
	p.Chain = [][]byte{k.Sign(&Issuer{Cert: template, Key: p.Key}, p.Key.Public(), template)}
	k.Install(p)
}

// longChains are chains of many.
func longChains() []Input {
	return []Input{
		{ID: "chain/5", What: "five certificates", Layout: below(4, nil)},
		{ID: "chain/12", What: "twelve certificates", Layout: below(11, nil), Wants: warn("chain.too_long")},
		{ID: "chain/1000", What: "1000 certificates", Layout: thousand, Wants: refuse("chain.message_too_large"), Mays: []string{"chain.too_long", "chain.duplicate", "chain.extraneous", "proof.handshake"}},
		{ID: "chain/1000-same-name", What: "400 authorities of one name and key that sign each other", Layout: maze, Refused: true, Mays: []string{"chain.message_too_large", "chain.too_long", "chain.duplicate", "chain.extraneous", "chain.order", "proof.handshake", "chain.bad_signature"}},
		{ID: "chain/pathlen", What: "an authority more than the one above allows", Layout: below(2, func(at int, c *x509.Certificate) {
			if at == 0 {
				c.MaxPathLen, c.MaxPathLenZero = 0, true
			}
		}), Wants: refuse("chain.pathlen")},
		{ID: "chain/pathlen-kept", What: "as many authorities as the one above allows", Layout: below(2, func(at int, c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 1-at, at == 1 })},
		{ID: "chain/middle-missing", What: "a chain with a hole, which may be in the clients' hands", Layout: hole, Wants: warn("chain.extraneous")},
		{ID: "chain/top-expired", What: "a second authority that expired", Layout: below(2, func(at int, c *x509.Certificate) {
			if at == 0 {
				c.NotAfter = time.Now().Add(-day)
			}
		}), Wants: refuse("chain.expired"), Mays: []string{"chain.expires_first"}},
	}
}

// hole is a chain of four of which one is missing.
func hole(k *Kit) {
	list := k.line(3, nil)
	p := k.Under(list[2], k.Leaf(nil).Key, nil)
	p.Chain = append(p.Chain, list[0].DER)
	k.Install(p)
}

// thousand is the good chain with the same authority 998 times more.
func thousand(k *Kit) {
	p := k.Leaf(nil)
	p.Chain = append(p.Chain, slices.Repeat([][]byte{k.client.DER}, 998)...)
	k.Install(p)
}

// maze has as many ways to the top as a search could want.
func maze(k *Kit) {
	p := k.Leaf(nil)
	for range 400 {
		p.Chain = append(p.Chain, k.CAFor(k.Intermediate, k.Intermediate.Key, func(c *x509.Certificate) { c.Subject = k.Intermediate.Cert.Subject }).DER)
	}
	k.Install(p)
}

// changes are good pairs whose difference from the served one is said.
func changes() []Input {
	return []Input{
		{ID: "change/none", What: "the same pair", Layout: func(k *Kit) { k.Install(k.Good) }, Wants: info("change.none")},
		{ID: "change/text", What: "the same pair with other comments", Layout: func(k *Kit) {
			k.Install(k.Good)
			k.Put(certFile, before("# fetched again\n")(k, k.read(certFile)))
		}, Wants: info("change.none")},
		{ID: "change/chain-only", What: "the same leaf under a longer chain", Layout: func(k *Kit) {
			k.Install(Pair{append(slices.Clone(k.Good.Chain), k.Root.DER), k.Good.Key})
		}, Wants: info("change.chain_only", "chain.root_included"), Nevers: []string{"change.none"}},
		{ID: "change/key-reused", What: "a new leaf for the served key", Layout: func(k *Kit) { k.Install(k.LeafFor(k.Good.Key, nil)) }, Wants: info("change.key_reused"), Nevers: []string{"change.none"}},
		{ID: "change/older", What: "a pair from a backup", Layout: window(-30*day, 10*day), Wants: warn("change.older"), Mays: []string{"time.remaining"}},
		{
			ID: "change/older-refused", What: "a pair from a backup where that is refused", Layout: window(-30*day, 10*day), Wants: refuse("change.older"),
			Mays: []string{"time.remaining"}, Settings: Settings{Checks: `"change.older" = "refuse"`},
		},
		{ID: "change/renewed", What: "a fresh pair", Layout: func(k *Kit) { k.Renew() }, Nevers: []string{"change.none", "change.key_reused", "change.chain_only", "file.symlink", "ext.no_eku", "chain.root_included", "chain.issuer_changed"}},
		{ID: "change/removed-at-once", What: "a fresh pair in a file with nothing else beside it", Layout: func(k *Kit) { k.Renew(); k.Must(os.RemoveAll(k.Path("pairs"))) }},
	}
}
