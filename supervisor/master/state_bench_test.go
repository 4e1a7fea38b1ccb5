package master

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/handover"
	"example.com/handover/supervisor/pool"
	"example.com/handover/supervisor/process"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// manyCertificates is a bundle of n pairs, of which only the descriptions are real.
func manyCertificates(b testing.TB, n int, until time.Time) *cert.Bundle {
	b.Helper()
	var w wire.Bundle
	for i := range n {
		name := fmt.Sprintf("p%05d.example.org", i)
		notes, err := json.Marshal(cert.Certificate{
			Name: name, Names: []string{name, "www." + name}, Fingerprint: fmt.Sprintf("%064x", i), NotBefore: until.AddDate(0, -3, 0).UTC().Truncate(time.Second),
			NotAfter: until.UTC().Truncate(time.Second), ChainNotAfter: until.UTC().Truncate(time.Second), ChainLength: 2, Issuer: "CN=E7,O=Let's Encrypt,C=US", Serial: fmt.Sprintf("%036x", i),
			ChainSHA256: fmt.Sprintf("%064x", i), KeySHA256: fmt.Sprintf("%064x", i), KeyKind: "ECDSA P-256", Source: "/etc/handover/certs/" + name + ".crt", Digest: fmt.Sprintf("%064x", i),
		})
		if err != nil {
			b.Fatal(err)
		}
		w.Pairs = append(w.Pairs, wire.Pair{Name: name, Chain: [][]byte{{1}, {2}}, Key: []byte{3}, Notes: notes})
		w.Hosts = append(w.Hosts, wire.Host{Name: name, Pairs: []int{i}})
	}
	f, err := wire.SealBundle(w)
	if err != nil {
		b.Fatal(err)
	}
	bundle, err := cert.Open(f)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(bundle.Close)
	return bundle
}

// benchMaster is a master that serves n certificates by two workers (this process
// stands for both), after a reload with as many findings as are reported.
func benchMaster(b testing.TB, n int, until time.Time) *master {
	b.Helper()
	m := &master{
		machine: handover.New(false), output: newOutput(), events: make(chan func(), 64), over: make(chan struct{}), log: slog.New(slog.DiscardHandler),
		config: config.Default(), hold: &holding{files: map[string]*os.File{}}, workers: map[int]*worker{}, draining: map[int]*drainRecord{},
		bundle: manyCertificates(b, n, until), pool: pool.New(pool.Limits{Boot: time.Hour, Slots: wire.MaxSlots}, 2), fed: time.Now().Add(time.Hour),
		generation: 7, endings: endings{lastEnds: map[int]*status.End{}},
	}
	m.looked, m.past.Started = time.Now().Add(time.Hour), time.Now()
	counters, memory, err := wire.CreateCounters(m.generation)
	if err != nil {
		b.Fatal(err)
	}
	m.counters = counters
	b.Cleanup(func() { _, _ = counters.Close(), memory.Close() })
	for _, e := range []handover.Event{handover.Proved, handover.ParentGone, handover.CutOver} {
		m.machine.Step(e)
	}
	for _, a := range m.pool.Tick(time.Now()) {
		m.workers[a.Slot] = &worker{slot: a.Slot, process: &process.Process{Pid: os.Getpid(), Start: 1}}
	}
	for range 2 {
		r := newReload(bySignal, nil)
		r.Record.Outcome = status.OutcomeDone
		for i := range min(3*n, 201) {
			r.Record.Checks = append(r.Record.Checks, status.Check{
				Name: "ext.sct", Severity: "info", Certificate: m.bundle.Certificates[i/3].Name, File: m.bundle.Certificates[i/3].Source,
				Message: "the certificate of \"" + m.bundle.Certificates[i/3].Source + "\" has no signed certificate timestamps", Hint: "browsers ask for them of public authorities",
			})
		}
		m.remember(r)
	}
	return m
}

// BenchmarkKeep is the state that the anchor stores at each change.
func BenchmarkKeep(b *testing.B) {
	for _, n := range []int{1, 5000} {
		b.Run(fmt.Sprintf("certificates=%d", n), func(b *testing.B) {
			m := benchMaster(b, n, time.Now().AddDate(0, 2, 0))
			a, z, err := wire.Socketpair(unix.SOCK_SEQPACKET, "notify")
			if err != nil {
				b.Fatal(err)
			}
			own, err := wire.NewPackets(a)
			if err != nil {
				b.Fatal(err)
			}
			other, err := wire.NewPackets(z)
			if err != nil {
				b.Fatal(err)
			}
			read := make(chan struct{})
			go func() { // ends with the other side
				defer close(read)
				for {
					packet, err := other.Receive()
					if err != nil {
						return
					}
					packet.Close()
				}
			}()
			m.anchor = &anchorLink{packets: own}
			text, f, err := m.snapshot().encode()
			if err != nil {
				b.Fatal(err)
			}
			_ = f.Close()
			b.ReportAllocs()
			for b.Loop() {
				m.keep()
			}
			b.ReportMetric(float64(len(text)), "state-bytes")
			_ = own.Close()
			<-read
			_ = other.Close()
		})
	}
}

// BenchmarkStatus is what the loop does for one who asks for the status, and what
// is done outside of it.
func BenchmarkStatus(b *testing.B) {
	for _, n := range []int{1, 5000} {
		m := benchMaster(b, n, time.Now().AddDate(0, 2, 0))
		b.Run(fmt.Sprintf("publish/certificates=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.publish()
			}
		})
		b.Run(fmt.Sprintf("render/certificates=%d", n), func(b *testing.B) {
			s := m.publish()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := json.Marshal(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTurn is one turn of the loop: an event, and what is due after it.
func BenchmarkTurn(b *testing.B) {
	m := benchMaster(b, 5000, time.Now().AddDate(0, 2, 0))
	turned := 0
	b.ReportAllocs()
	for b.Loop() {
		m.post(func() { turned++ })
		(<-m.events)()
		now := time.Now()
		m.tick(now)
		m.noteTurn(now)
		m.deadline(now)
	}
}

// BenchmarkSayExpiry is the look at certificates that all come near their end on
// the same day.
func BenchmarkSayExpiry(b *testing.B) {
	m := benchMaster(b, 5000, time.Now().AddDate(0, 0, 7))
	b.ReportAllocs()
	for b.Loop() {
		m.past.Told = nil
		m.sayExpiry(time.Now())
	}
}
