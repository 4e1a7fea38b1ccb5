package cert

import (
	"bytes"
	"encoding/asn1"
	"strconv"
	"strings"
)

// form is what a file holds instead of a certificate or key in PEM.
type form struct {
	what   string // with its article
	toCert string // a command or sentence that mends it, %q for the path
	toKey  string
}

func (f *form) certificate(path string) string { return mend(f.toCert, path) }
func (f *form) key(path string) string         { return mend(f.toKey, path) }

// mend puts path where the hint asks for it.
func mend(hint, path string) string {
	return strings.ReplaceAll(hint, "%q", strconv.Quote(path))
}

var (
	formUTF16 = form{
		"UTF-16 text",
		"convert it: iconv -f UTF-16 -t UTF-8 %q",
		"convert it: iconv -f UTF-16 -t UTF-8 %q",
	}
	formHTML = form{
		"a web page",
		"a download failed and its error page was saved: fetch the certificate again",
		"a download failed and its error page was saved: fetch the key again",
	}
	formRequest = form{
		"a certificate request",
		"certfile must hold what the authority sent back for it",
		"keyfile must hold the key that the request was signed with",
	}
	formPKCS12 = form{
		"a PKCS#12 archive",
		"convert it: openssl pkcs12 -nokeys -in %q -out fullchain.pem",
		"convert it: openssl pkcs12 -nocerts -nodes -in %q -out privkey.pem",
	}
	formPKCS7 = form{
		"a PKCS#7 archive",
		"convert it: openssl pkcs7 -print_certs -in %q -out fullchain.pem (with -inform der if it is binary)",
		"such an archive holds no key: keyfile must name the one that the request was signed with",
	}
	formDERCertificate = form{
		"a certificate in DER",
		"convert it: openssl x509 -inform der -in %q -out fullchain.pem, and append the intermediates",
		"keyfile must hold the key; this is a certificate",
	}
	formDERKey = form{
		"a private key in DER",
		"certfile must hold the certificate; this is a key",
		"convert it: openssl pkey -inform der -in %q -out privkey.pem",
	}
	formTrusted = form{
		"a certificate with OpenSSL's trust settings",
		"convert it: openssl x509 -in %q -out fullchain.pem",
		"keyfile must hold the key; this is a certificate",
	}
	formBare = form{
		"base64 without a BEGIN line",
		"put -----BEGIN CERTIFICATE----- before it and -----END CERTIFICATE----- after it",
		"put -----BEGIN PRIVATE KEY----- before it and -----END PRIVATE KEY----- after it",
	}
)

// recognise says what data is if it is a known form; nil if it is none.
func recognise(data []byte, b blocks) *form {
	text := bytes.ToLower(bytes.TrimSpace(data[:min(len(data), 256)]))
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}),
		bytes.HasPrefix(data, []byte("-\x00-\x00")), bytes.HasPrefix(data, []byte("\x00-\x00-")):
		return &formUTF16
	case bytes.HasPrefix(text, []byte("<")):
		return &formHTML
	case b.find("CERTIFICATE REQUEST") != nil:
		return &formRequest
	case b.find("PKCS7") != nil:
		return &formPKCS7
	case b.find("TRUSTED CERTIFICATE") != nil:
		return &formTrusted
	case len(b.all) == 0 && bytes.HasPrefix(data, []byte("MI")):
		return &formBare
	case len(data) > 1 && data[0] == 0x30 && data[1] >= 0x80:
		return recogniseDER(data)
	}
	return nil
}

// recogniseDER tells the usual structures apart by how they begin, without
// decoding them: each is a SEQUENCE, and its first element gives it away.
func recogniseDER(data []byte) *form {
	first, ok := inside(data)
	if !ok {
		return nil
	}
	switch {
	case first.Tag == asn1.TagInteger && bytes.Equal(first.Bytes, []byte{3}): // PFX ::= version 3 (RFC 7292)
		return &formPKCS12
	case first.Tag == asn1.TagInteger: // PrivateKeyInfo, RSAPrivateKey, ECPrivateKey
		return &formDERKey
	case first.Tag == asn1.TagOID: // ContentInfo (RFC 2315)
		return &formPKCS7
	}
	// TBSCertificate begins with a tagged version, a request's info with a bare one.
	if second, ok := inside(first.FullBytes); ok && second.Tag == asn1.TagInteger && len(second.Bytes) == 1 && second.Bytes[0] == 0 {
		return &formRequest
	}
	return &formDERCertificate
}

// inside returns the first element of the SEQUENCE that data begins with.
func inside(data []byte) (asn1.RawValue, bool) {
	var outer, first asn1.RawValue
	if _, err := asn1.Unmarshal(data, &outer); err != nil || outer.Tag != asn1.TagSequence {
		return first, false
	}
	_, err := asn1.Unmarshal(outer.Bytes, &first)
	return first, err == nil
}
