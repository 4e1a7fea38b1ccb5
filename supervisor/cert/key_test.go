package cert

import (
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"testing"
)

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// smallExponent makes an RSA key whose public exponent is 3.
func smallExponent(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	three, one := big.NewInt(3), big.NewInt(1)
	prime := func() (p, phi *big.Int) {
		for {
			p, err := rand.Prime(rand.Reader, 1024)
			if err != nil {
				t.Fatal(err)
			}
			phi := new(big.Int).Sub(p, one)
			if new(big.Int).GCD(nil, nil, three, phi).Cmp(one) == 0 {
				return p, phi
			}
		}
	}
	p, phiP := prime()
	q, phiQ := prime()
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 3},
		D:         new(big.Int).ModInverse(three, new(big.Int).Mul(phiP, phiQ)),
		Primes:    []*big.Int{p, q},
	}
	key.Precompute()
	return key
}

func TestKeysThatClientsCannotUseAreFound(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	of := func(key crypto.Signer) input {
		return input{cert: join(certPEM(a.leaf(key, nil)), certPEM(a.intermediate)), key: keyPEM(t, key)}
	}
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	chain, key := a.issue(nil)
	_, other := a.issue(nil)
	inputs(t, []input{
		of(rsaKey(t, 2048)).named("rsa 2048"),
		of(rsaKey(t, 1024)).named("rsa 1024", "key.size").saying("1024 bits"),
		of(smallExponent(t)).named("exponent 3", "key.exponent"),
		of(ecdsaKey(t, elliptic.P384())).named("p-384"),
		of(ecdsaKey(t, elliptic.P521())).named("p-521", "key.uncommon"),
		of(ed).named("ed25519", "key.uncommon"),
		of(ecdsaKey(t, elliptic.P224())).named("p-224", "key.type", "proof.handshake").saying("ECDSA P-224"),
		{name: "two keys", cert: chain, key: join(key, other), want: []string{"key.multiple"}},
		{name: "two keys, the other first", cert: chain, key: join(other, key), want: []string{"key.multiple", "pair.mismatch"}},
		{name: "one key twice in a combined file", cert: join(chain, key, key), key: key, want: []string{"pem.key_in_cert_file"}},
	})
}

// Go cannot read these, and says so in words that help nobody.
func TestKeysThatGoCannotReadAreNamed(t *testing.T) {
	t.Parallel()
	const ec = "genpkey -algorithm EC -out key.pem -pkeyopt ec_paramgen_curve:"
	both := []string{"key.type", "key.parse", "cert.parse"}
	for _, s := range []struct {
		name     string
		commands []string
		want     []string
		message  string
	}{
		{"secp256k1", []string{ec + "secp256k1", selfMade}, both, "ECDSA secp256k1"},
		{"secp256k1 in the old form", []string{"ecparam -genkey -name secp256k1 -noout -out key.pem", selfMade}, both, "ECDSA secp256k1"},
		{"a curve of another land", []string{ec + "brainpoolP256r1", selfMade}, both, "1.3.36.3.3.2.8.1.1.7"},
		{"a curve without a name", []string{ec + "P-256 -pkeyopt ec_param_enc:explicit", selfMade}, both, "without a name"},
		{"ed448", []string{"genpkey -algorithm ED448 -out key.pem", selfMade}, []string{"key.type", "key.parse", "chain.self_signed"}, "Ed448"},
		{"rsa-pss", []string{"genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out key.pem", selfMade}, []string{"key.type", "key.parse", "chain.self_signed"}, "RSA-PSS"},
		{"dsa", []string{"dsaparam -genkey -noout -out key.pem 1024", selfMade}, []string{"key.type", "key.parse", "chain.self_signed"}, "DSA"},
		{"dsa in the old form", []string{"dsaparam -genkey -noout -out new.pem 1024", "pkey -in new.pem -traditional -out key.pem", selfMade}, []string{"key.type", "key.parse", "chain.self_signed"}, "DSA"},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			cert, key := openssl(t, s.commands...)
			input{cert: cert, key: key, want: s.want, message: s.message}.run(t)
		})
	}
}
