package cert

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"strings"
)

const (
	pemMarker        = "-----BEGIN "
	labelCertificate = "CERTIFICATE"
	labelOld         = "X509 CERTIFICATE" // OpenSSL still reads it as the same
)

// What is counted as the beginning and the end of a block. It is shorter than
// the marks, so that one is seen that has lost some of its dashes.
const (
	beginMark = "-BEGIN "
	endMark   = "-END "
)

// blocks is the content of a file in PEM.
type blocks struct {
	all          []*pem.Block
	begins, ends int    // how many blocks begin and end
	rest         []byte // what follows the last block that could be decoded
}

// walk decodes every block of data. pem.Decode steps over a block that is cut
// or damaged without a word, so the marks of beginnings and ends are counted as
// well: all three numbers agree in a file that is whole.
func walk(data []byte) blocks {
	b := blocks{
		begins: bytes.Count(data, []byte(beginMark)),
		ends:   bytes.Count(data, []byte(endMark)),
		rest:   data,
	}
	for {
		block, rest := pem.Decode(b.rest)
		if block == nil {
			return b
		}
		b.all = append(b.all, block)
		b.rest = rest
	}
}

// whole says whether every block could be decoded.
func (b blocks) whole() bool { return len(b.all) == b.begins && len(b.all) == b.ends }

// foreign returns the first block that calls itself a certificate of another
// form, such as OpenSSL's with trust settings: readers step over it.
func (b blocks) foreign() *pem.Block {
	for _, block := range b.all {
		label := strings.ToUpper(strings.TrimSpace(block.Type))
		if strings.HasSuffix(label, labelCertificate) && !isCertificate(block) {
			return block
		}
	}
	return nil
}

func isCertificate(block *pem.Block) bool {
	return block.Type == labelCertificate || block.Type == labelOld
}

// find returns the first block whose label ends in suffix.
func (b blocks) find(suffix string) *pem.Block {
	for _, block := range b.all {
		if strings.HasSuffix(block.Type, suffix) {
			return block
		}
	}
	return nil
}

// certificates returns the content of the blocks that hold certificates.
func (b blocks) certificates() [][]byte {
	var found [][]byte
	for _, block := range b.all {
		if isCertificate(block) {
			found = append(found, block.Bytes)
		}
	}
	return found
}

// privateKey returns the first block that holds a private key of any form.
func (b blocks) privateKey() *pem.Block { return b.find("PRIVATE KEY") }

// partial says whether the file reads like the beginning of a longer one: whole
// blocks, and after them nothing or the beginning of another.
func (b blocks) partial() bool {
	return strings.HasPrefix(pemMarker, string(bytes.TrimSpace(b.rest)))
}

// empty says whether f was read and holds nothing.
func (f *file) empty() bool { return f.err == nil && len(bytes.TrimSpace(f.data)) == 0 }

func pemEmpty(c *candidate) []problem {
	return eachFile(c, func(f *file) *problem {
		if !f.empty() {
			return nil
		}
		return &problem{
			message: fmt.Sprintf("%q is empty", f.path),
			hint:    "the tool that writes it did not finish: run it again",
			torn:    true,
		}
	})
}

// swapped says whether each file holds what the other should.
func (c *candidate) swapped() bool {
	return !c.combined() && c.certBlocks.privateKey() != nil && len(c.certBlocks.certificates()) == 0 &&
		c.keyBlocks.privateKey() == nil && len(c.keyBlocks.certificates()) > 0
}

func pemSwapped(c *candidate) []problem {
	if !c.swapped() {
		return nil
	}
	return []problem{{
		file:    c.cert.path,
		message: "certfile holds the key, keyfile the certificate",
		hint:    fmt.Sprintf("swap the two paths: certfile = %q, keyfile = %q", c.key.path, c.cert.path),
	}}
}

func pemNoCertificate(c *candidate) []problem {
	if !readable(c.cert) || c.swapped() || !c.certBlocks.whole() || len(c.certBlocks.certificates()) > 0 {
		return nil
	}
	form := recognise(c.cert.data, c.certBlocks)
	p := problem{
		file:    c.cert.path,
		message: fmt.Sprintf("%q holds no certificate in PEM", c.cert.path),
		hint:    "certfile must hold the certificate and its intermediates, leaf first",
		torn:    form == nil && c.certBlocks.partial(),
	}
	if form != nil {
		p.message += " but " + form.what
		p.hint = form.certificate(c.cert.path)
	}
	return []problem{p}
}

