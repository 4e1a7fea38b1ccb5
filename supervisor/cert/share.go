package cert

import (
	"crypto/x509"
	"sync"
)

// share has each intermediate parsed once and kept once, however many chains it
// is part of. It is safe for use by several goroutines.
type share struct {
	mu     sync.Mutex
	links  map[string]*link
	spoken spoken
}

// spoken remembers with which kinds of key, size included, a handshake in every
// version of TLS succeeded. What a version asks of a certificate beyond what
// TLS 1.3 does hangs on nothing else: which signature the key can make, and how.
// So of thousands of pairs with one kind of key each proves itself in TLS 1.3,
// and the first of them in the older version as well. A nil one remembers nothing.
type spoken struct{ kinds sync.Map }

func (s *spoken) before(kind string) bool {
	if s == nil {
		return false
	}
	_, ok := s.kinds.Load(kind)
	return ok
}

func (s *spoken) now(kind string) {
	if s != nil {
		s.kinds.Store(kind, true)
	}
}

// link is a certificate that others may have in their chains too.
type link struct {
	der   []byte
	parse func() (*x509.Certificate, error)
}

func newShare() *share { return &share{links: map[string]*link{}} }

// link returns what is kept of the same bytes.
func (s *share) link(der []byte) *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.links[string(der)]
	if !ok {
		l = &link{der, sync.OnceValues(func() (*x509.Certificate, error) { return parseCertificate(der) })}
		s.links[string(der)] = l
	}
	return l
}
