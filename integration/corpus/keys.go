package corpus

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"math/big"

	"example.com/handover/integration/harness"
)

// rsaPair has a fresh pair of an RSA key and the key's file made of it.
func rsaPair(encode func(k *Kit, key *rsa.PrivateKey) []byte) func(*Kit) {
	return func(k *Kit) {
		k.Install(k.LeafFor(k.rsa, nil))
		k.Put(keyFile, encode(k, k.rsa))
	}
}

// ecPair does so for an EC key.
func ecPair(encode func(k *Kit, key *ecdsa.PrivateKey) []byte) func(*Kit) {
	return func(k *Kit) {
		p := k.Renew()
		k.Put(keyFile, encode(k, p.Key.(*ecdsa.PrivateKey)))
	}
}

func sec1(k *Kit, key *ecdsa.PrivateKey) []byte {
	der, err := x509.MarshalECPrivateKey(key)
	k.Must(err)
	return harness.Block("EC PRIVATE KEY", der)
}

func pkcs1(_ *Kit, key *rsa.PrivateKey) []byte {
	return harness.Block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
}

// p256 names the curve, as openssl ecparam writes it before a key.
var p256 = string(harness.Block("EC PARAMETERS", []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}))

// keyForms are good keys in each form that one is kept in, and locked ones.
func keyForms() []Input {
	encrypted := refuse("key.encrypted")
	return []Input{
		{ID: "key/pkcs1", What: "PKCS#1", Layout: rsaPair(pkcs1)},
		{ID: "key/pkcs8-rsa", What: "PKCS#8 with RSA", Layout: rsaPair(func(k *Kit, key *rsa.PrivateKey) []byte { return k.PKCS8(key) })},
		{ID: "key/sec1", What: "SEC 1", Layout: ecPair(sec1)},
		{ID: "key/ec-parameters", What: "the curve's name before the key", Layout: ecPair(func(k *Kit, key *ecdsa.PrivateKey) []byte { return append([]byte(p256), sec1(k, key)...) }), Nevers: []string{"pem.label"}},
		{ID: "key/no-public", What: "a key without its public half", Layout: holds(keyFile, converted("ec -in key.pem -no_public"))},
		{ID: "key/legacy-text", What: "bag attributes before the key, as openssl pkcs12 writes them", Layout: holds(keyFile, before("Bag Attributes\n    localKeyID: 01 02\nKey Attributes: <No Attributes>\n"))},
		{ID: "key/encrypted-pkcs8", What: "a passphrase, in the modern form", Layout: holds(keyFile, converted("pkcs8 -topk8 -in key.pem -passout pass:secret")), Wants: encrypted},
		{ID: "key/encrypted-legacy", What: "a passphrase, in the old form", Layout: holds(keyFile, converted("ec -in key.pem -aes128 -passout pass:secret")), Wants: encrypted},
		{ID: "key/encrypted-noise", What: "an encrypted key that is none", Layout: holds(keyFile, func(*Kit, []byte) []byte { return harness.Block("ENCRYPTED PRIVATE KEY", []byte("whatever")) }), Wants: encrypted},
		{ID: "key/public", What: "the public half", Layout: holds(keyFile, converted("pkey -pubout -in key.pem")), Wants: refuse("key.not_private")},
		{ID: "key/openssh", What: "OpenSSH's form", Layout: holds(keyFile, func(_ *Kit, _ []byte) []byte {
			return harness.Block("OPENSSH PRIVATE KEY", []byte("openssh-key-v1\x00 and so on"))
		}), Wants: refuse("key.parse")},
	}
}

// ecKey is the content of a SEC 1 key.
type ecKey struct {
	Version int
	Scalar  []byte
	Curve   asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
	Public  asn1.BitString        `asn1:"optional,explicit,tag:1"`
}

