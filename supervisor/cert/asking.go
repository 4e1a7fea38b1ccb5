package cert

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"runtime"
)

// mostNames is how many bytes the names of authorities may take in what asks a
// client for its certificate. TLS 1.3 has 65535 for all extensions of that message
// together (RFC 8446, 4.3.2); some are left to the others.
const mostNames = 65000

// authoritiesTooLarge is fixed, unlike the check of that name for chains: with
// more, no handshake gets so far that a client could do anything about it.
func authoritiesTooLarge(c *candidate) []problem {
	size, seen := 0, map[string]bool{}
	for _, a := range c.parsed {
		if a != nil && !seen[string(a.Raw)] { // a pool takes the same one once
			seen[string(a.Raw)] = true
			size += 2 + len(a.RawSubject)
		}
	}
	if size <= mostNames {
		return nil
	}
	return c.found(fmt.Sprintf("the names of the %d authorities in %s take %d bytes, expected %d at most: every handshake names them all in one message",
		len(seen), c.subject(), size, mostNames),
		"client_ca must hold fewer authorities, or such with shorter names: put one root there instead of all that it has issued to")
}

// proveAuthorities has a server with the pair first ask a client for a
// certificate of theirs. TLS 1.3 leaves less room for that than what came before.
func (t *taker) proveAuthorities(ctx context.Context, first *accepted, authorities [][]byte) []problem {
	ctx, cancel := context.WithTimeout(ctx, cryptoLimit)
	defer cancel()
	_, err := bounded(ctx, func() (struct{}, error) {
		defer runtime.KeepAlive(t.Known) // in whose mapping the pair may lie
		return struct{}{}, ask(ctx, first, authorities)
	})
	if err == nil {
		return nil
	}
	return []problem{{
		file:    t.TLS.ClientCA,
		message: fmt.Sprintf("no client can be asked for a certificate of these %d authorities: %q", len(authorities), err.Error()),
		hint:    "client_ca must hold fewer authorities, or such with shorter names",
	}}
}

// ask makes one handshake up to the question. The client has no certificate to
// answer with, so how the handshake ends says nothing.
func ask(ctx context.Context, first *accepted, authorities [][]byte) error {
	key, err := x509.ParsePKCS8PrivateKey(first.key)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	for _, der := range authorities {
		a, err := parseCertificate(der)
		if err != nil {
			return err
		}
		pool.AddCert(a)
	}
	near, far := newPipe()
	defer near.Close()
	serving := attempt(func() (struct{}, error) {
		defer far.Close()
		return struct{}{}, tls.Server(far, &tls.Config{
			Certificates:           []tls.Certificate{{Certificate: first.chain, PrivateKey: key.(crypto.Signer)}},
			ClientAuth:             tls.RequireAndVerifyClientCert,
			ClientCAs:              pool,
			SessionTicketsDisabled: true,
		}).HandshakeContext(ctx)
	})
	asked := false
	client := tls.Client(near, &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true,
		CurvePreferences:   []tls.CurveID{tls.CurveP256},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			return &tls.Certificate{}, nil
		},
	})
	clientErr := client.HandshakeContext(ctx)
	_ = near.Close()
	_, serverErr := await(ctx, serving)
	if asked {
		return nil
	}
	return fmt.Errorf("client: %v; server: %v", clientErr, serverErr)
}
