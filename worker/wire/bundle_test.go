package wire

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"testing"
)

var somePairs = []Pair{
	{Name: "a", Names: []string{"a.example", "*.a.example"}, Chain: [][]byte{[]byte("leaf"), []byte("issuer")}, Key: []byte("key")},
	{Name: "b", Names: []string{"127.0.0.1"}, Chain: [][]byte{[]byte("other")}, Key: []byte("other key")},
}

func TestBundleSurvivesTheTrip(t *testing.T) {
	t.Parallel()
	b, err := EncodeBundle(somePairs)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeBundle(b); err != nil || !reflect.DeepEqual(got, somePairs) {
		t.Errorf("decode bundle: got %+v (%v), want %+v", got, err, somePairs)
	}
}

func TestBundleThatIsCutShortIsRefused(t *testing.T) {
	t.Parallel()
	b, err := EncodeBundle(somePairs)
	if err != nil {
		t.Fatal(err)
	}
	for n := range b {
		if got, err := DecodeBundle(b[:n]); err == nil {
			t.Fatalf("decode %d of %d bytes: got %+v, want an error", n, len(b), got)
		}
	}
}

func FuzzDecodeBundle(f *testing.F) {
	b, err := EncodeBundle(somePairs)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(bundleMagic + "\x00\x00\x00\x0e" + `[{"chain":[9]}]`))
	f.Add([]byte(bundleMagic + "\x00\x00\x00\x0c" + `[{"key":-10}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		pairs, err := DecodeBundle(b)
		if err != nil {
			return
		}
		size := 0
		for _, p := range pairs {
			size += len(p.Key)
			for _, der := range p.Chain {
				size += len(der)
			}
		}
		if size > len(b) {
			t.Fatalf("decode %d bytes: got %d bytes of DER", len(b), size)
		}
	})
}

func TestSealedMemoryCannotBeChanged(t *testing.T) {
	t.Parallel()
	want := []byte("what was checked")
	f, err := Seal("bundle", want)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteAt([]byte("X"), 0); err == nil {
		t.Error("write: got no error")
	}
	reopened, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", Descriptor(f)), os.O_RDWR, 0)
	if err == nil {
		if _, err := reopened.WriteAt([]byte("X"), 0); err == nil {
			t.Error("write after reopening: got no error")
		}
		if err := reopened.Truncate(1); err == nil {
			t.Error("truncate after reopening: got no error")
		}
		_ = reopened.Close()
	}
	for range 2 { // the file position plays no part
		if got, err := ReadSealed(f); err != nil || !bytes.Equal(got, want) {
			t.Errorf("read: got %q (%v), want %q", got, err, want)
		}
	}
}