// scalar has the key's own public half beside another private one.
func scalar(change func(*big.Int) *big.Int) func(*Kit) {
	return ecPair(func(k *Kit, key *ecdsa.PrivateKey) []byte {
		var e ecKey
		_, err := asn1.Unmarshal(k.block(sec1(k, key)), &e)
		k.Must(err)
		change(new(big.Int).SetBytes(e.Scalar)).FillBytes(e.Scalar)
		der, err := asn1.Marshal(e)
		k.Must(err)
		return harness.Block("EC PRIVATE KEY", der)
	})
}

// numbers are the integers of a PKCS#1 key.
type numbers struct {
	Version             int
	N                   *big.Int
	E                   int
	D, P, Q, Dp, Dq, Qi *big.Int
}

func changed(change func(*numbers)) func(*Kit) {
	return rsaPair(func(k *Kit, key *rsa.PrivateKey) []byte {
		var n numbers
		_, err := asn1.Unmarshal(x509.MarshalPKCS1PrivateKey(key), &n)
		k.Must(err)
		change(&n)
		der, err := asn1.Marshal(n)
		k.Must(err)
		return harness.Block("RSA PRIVATE KEY", der)
	})
}

// brokenKeys are keys that look right and are not.
func brokenKeys() []Input {
	parse, mismatch := refuse("key.parse"), refuse("pair.mismatch")
	content := func(id, what, label string, der []byte) Input {
		return Input{ID: "key/" + id, What: what, Wants: parse, Layout: holds(keyFile, func(*Kit, []byte) []byte { return harness.Block(label, der) })}
	}
	return []Input{
		{ID: "key/other", What: "the key of another certificate", Layout: holds(keyFile, otherKey), Wants: mismatch},
		{ID: "key/rsa-for-ec", What: "an RSA key beside an EC certificate", Layout: holds(keyFile, func(k *Kit, _ []byte) []byte { return k.PKCS8(k.rsa) }), Wants: mismatch},
		{ID: "key/ed25519-for-ec", What: "an Ed25519 key beside an EC certificate", Layout: holds(keyFile, converted("genpkey -algorithm ed25519")), Wants: mismatch, Mays: []string{"key.uncommon"}},
		{ID: "key/x25519", What: "a key that cannot sign", Layout: holds(keyFile, converted("genpkey -algorithm x25519")), Wants: refuse("key.parse"), Mays: []string{"key.type"}},
		{ID: "key/ec-private-half", What: "another private half beside the right public one", Layout: scalar(func(d *big.Int) *big.Int { return d.Xor(d, big.NewInt(1)) }), Wants: mismatch, Mays: []string{"key.parse", "proof.sign"}},
		{ID: "key/ec-zero", What: "a private half of zero", Layout: scalar(func(d *big.Int) *big.Int { return d.SetInt64(0) }), Wants: parse},
		{ID: "key/ec-too-large", What: "a private half beyond the curve's order", Layout: scalar(func(*big.Int) *big.Int { return elliptic.P256().Params().N }), Wants: parse},
		{ID: "key/rsa-exponent", What: "an RSA key whose private exponent is another", Layout: changed(func(n *numbers) { n.D.Add(n.D, big.NewInt(2)) }), Wants: parse, Mays: []string{"proof.sign", "proof.handshake"}},
		{ID: "key/rsa-crt", What: "an RSA key whose remainder is another", Layout: changed(func(n *numbers) { n.Dp.Add(n.Dp, big.NewInt(2)) }), Wants: parse, Mays: []string{"proof.sign", "proof.handshake"}},
		{ID: "key/rsa-modulus", What: "an RSA key whose primes are not the modulus's", Layout: changed(func(n *numbers) { n.N.Add(n.N, big.NewInt(2)) }), Wants: parse},
		{ID: "key/rsa-negative", What: "an RSA key with a negative prime", Layout: changed(func(n *numbers) { n.P.Neg(n.P); n.Q.Neg(n.Q) }), Wants: parse},
		{ID: "key/rsa-composite", What: "an RSA key one of whose primes is none: all numbers agree, no signature is right", Layout: composite, Wants: refuse("proof.sign"), Mays: []string{"proof.handshake"}},
		content("empty-sequence", "an empty sequence", "PRIVATE KEY", []byte{0x30, 0}),
		content("noise", "bytes without a meaning", "PRIVATE KEY", []byte("\x30\x82\xff\xff\x1b[2J\x00")),
		content("no-bytes", "a block without content", "PRIVATE KEY", nil),
		content("huge-length", "a length of 2 GiB", "EC PRIVATE KEY", []byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 2, 1, 1}),
		content("half-mebibyte", "half a mebibyte of zeros", "RSA PRIVATE KEY", make([]byte, 500_000)),
		{ID: "key/mislabelled", What: "PKCS#8 labelled as SEC 1", Layout: holds(keyFile, replaced(" PRIVATE KEY", " EC PRIVATE KEY")), Wants: parse},
		{ID: "key/trailing", What: "a byte behind the key, which is read over", Layout: ecPair(func(k *Kit, key *ecdsa.PrivateKey) []byte {
			return harness.Block("EC PRIVATE KEY", append(k.block(sec1(k, key)), 0))
		})},
	}
}

