package corpus

import (
	"bytes"
	"crypto/elliptic"
	"encoding/pem"
	"strings"
	"unicode/utf16"

	"example.com/handover/integration/harness"
)

type rewrite = func(*Kit, []byte) []byte

func otherKey(k *Kit, _ []byte) []byte { return k.PKCS8(k.EC(elliptic.P256())) }

// first keeps the first blocks.
func first(n int) rewrite {
	return func(_ *Kit, was []byte) []byte { return join(harness.Blocks(was)[:n]...) }
}

func replaced(old, changed string) rewrite {
	return func(_ *Kit, was []byte) []byte { return []byte(strings.ReplaceAll(string(was), old, changed)) }
}

func before(s string) rewrite {
	return func(_ *Kit, was []byte) []byte { return append([]byte(s), was...) }
}

func after(s string) rewrite {
	return func(_ *Kit, was []byte) []byte { return append(was, s...) }
}

// between has something between the two blocks.
func between(s string) rewrite {
	return func(_ *Kit, was []byte) []byte {
		b := harness.Blocks(was)
		return join(b[0], []byte(s), b[1])
	}
}

// rewrapped is the same content in lines of another length.
func rewrapped(width int) rewrite {
	return func(_ *Kit, was []byte) []byte {
		var out bytes.Buffer
		for _, block := range bytes.SplitAfter(was, []byte("-----END CERTIFICATE-----\n")) {
			lines := strings.Split(strings.TrimSpace(string(block)), "\n")
			if len(lines) < 3 {
				continue
			}
			body := strings.Join(lines[1:len(lines)-1], "")
			out.WriteString(lines[0] + "\n")
			for len(body) > width {
				out.WriteString(body[:width] + "\n")
				body = body[width:]
			}
			out.WriteString(body + "\n" + lines[len(lines)-1] + "\n")
		}
		return out.Bytes()
	}
}

func utf16le(_ *Kit, was []byte) []byte {
	out := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(string(was))) {
		out = append(out, byte(u), byte(u>>8))
	}
	return out
}

func der(_ *Kit, was []byte) []byte {
	block, _ := pem.Decode(was)
	return block.Bytes
}

// converted is what openssl makes of the pair.
func converted(command string) rewrite {
	return func(k *Kit, _ []byte) []byte {
		k.Helper()
		files := map[string][]byte{"cert.pem": k.read(certFile), "key.pem": k.read(keyFile)}
		return k.OpenSSL(files, command+" -out out")("out")
	}
}

const page = "<!DOCTYPE html>\n<html><head><title>404</title></head><body>not found</body></html>\n"

// forms are files in another form than PEM, or in PEM of an odd form.
func forms() []Input {
	certs := func(id, what string, change rewrite, wants []Finding, mays ...string) Input {
		return Input{ID: "form/" + id, What: what, Layout: holds(certFile, change), Wants: wants, Mays: mays}
	}
	keys := func(id, what string, change rewrite, wants []Finding, mays ...string) Input {
		return Input{ID: "form/" + id, What: what, Layout: holds(keyFile, change), Wants: wants, Mays: mays}
	}
	none, lost := refuse("pem.no_certificate"), refuse("pem.no_key")
	return []Input{
		certs("crlf", "line ends of Windows", replaced("\n", "\r\n"), nil),
		keys("crlf-key", "line ends of Windows in the key", replaced("\n", "\r\n"), nil),
		certs("cr", "line ends of old Macs", replaced("\n", "\r"), refuse("pem.undecoded_block"), "pem.no_certificate"),
		certs("no-last-newline", "no line end at the end", func(_ *Kit, was []byte) []byte { return bytes.TrimSpace(was) }, nil),
		certs("trailing-blanks", "blanks at the ends of lines", replaced("\n", " \n"), nil),
		certs("blank-lines", "empty lines between the blocks", between("\n\n\n"), nil),
		certs("one-line", "base64 in one line", rewrapped(1<<20), nil),
		certs("76-columns", "base64 in lines of 76", rewrapped(76), nil),
		certs("header", "a header inside the block", replaced("-----BEGIN CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nissued: today\n\n"), nil),
		certs("comment-before", "a long comment before", padded(500_000), nil),
		certs("comment-between", "text between the blocks, as openssl -text writes it", between("Certificate:\n    Data:\n        Version: 3 (0x2)\n"), nil, "pem.trailing_text"),
		certs("comment-after", "a comment after the last block", after("# renewed by cron\n"), warn("pem.trailing_text")),
		certs("nul-after", "zeros after the last block", after(strings.Repeat("\x00", 4096)), warn("pem.trailing_text")),
		certs("escape-after", "terminal sequences after the last block", after("\x1b]0;owned\a\x1b[2J\x9b31m\nerror: all is well\n"), warn("pem.trailing_text")),
		keys("comment-after-key", "a comment after the key", after("# the key\n"), warn("pem.trailing_text")),
		certs("bom", "a byte order mark", before("\xef\xbb\xbf"), refuse("pem.undecoded_block")),
		keys("bom-key", "a byte order mark before the key", before("\xef\xbb\xbf"), refuse("pem.undecoded_block")),
		certs("utf-16", "UTF-16", utf16le, none),
		keys("utf-16-key", "UTF-16 as the key", utf16le, lost),
		certs("der", "DER", der, none),
		keys("der-key", "DER as the key", der, lost),
		certs("pkcs12", "a PKCS#12 archive", converted("pkcs12 -export -in cert.pem -inkey key.pem -passout pass:x"), none),
		keys("pkcs12-key", "a PKCS#12 archive as the key", converted("pkcs12 -export -in cert.pem -inkey key.pem -passout pass:x"), lost),
		certs("pkcs7", "a PKCS#7 archive in PEM", converted("crl2pkcs7 -nocrl -certfile cert.pem"), none, "pem.label"),
		certs("pkcs7-der", "a PKCS#7 archive in DER", converted("crl2pkcs7 -nocrl -certfile cert.pem -outform der"), none),
		certs("csr", "a certificate request", converted("req -new -key key.pem -subj /CN=x"), none, "pem.label"),
		certs("html", "an error page", text(page), none),
		keys("html-key", "an error page as the key", text(page), lost),
		certs("noise", "bytes without a meaning", text("\x00\xff\x1b[31m\x07\x80 noise \r\r"), none),
		certs("bare-base64", "base64 without its lines", replaced("-----", "====="), none),
		keys("cert-as-key", "a certificate as the key", func(k *Kit, _ []byte) []byte { return k.read(certFile) }, lost),
		certs("key-as-cert", "a key as the certificate", func(k *Kit, _ []byte) []byte { return k.read(keyFile) }, none, "pem.key_in_cert_file", "pem.label"),
		{ID: "form/swapped", What: "each file in the other's place", Layout: func(k *Kit) {
			k.Renew()
			cert, key := k.read(certFile), k.read(keyFile)
			k.Put(certFile, key)
			k.Put(keyFile, cert)
		}, Wants: refuse("pem.swapped")},
		certs("trusted", "OpenSSL's form with trust settings", converted("x509 -trustout -in cert.pem"), none, "pem.label"),
	}
}