func pemNoKey(c *candidate) []problem {
	if !readable(c.key) || c.swapped() || !c.keyBlocks.whole() ||
		c.keyBlocks.privateKey() != nil || c.keyBlocks.find("PUBLIC KEY") != nil {
		return nil
	}
	form := recognise(c.key.data, c.keyBlocks)
	p := problem{
		file:    c.key.path,
		message: fmt.Sprintf("%q holds no private key in PEM", c.key.path),
		hint:    "keyfile must hold the key that the certificate was issued for",
		torn:    form == nil && c.keyBlocks.partial(),
	}
	if form == nil && len(c.keyBlocks.certificates()) > 0 {
		p.message += " but a certificate"
	}
	if form != nil {
		p.message += " but " + form.what
		p.hint = form.key(c.key.path)
	}
	return []problem{p}
}

// readable says whether f was read and holds something.
func readable(f *file) bool { return f != nil && f.err == nil && !f.empty() }

func pemUndecodedBlock(c *candidate) []problem {
	found := eachFile(c, func(f *file) *problem {
		b := c.certBlocks
		if f != c.cert {
			b = c.keyBlocks
		}
		if b.whole() {
			return nil
		}
		hint := "a block is cut or damaged: write the file again from its source"
		switch {
		case bytes.HasPrefix(f.data, []byte("\xef\xbb\xbf")):
			hint = "the file begins with a byte order mark: save it as plain text without one"
		case b.ends == b.begins:
			hint = "every line that begins a block must stand alone, undamaged and at the left edge, and what it encloses must be base64"
		}
		return &problem{
			message: fmt.Sprintf("only %d of %d blocks in %q can be decoded", len(b.all), max(b.begins, b.ends), f.path),
			hint:    hint,
			torn:    true,
		}
	})
	if block := c.certBlocks.foreign(); block != nil && len(c.certBlocks.certificates()) > 0 {
		found = append(found, foreignBlock(c, block))
	}
	return found
}

// foreignBlock is about a certificate among others that readers would step over.
// No writer leaves such a thing half done.
func foreignBlock(c *candidate, block *pem.Block) problem {
	p := problem{
		file:    c.cert.path,
		message: fmt.Sprintf("a block in %q is labelled %.60q, and readers step over it", c.cert.path, block.Type),
		hint:    "every block of the chain must be labelled CERTIFICATE: write the file again from its source",
	}
	if form := recognise(c.cert.data, c.certBlocks); form == &formTrusted {
		p.hint = "convert that block by itself: openssl x509 -in BLOCK.pem -out CERTIFICATE.pem"
	}
	return p
}

// belongs says whether a label may stand in a certificate file that holds
// certificates. Keys and damaged labels are other checks' business.
func belongs(label string, key bool) bool {
	if label == "EC PARAMETERS" || label == "DH PARAMETERS" {
		return key
	}
	return strings.HasSuffix(label, "PRIVATE KEY") || strings.HasSuffix(strings.ToUpper(strings.TrimSpace(label)), labelCertificate)
}

func pemLabel(c *candidate) []problem {
	if len(c.certBlocks.certificates()) == 0 {
		return nil
	}
	key := c.certBlocks.privateKey() != nil
	for _, block := range c.certBlocks.all {
		if !belongs(block.Type, key) {
			return c.found(fmt.Sprintf("a block in %q is labelled %.60q, expected certificates alone", c.cert.path, block.Type),
				"certfile must hold the certificate and its intermediates, leaf first: take out what is nothing of these")
		}
	}
	return nil
}

func pemKeyInCertFile(c *candidate) []problem {
	if c.cert == nil || c.combined() || c.certBlocks.privateKey() == nil || len(c.certBlocks.certificates()) == 0 {
		return nil
	}
	return c.found(fmt.Sprintf("%q holds a private key beside the certificate, and keyfile names another file", c.cert.path),
		"take the key out of it, or name that file in keyfile too; if others could read it, have the certificate issued for a new key")
}

func pemTrailingText(c *candidate) []problem {
	return eachFile(c, func(f *file) *problem {
		b := c.certBlocks
		if f != c.cert {
			b = c.keyBlocks
		}
		rest := bytes.TrimSpace(b.rest)
		if len(rest) == 0 || len(b.all) == 0 || !b.whole() {
			return nil
		}
		return &problem{
			message: fmt.Sprintf("%d bytes follow the last block in %q, beginning with %.40q", len(rest), f.path, rest[:min(len(rest), 40)]),
			hint:    "write the file again from its source: something was appended to it",
			torn:    b.partial(), // the beginning of a block
		}
	})
}