// composite makes a key whose arithmetic is checked in vain: the second prime
// is a product, which only a test of primality or a signature would show.
func composite(k *Kit) {
	prime := func(bits int) *big.Int {
		p, err := rand.Prime(rand.Reader, bits)
		k.Must(err)
		return p
	}
	one, e := big.NewInt(1), big.NewInt(65537)
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{E: 65537}}
	for {
		p, q := prime(1024), new(big.Int).Mul(prime(512), prime(512))
		n := new(big.Int).Mul(p, q)
		order := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		key.D = new(big.Int).ModInverse(e, order)
		if key.D != nil && n.BitLen() == 2048 && q.BitLen() == 1024 {
			key.N, key.Primes = n, []*big.Int{p, q}
			break
		}
	}
	k.Put(certFile, PEM(k.Sign(k.Intermediate, &key.PublicKey, k.Template(nil)), k.Intermediate.DER))
	p, q := key.Primes[0], key.Primes[1]
	der, err := asn1.Marshal(numbers{
		N: key.N, E: key.E, D: key.D, P: p, Q: q,
		Dp: new(big.Int).Mod(key.D, new(big.Int).Sub(p, one)), Dq: new(big.Int).Mod(key.D, new(big.Int).Sub(q, one)),
		Qi: new(big.Int).ModInverse(q, p),
	})
	k.Must(err)
	k.Put(keyFile, harness.Block("RSA PRIVATE KEY", der))
}

// made lets openssl make the key and issue the leaf.
func made(generate string) func(*Kit) {
	return func(k *Kit) { k.Issued(k.Intermediate, generate, "-extfile ext") }
}

func ofCurve(curve elliptic.Curve) func(*Kit) {
	return func(k *Kit) { k.Install(k.LeafFor(k.EC(curve), nil)) }
}

// ofPrimes has a fresh pair of an RSA key with that exponent, a product of
// primes of these sizes. Many small ones are found in seconds less than two.
func ofPrimes(e int64, sizes ...int) func(*Kit) {
	return func(k *Kit) { k.Install(k.LeafFor(k.RSA(e, sizes...), nil)) }
}

