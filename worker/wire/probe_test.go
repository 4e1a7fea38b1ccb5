package wire

import (
	"bufio"
	"errors"
	"io"
	"testing"
)

func TestDialReachesAnswer(t *testing.T) {
	t.Parallel()
	master, worker := pair(t)
	// Of a distant release, and what a neighbour has added: passed over.
	check(t, master.Send([]byte{Version + 2, probeTLS, 0, 0, 0, 0}))
	check(t, master.Send([]byte{Version + 1, '?', 0, 0, 0, 0}))
	for _, want := range []Probe{{}, {TLS: true}, {TLS: true, Pair: 1}, {TLS: true, Pair: 5000}, {TLS: true, Next: true}, {TLS: true, Pair: 7, Next: true}} {
		ours, err := Dial(master, want)
		check(t, err)
		theirs, got, err := Answer(worker)
		check(t, err)
		if got != want {
			t.Errorf("probe: got %+v, want %+v", got, want)
		}
		_, err = io.WriteString(ours, "hello\n")
		check(t, err)
		if line, err := bufio.NewReader(theirs).ReadString('\n'); line != "hello\n" {
			t.Errorf("worker's end: got %q (%v)", line, err)
		}
		check(t, theirs.Close())
		if _, err := ours.Read(make([]byte, 1)); err == nil {
			t.Error("master's end after the worker's: got a byte, want the end")
		}
		check(t, ours.Close())
	}
	check(t, worker.Close())
	if _, err := Dial(master, Probe{}); !errors.Is(err, io.EOF) {
		t.Errorf("dial a worker that is gone: got %v, want io.EOF", err)
	}
}

func FuzzDecodeProbe(f *testing.F) {
	for _, p := range []Probe{{}, {TLS: true}, {TLS: true, Pair: 1}, {TLS: true, Pair: 1 << 31}, {TLS: true, Next: true}, {TLS: true, Pair: 2, Next: true}} {
		f.Add(encodeProbe(p))
	}
	f.Add([]byte{Version, probePair, 0, 0, 0, 0})
	f.Add([]byte{Version, probeNextPair, 0, 0, 0, 0})
	for _, v := range []byte{Version - 2, Version - 1, Version + 1, Version + 2} {
		f.Add([]byte{v, probeTLS, 0, 0, 0, 0})
	}
	f.Add([]byte{probeTLS})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := decodeProbe(b)
		if !ok {
			return
		}
		if p.Pair < 0 || (p.Pair > 0 || p.Next) && !p.TLS {
			t.Fatalf("probe of %x: got %+v, which cannot be served", b, p)
		}
		if again := encodeProbe(p); string(again[1:]) != string(b[1:]) || Judge("probe", int(b[0]), "") != nil {
			t.Fatalf("probe %+v: encoded as %x, decoded from %x", p, again, b)
		}
	})
}
