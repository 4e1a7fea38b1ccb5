package corpus

import "math/big"

// Large primes take seconds to find. These are known: RFC 3526 makes them of
// the digits of pi, RFC 7919 of those of e, each with what has to be added so
// that the number is a prime.
var (
	addedToPi = map[int]int64{2048: 124476, 4096: 240904, 6144: 929484}
	addedToE  = map[int]int64{2048: 560316, 4096: 5736041}
)

// ofKnown has a fresh pair of an RSA key that is a product of a prime of each
// kind.
func ofKnown(pi, e int) func(*Kit) {
	return func(k *Kit) {
		p := prime(pi, digitsOfPi, addedToPi[pi])
		q := prime(e, digitsOfE, addedToE[e])
		k.Install(k.LeafFor(k.rsaOf(65537, p, q), nil))
	}
}

// prime is 2^n - 2^(n-64) - 1 + 2^64 * (the first n-130 binary digits of a
// constant's fraction and the two or so before it, and what is added).
func prime(n int, digits func(n uint) *big.Int, added int64) *big.Int {
	one := big.NewInt(1)
	p := new(big.Int).Lsh(one, uint(n))
	p.Sub(p, new(big.Int).Lsh(one, uint(n-64)))
	p.Sub(p, one)
	middle := digits(uint(n - 130))
	middle.Add(middle, big.NewInt(added))
	return p.Add(p, middle.Lsh(middle, 64))
}

// spare is how many binary digits more are computed, against rounding.
const spare = 64

// digitsOfE is e * 2^n, rounded down.
func digitsOfE(n uint) *big.Int {
	term := new(big.Int).Lsh(big.NewInt(1), n+spare)
	sum := new(big.Int)
	for i := int64(1); term.Sign() > 0; i++ {
		sum.Add(sum, term)
		term.Quo(term, big.NewInt(i))
	}
	return sum.Rsh(sum, spare)
}

// digitsOfPi is pi * 2^n, rounded down, after Machin.
func digitsOfPi(n uint) *big.Int {
	pi := arctangent(5, n+spare)
	pi.Lsh(pi, 2)
	pi.Sub(pi, arctangent(239, n+spare))
	return pi.Rsh(pi.Lsh(pi, 2), spare)
}

// arctangent is arctan(1/x) * 2^n.
func arctangent(x int64, n uint) *big.Int {
	power := new(big.Int).Lsh(big.NewInt(1), n)
	power.Quo(power, big.NewInt(x))
	sum, square := new(big.Int), big.NewInt(x*x)
	for i := int64(1); power.Sign() > 0; i += 2 {
		term := new(big.Int).Quo(power, big.NewInt(i))
		if i%4 == 3 {
			term.Neg(term)
		}
		sum.Add(sum, term)
		power.Quo(power, square)
	}
	return sum
}
