package corpus

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"strings"
	"time"

	"example.com/handover/integration/harness"
)

// cut ends a file at a place, counted from the n-th time that a mark is there.
func cut(mark string, n, offset int) rewrite {
	return func(k *Kit, was []byte) []byte {
		at := 0
		for range n {
			next := bytes.Index(was[at:], []byte(mark))
			if next < 0 {
				k.Fatalf("cut: no %q", mark)
			}
			at += next + len(mark)
		}
		return was[:at+offset]
	}
}

const (
	begin = "-----BEGIN CERTIFICATE-----\n"
	end   = "-----END CERTIFICATE-----\n"
)

// torn are files that end, or are damaged, in the middle.
func torn() []Input {
	undecoded := refuse("pem.undecoded_block")
	certs := func(id, what string, change rewrite, wants []Finding) Input {
		return Input{ID: "torn/" + id, What: what, Layout: holds(certFile, change), Wants: wants, Mays: []string{"pem.trailing_text", "pem.no_certificate", "pem.undecoded_block", "chain.incomplete"}}
	}
	keys := func(id, what string, change rewrite) Input {
		return Input{ID: "torn/" + id, What: what, Layout: holds(keyFile, change), Wants: undecoded, Mays: []string{"pem.trailing_text", "pem.no_key", "key.parse"}}
	}
	return []Input{
		certs("first-dashes", "three bytes of the first line", cut(begin, 1, 3-len(begin)), refuse("pem.no_certificate")),
		certs("first-line", "the first line alone", cut(begin, 1, 0), undecoded),
		certs("in-leaf", "cut in the leaf", cut(begin, 1, 200), undecoded),
		certs("before-first-end", "cut before the leaf's last line", cut(end, 1, -len(end)), undecoded),
		certs("in-first-end", "cut in the leaf's last line", cut(end, 1, -7), undecoded),
		certs("after-leaf", "cut after the leaf", cut(end, 1, 0), refuse("chain.incomplete")),
		certs("in-second-begin", "cut in the intermediate's first line", cut(begin, 2, -5), undecoded),
		certs("in-second", "cut in the intermediate", cut(begin, 2, 300), undecoded),
		certs("before-second-end", "cut before the last line", cut(end, 2, -len(end)), undecoded),
		certs("in-second-end", "cut in the last line", cut(end, 2, -7), undecoded),
		certs("glued", "no line end between two blocks", replaced(end+begin, strings.TrimSpace(end)+begin), undecoded),
		certs("indented", "indented lines", replaced("\n", "\n  "), undecoded),
		certs("bad-base64", "a letter that is none of base64", replaced("MII", "M*I"), undecoded),
		certs("lower-case", "labels in lower case", replaced("CERTIFICATE", "certificate"), refuse("pem.no_certificate")),
		certs("dash-lost", "a dash too few", func(_ *Kit, was []byte) []byte { return was[1:] }, undecoded),
		certs("ends-differ", "a last line with another label", replaced("END CERTIFICATE", "END X509 CERTIFICATE"), undecoded),
		keys("key-first-line", "the key's first line alone", cut("KEY-----\n", 1, 0)),
		keys("key-half", "half of the key", func(_ *Kit, was []byte) []byte { return was[:len(was)/2] }),
		keys("key-no-end", "the key without its last line", cut("-----END", 1, -8)),
	}
}

// accompanied are files that hold more than they should.
func accompanied() []Input {
	request := func(k *Kit) []byte { return converted("req -new -key key.pem -subj /CN=x")(k, nil) }
	return []Input{
		{ID: "label/unknown", What: "a block of an unknown kind behind the chain", Layout: holds(certFile, after(string(harness.Block("SOMETHING ELSE", []byte("what it is"))))), Wants: refuse("pem.label")},
		{ID: "label/csr", What: "a request behind the chain", Layout: holds(certFile, func(k *Kit, was []byte) []byte { return join(was, request(k)) }), Wants: refuse("pem.label")},
		{ID: "label/crl", What: "a list of revoked certificates behind the chain", Layout: holds(certFile, func(k *Kit, was []byte) []byte {
			list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(day)}
			der, err := x509.CreateRevocationList(rand.Reader, list, k.Intermediate.Cert, k.Intermediate.Key)
			k.Must(err)
			return join(was, harness.Block("X509 CRL", der))
		}), Wants: refuse("pem.label")},
		{ID: "label/escape", What: "terminal sequences in a label", Layout: holds(certFile, after("-----BEGIN \x1b[2J\x07-----\nAAAA\n-----END \x1b[2J\x07-----\n")), Wants: refuse("pem.label")},
		{ID: "label/old", What: "the old label of a certificate", Layout: holds(certFile, replaced(" CERTIFICATE-----", " X509 CERTIFICATE-----")), Nevers: []string{"pem.label"}},
		{ID: "label/key-in-cert", What: "the key in the certificate's file as well", Layout: holds(certFile, func(k *Kit, was []byte) []byte { return join(was, k.read(keyFile)) }), Wants: warn("pem.key_in_cert_file")},
		{ID: "label/dh-parameters", What: "Diffie-Hellman parameters before the key", Layout: holds(keyFile, before(string(harness.Block("DH PARAMETERS", []byte{0x30, 6, 2, 1, 23, 2, 1, 5})))), Nevers: []string{"pem.label"}},
		{ID: "label/two-keys", What: "another key behind the key", Layout: holds(keyFile, func(k *Kit, was []byte) []byte { return join(was, k.PKCS8(k.EC(elliptic.P256()))) }), Wants: refuse("key.multiple")},
		{ID: "label/two-keys-other-first", What: "another key before the key", Layout: holds(keyFile, func(k *Kit, was []byte) []byte { return join(k.PKCS8(k.EC(elliptic.P256())), was) }), Wants: refuse("key.multiple"), Mays: []string{"pair.mismatch"}},
		{ID: "label/public-beside", What: "the public half beside the key", Layout: holds(keyFile, func(k *Kit, was []byte) []byte { return join(was, converted("pkey -pubout -in key.pem")(k, nil)) })},
	}
}
