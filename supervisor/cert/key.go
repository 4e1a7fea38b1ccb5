package cert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// encrypted says whether a passphrase protects the key, in the modern form or
// in the one that has its parameters in the block's headers (RFC 1421).
func encrypted(block *pem.Block) bool {
	return block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" ||
		strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED")
}

// maxKey is the largest key in bytes that is looked at: parsing checks an RSA
// key's arithmetic, whose cost grows with the cube of its size. One of 16384
// bits takes 9 KiB.
const maxKey = 32 << 10

// parseKey reads a key in any form that it is usually kept in.
func parseKey(block *pem.Block) (crypto.Signer, error) {
	if len(block.Bytes) > maxKey {
		return nil, fmt.Errorf("%d bytes, at most %d", len(block.Bytes), maxKey)
	}
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("unsupported form %.60q", block.Type)
	}
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("a key for key agreement cannot sign")
	}
	return signer, nil
}

// describe names the kind of a public key.
func describe(public crypto.PublicKey) string {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA of %d bits", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	default:
		return fmt.Sprintf("%T", public)
	}
}

func keyNotPrivate(c *candidate) []problem {
	if c.swapped() || c.keyBlocks.privateKey() != nil || c.keyBlocks.find("PUBLIC KEY") == nil {
		return nil
	}
	return []problem{{
		file:    c.key.path,
		message: fmt.Sprintf("%q holds a public key", c.key.path),
		hint:    "keyfile must hold the private key, of which this is the public half",
	}}
}

func keyEncrypted(c *candidate) []problem {
	block := c.keyBlocks.privateKey()
	if c.swapped() || block == nil || !encrypted(block) {
		return nil
	}
	path := c.key.path
	return []problem{{
		file:    path,
		message: fmt.Sprintf("the key in %q is encrypted", path),
		hint:    fmt.Sprintf("decrypt it: openssl pkey -in %q -out decrypted.pem, with mode 0600, and name that file", path),
	}}
}

func keyParse(c *candidate) []problem {
	if c.keyErr == nil {
		return nil
	}
	hint := "write the file again from its source, as PKCS #8, PKCS #1 or SEC 1"
	if block := c.keyBlocks.privateKey(); block != nil && block.Type == "OPENSSH PRIVATE KEY" {
		hint = "convert a copy: ssh-keygen -p -m PKCS8 -f COPY"
	}
	p := problem{message: fmt.Sprintf("the key cannot be parsed: %q", c.keyErr.Error()), hint: hint}
	if c.key != nil {
		p.file = c.key.path
		p.message = fmt.Sprintf("the key in %q cannot be parsed: %q", p.file, c.keyErr.Error())
	}
	return []problem{p}
}

func keyMultiple(c *candidate) []problem {
	count := 0
	for _, block := range c.keyBlocks.all {
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			count++
		}
	}
	if count < 2 || c.key == nil {
		return nil
	}
	return []problem{{
		file:    c.key.path,
		message: fmt.Sprintf("%q holds %d private keys, expected one", c.key.path, count),
		hint:    "leave only the key that the certificate was issued for: the first one is used, whether it is meant or not",
	}}
}

// public is the key that clients see; as long as there is no certificate, the
// public half of the private one. Nil if there is neither.
func (c *candidate) public() crypto.PublicKey {
	if leaf := c.server(); leaf != nil {
		return leaf.PublicKey
	}
	if c.signer != nil {
		return c.signer.Public()
	}
	return nil
}

// reissue is the hint for a key that is good for nothing.
const reissue = "have the certificate issued for a new key: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256, or RSA of 2048 bits"

// elsewhere is the hint for the key of one who signed.
const elsewhere = "have the certificate issued by an authority whose keys clients support"

// The sizes of RSA keys in bits that clients accept: Go's end at 8192.
const (
	leastRSA  = 2048
	clientRSA = 8192
	usualE    = 65537
)

func keySizeLimits(c *candidate) []problem {
	var found []problem
	judge := func(public crypto.PublicKey, whose func() string, hint string) {
		k, ok := public.(*rsa.PublicKey)
		if ok && len(found) < mostParts && (k.N.BitLen() < leastRSA || k.N.BitLen() > clientRSA) {
			found = append(found, c.found(fmt.Sprintf("the key of %s is RSA of %d bits, expected %d to %d", whose(), k.N.BitLen(), leastRSA, clientRSA), hint)...)
		}
	}
	judge(c.public(), c.subject, reissue)
	for _, i := range c.intermediates() {
		judge(c.parsed[i].PublicKey, func() string { return c.member(i) }, elsewhere)
	}
	return found
}

func keyExponent(c *candidate) []problem {
	k, ok := c.public().(*rsa.PublicKey)
	if !ok || k.E >= usualE {
		return nil
	}
	return c.found(fmt.Sprintf("the RSA key of %s has the exponent %d, expected %d", c.subject(), k.E, usualE), reissue)
}

func keyUncommon(c *candidate) []problem {
	kind := ""
	switch k := c.public().(type) {
	case ed25519.PublicKey:
		kind = "Ed25519"
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P521() {
			kind = "ECDSA P-521"
		}
	}
	if kind == "" {
		return nil
	}
	return c.found(fmt.Sprintf("the key of %s is %s, which some browsers cannot use", c.subject(), kind),
		"if browsers are among the clients, have it issued for ECDSA P-256 or RSA of 2048 bits")
}
