package cert

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
)

// proofSign signs something with the key and verifies that with the leaf: a key
// can match by its public half while its private one is broken.
//
// The handshake shows the same for most keys: then nothing is signed besides. With RSA
// it is another signature, at least in TLS 1.3 (RFC 8446, section 4.2.3).
func proofSign(ctx context.Context, c *candidate) []problem {
	if _, ok := c.leaf().PublicKey.(*rsa.PublicKey); !ok && len(c.shown(ctx)) == 0 {
		return nil
	}
	_, err := bounded(ctx, func() (struct{}, error) {
		return struct{}{}, signs(c.signer, c.leaf().PublicKey)
	})
	if err == nil {
		return nil
	}
	p := problem{
		message: fmt.Sprintf("the key makes no valid signature: %q", err.Error()),
		hint:    "the private half is damaged: take the key from its source again, or have the certificate issued for a new one",
	}
	if c.key != nil {
		p.file = c.key.path
	}
	return []problem{p}
}

func signs(signer crypto.Signer, public crypto.PublicKey) error {
	message := make([]byte, sha256.Size)
	_, _ = rand.Read(message) // never fails: crypto/rand ends the program instead
	digest := sha256.Sum256(message)
	hash, signed := crypto.SHA256, digest[:]
	if _, ok := public.(ed25519.PublicKey); ok {
		hash, signed = 0, message
	}
	signature, err := signer.Sign(rand.Reader, signed, hash)
	if err != nil {
		return err
	}
	valid := false
	switch k := public.(type) {
	case *rsa.PublicKey:
		valid = rsa.VerifyPKCS1v15(k, hash, signed, signature) == nil
	case *ecdsa.PublicKey:
		valid = ecdsa.VerifyASN1(k, signed, signature)
	case ed25519.PublicKey:
		valid = ed25519.Verify(k, signed, signature)
	default:
		return fmt.Errorf("no use for a key of type %T", public)
	}
	if !valid {
		return errors.New("the certificate does not verify it")
	}
	return nil
}

// proofHandshake lets a client connect, in memory, in every version of TLS that
// workers speak.
func proofHandshake(ctx context.Context, c *candidate) []problem { return c.shown(ctx) }

// shown returns what is wrong with handshakes, which are made once for all proofs.
func (c *candidate) shown(ctx context.Context) []problem {
	c.showing.Do(func() { c.unshown = c.connect(ctx) })
	return c.unshown
}

func (c *candidate) connect(ctx context.Context) []problem {
	ctx, cancel := context.WithTimeout(ctx, cryptoLimit)
	defer cancel()
	versions := []uint16{tls.VersionTLS13}
	kind := describe(c.leaf().PublicKey)
	if c.minimum < tls.VersionTLS13 && !c.spoken.before(kind) {
		versions = append(versions, tls.VersionTLS12)
	}
	running := make([]<-chan outcome[struct{}], len(versions))
	for i, version := range versions {
		running[i] = attempt(func() (struct{}, error) { return struct{}{}, shake(ctx, c, version) })
	}
	var found []problem
	for i, version := range versions {
		if _, err := await(ctx, running[i]); err != nil {
			found = append(found, problem{
				file:    c.path(),
				message: fmt.Sprintf("no client can connect with %s: %q", tls.VersionName(version), err.Error()),
				hint: fmt.Sprintf("have it issued for a key that clients support, such as ECDSA P-256 or RSA of 2048 bits; this one is %s",
					kind),
			})
		}
	}
	if len(found) == 0 {
		c.spoken.now(kind)
	}
	return found
}

// shake makes one handshake and compares what the client got. The client
// verifies no chain: that is the business of other checks, and it would need
// the roots of the service's clients.
func shake(ctx context.Context, c *candidate, version uint16) error {
	near, far := newPipe()
	protocols := []string{"h2", "http/1.1"}
	serving := attempt(func() (struct{}, error) {
		defer far.Close()
		return struct{}{}, tls.Server(far, &tls.Config{
			Certificates:           []tls.Certificate{{Certificate: c.chain, PrivateKey: c.signer, Leaf: c.leaf()}},
			MinVersion:             c.minimum,
			NextProtos:             protocols,
			SessionTicketsDisabled: true,
		}).HandshakeContext(ctx)
	})
	client := tls.Client(near, &tls.Config{
		ServerName:         c.asked(),
		MinVersion:         version,
		MaxVersion:         version,
		NextProtos:         protocols,
		InsecureSkipVerify: true,
		// What the two agree on has nothing to do with the certificate: this is
		// the cheapest, and the default would add a key encapsulation.
		CurvePreferences: []tls.CurveID{tls.CurveP256},
	})
	clientErr := client.HandshakeContext(ctx)
	if clientErr != nil {
		_ = near.Close()
	}
	_, serverErr := await(ctx, serving)
	if err := errors.Join(clientErr, serverErr); err != nil {
		return fmt.Errorf("client: %v; server: %v", clientErr, serverErr)
	}
	got := client.ConnectionState().PeerCertificates
	if len(got) != len(c.chain) {
		return fmt.Errorf("the client got %d certificates of %d", len(got), len(c.chain))
	}
	for i, peer := range got {
		if !bytes.Equal(peer.Raw, c.chain[i]) {
			return fmt.Errorf("the client got another certificate %d", i+1)
		}
	}
	return nil
}

// asked is the name that the client asks for: one that exists, where the
// certificate is for a wildcard.
func (c *candidate) asked() string {
	list := append(append([]string{}, c.source.ServerNames...), names(c.leaf())...)
	if len(list) == 0 {
		return ""
	}
	if rest, ok := strings.CutPrefix(list[0], "*."); ok {
		return "handover." + rest
	}
	return list[0]
}
