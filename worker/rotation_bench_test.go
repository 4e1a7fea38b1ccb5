package worker

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"example.com/handover/worker/wire"
)

// selections are the names by which one of 5000 pairs is chosen, or none.
var selections = map[string]string{"exact": "many002500.example", "wildcard": "some.wild002500.example", "miss": "unknown.many002500.example"}

// selectable is manyPairs, half of them for wildcards.
func selectable(b *testing.B, n int) wire.Bundle {
	b.Helper()
	many := manyPairs(b, n)
	var wild []wire.Host
	for i := range n - 1 {
		wild = append(wild, wire.Host{Name: fmt.Sprintf("*.wild%06d.example", i), Pairs: []int{i + 1}})
	}
	many.Hosts = append(wild, many.Hosts...) // sorted: an asterisk comes first
	return many
}

// BenchmarkChoose is the choice of a certificate among 5000, and beside it the
// least that it can be: two looks into a map.
func BenchmarkChoose(b *testing.B) {
	many := selectable(b, 5000)
	s := newSite(b, wire.Settings{}, many)
	byName := map[string]*tls.Certificate{}
	for _, h := range many.Hosts {
		byName[h.Name] = &tls.Certificate{}
	}
	for kind, host := range selections {
		hello := &tls.ClientHelloInfo{ServerName: host, Conn: &conn{client: true, roster: newRoster(new(wire.Slot), nil, limitsOf(wire.Limits{}))}}
		b.Run("worker/"+kind, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.configFor(hello); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("map/"+kind, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				name := strings.ToLower(hello.ServerName)
				if byName[name] == nil {
					_, parent, _ := strings.Cut(name, ".")
					_ = byName["*."+parent]
				}
			}
		})
	}
}

// BenchmarkHandshake is a new connection up to its first byte, among 1 and 5000
// pairs, beside crypto/tls with a list of certificates and with a map.
func BenchmarkHandshake(b *testing.B) {
	for _, n := range []int{1, 5000} {
		many := selectable(b, n)
		pair, err := parse(many.Pairs[0])
		check(b, err)
		listed, mapped := &tls.Config{}, &tls.Config{}
		byName := map[string]*tls.Certificate{}
		for range n {
			listed.Certificates = append(listed.Certificates, *pair)
		}
		for _, h := range many.Hosts {
			byName[h.Name] = pair
		}
		mapped.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return byName[strings.ToLower(hello.ServerName)], nil
		}
		s := newSite(b, wire.Settings{}, many)
		benchVisits(b, fmt.Sprintf("worker/pairs=%d", n), s.listener.Addr())
		benchVisits(b, fmt.Sprintf("list/pairs=%d", n), serveByte(b, listed))
		benchVisits(b, fmt.Sprintf("map/pairs=%d", n), serveByte(b, mapped))
	}
}

// serveByte serves what a site does, by a configuration alone.
func serveByte(b *testing.B, config *tls.Config) net.Addr {
	b.Helper()
	config.NextProtos, config.SessionTicketsDisabled = []string{"h2", "http/1.1"}, true
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	check(b, err)
	served := make(chan struct{})
	go func() { // ends with the listener
		defer close(served)
		for {
			raw, err := inner.Accept()
			if err != nil {
				return
			}
			go func() { // ends with its client
				c := tls.Server(raw, config)
				defer func() { _ = c.Close() }()
				_, _ = io.WriteString(c, "x")
			}()
		}
	}()
	b.Cleanup(func() { _ = inner.Close(); <-served })
	return inner.Addr()
}

func benchVisits(b *testing.B, name string, at net.Addr) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c, err := tls.Dial("tcp", at.String(), client("localhost"))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				b.Fatal(err)
			}
			_ = c.Close()
		}
	})
}