// keyKinds are keys of every kind.
func keyKinds() []Input {
	proofs := []string{"proof.sign", "proof.handshake"}
	unknown := []string{"cert.parse", "key.parse", "proof.sign", "proof.handshake", "pair.mismatch"}
	kind := func(id, what string, layout func(*Kit), wants []Finding, mays ...string) Input {
		return Input{ID: "kind/" + id, What: what, Layout: layout, Wants: wants, Mays: mays}
	}
	return []Input{
		kind("rsa-512", "RSA of 512 bits", ofPrimes(65537, 256, 256), refuse("key.size"), proofs...),
		kind("rsa-1024", "RSA of 1024 bits", ofPrimes(65537, 512, 512), refuse("key.size"), proofs...),
		kind("rsa-2047", "RSA of 2047 bits", ofPrimes(65537, 1024, 1023), refuse("key.size"), proofs...),
		kind("rsa-2048", "RSA of 2048 bits", ofPrimes(65537, 1024, 1024), nil),
		kind("rsa-3072", "RSA of 3072 bits", ofPrimes(65537, 1536, 1536), nil),
		kind("rsa-4096", "RSA of 4096 bits", ofKnown(2048, 2048), nil),
		kind("rsa-8192", "RSA of 8192 bits", ofKnown(4096, 4096), nil).heavy(),
		kind("rsa-10240", "RSA of 10240 bits", ofKnown(6144, 4096), refuse("key.size"), proofs...).heavy(),
		kind("rsa-huge", "RSA of 262144 bits", huge, refuse("cert.parse"), "key.size", "key.type"),
		kind("rsa-e3", "an exponent of 3", ofPrimes(3, 1024, 1024), warn("key.exponent")),
		kind("rsa-e17", "an exponent of 17", ofPrimes(17, 1024, 1024), warn("key.exponent")),
		kind("rsa-e33", "an exponent of 33 bits", made("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:4294967297"), refuse("key.parse"), "cert.parse", "pair.mismatch", "key.exponent"),
		kind("rsa-pss", "a key for RSA-PSS alone", made("genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048"), refuse("key.type"), unknown...),
		kind("p224", "P-224", ofCurve(elliptic.P224()), refuse("key.type"), proofs...),
		kind("p384", "P-384", ofCurve(elliptic.P384()), nil),
		kind("p521", "P-521", ofCurve(elliptic.P521()), warn("key.uncommon")),
		kind("secp256k1", "secp256k1", made("ecparam -name secp256k1 -genkey -noout"), refuse("key.type"), unknown...),
		kind("brainpool", "brainpoolP256r1", made("ecparam -name brainpoolP256r1 -genkey -noout"), refuse("key.type"), unknown...),
		kind("ed25519", "Ed25519", func(k *Kit) {
			_, key, err := ed25519.GenerateKey(rand.Reader)
			k.Must(err)
			k.Install(k.LeafFor(key, nil))
		}, warn("key.uncommon")),
		kind("ed448", "Ed448", made("genpkey -algorithm ed448"), refuse("key.type"), unknown...),
		kind("dsa", "DSA", dsa, refuse("key.type"), unknown...),
		kind("explicit-curve", "a curve by its numbers instead of its name", holds(keyFile, converted("ec -in key.pem -param_enc explicit")), refuse("key.parse"), "key.type"),
	}
}

// dsa needs its parameters first, which are openssl's own smallest.
func dsa(k *Kit) {
	wrote := k.OpenSSL(nil, "dsaparam -genkey -out key 1024")
	key := wrote("key")
	files := map[string][]byte{"ca.pem": PEM(k.Intermediate.DER), "ca.key": k.PKCS8(k.Intermediate.Key), "ext": []byte(extensions), "key": key}
	wrote = k.OpenSSL(
		files, "req -new -key key -subj /CN="+harness.Name+" -out csr",
		"x509 -req -in csr -CA ca.pem -CAkey ca.key -days 60 -extfile ext -out cert",
	)
	k.Put(certFile, join(wrote("cert"), PEM(k.Intermediate.DER)))
	k.Put(keyFile, wrote("key"))
}

// huge has a leaf for a key that would take minutes to compute with. The
// signature is its authority's and good.
func huge(k *Kit) {
	k.Renew()
	n := new(big.Int).Lsh(big.NewInt(1), 262_144)
	public := &rsa.PublicKey{N: n.Sub(n, big.NewInt(159)), E: 65537}
	k.Put(certFile, PEM(k.Sign(k.Intermediate, public, k.Template(nil)), k.Intermediate.DER))
}

func (i Input) heavy() Input {
	i.Heavy = true
	return i
}
