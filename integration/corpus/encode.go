package corpus

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"example.com/handover/integration/harness"
)

// PEM encodes certificates.
func PEM(ders ...[]byte) []byte {
	var file []byte
	for _, der := range ders {
		file = append(file, harness.Block("CERTIFICATE", der)...)
	}
	return file
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// PKCS8 encodes a key as it is usually kept.
func (k *Kit) PKCS8(key crypto.Signer) []byte {
	k.Helper()
	return harness.Block("PRIVATE KEY", k.pkcs8(key))
}

func (k *Kit) pkcs8(key crypto.Signer) []byte {
	k.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	k.Must(err)
	return der
}

// envelope is what a certificate, a request and a list of revoked ones are.
type envelope struct {
	Signed    asn1.RawValue
	Algorithm asn1.RawValue
	Signature asn1.BitString
}

// Reseal changes the signed part of a certificate and signs it again: so come
// about certificates that crypto/x509 would not make. The new bytes must be as
// long as the old.
func (k *Kit) Reseal(der []byte, by *Issuer, old, changed []byte) []byte {
	k.Helper()
	var e envelope
	_, err := asn1.Unmarshal(der, &e)
	k.Must(err)
	if len(old) != len(changed) || bytes.Count(e.Signed.FullBytes, old) == 0 {
		k.Fatalf("reseal: %x for %x: not there, or of another length", changed, old)
	}
	e.Signed.FullBytes = bytes.ReplaceAll(e.Signed.FullBytes, old, changed)
	return k.seal(e, by)
}

// seal signs what e holds as ECDSA with SHA-256, which every authority here
// uses that surgery is done with.
func (k *Kit) seal(e envelope, by *Issuer) []byte {
	k.Helper()
	hash := crypto.SHA256.New()
	hash.Write(e.Signed.FullBytes)
	signature, err := by.Key.Sign(nil, hash.Sum(nil), crypto.SHA256)
	k.Must(err)
	e.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	der, err := asn1.Marshal(e)
	k.Must(err)
	return der
}

// OpenSSL runs the openssl command in a folder of its own that holds the given
// files, and returns what reads a file that it wrote.
func (k *Kit) OpenSSL(files map[string][]byte, commands ...string) func(name string) []byte {
	k.Helper()
	dir := k.TempDir()
	for name, content := range files {
		k.Must(os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	for _, words := range commands {
		cmd := exec.Command("openssl", strings.Fields(words)...)
		cmd.Dir = dir
		if text, err := cmd.CombinedOutput(); err != nil {
			k.Fatalf("openssl %s: %v\n%s", words, err, text)
		}
	}
	return func(name string) []byte {
		content, err := os.ReadFile(filepath.Join(dir, name))
		k.Must(err)
		return content
	}
}

// extensions are a good leaf's, for openssl.
const extensions = "subjectAltName=DNS:" + harness.Name + ",DNS:www." + harness.Name +
	"\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:FALSE\nauthorityKeyIdentifier=keyid\n"

// Issued lets openssl make a key and an authority of ours issue a leaf for it:
// for keys, digests and numbers that Go does not make. The options go to the
// issuing.
func (k *Kit) Issued(by *Issuer, generate, options string) {
	k.Helper()
	files := map[string][]byte{"ca.pem": PEM(by.DER), "ca.key": k.PKCS8(by.Key), "ext": []byte(extensions)}
	wrote := k.OpenSSL(
		files, generate+" -out key", "req -new -key key -subj /CN="+harness.Name+" -out csr",
		"x509 -req -in csr -CA ca.pem -CAkey ca.key -days 60 -out cert "+options,
	)
	k.Put(certFile, join(wrote("cert"), PEM(by.DER)))
	k.Put(keyFile, wrote("key"))
}

// block decodes the first block of a file.
func (k *Kit) block(file []byte) []byte {
	k.Helper()
	b, _ := pem.Decode(file)
	if b == nil {
		k.Fatalf("no block in %.80q", file)
	}
	return b.Bytes
}
