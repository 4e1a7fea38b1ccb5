package wire

import (
	"bytes"
	"fmt"
	"os"
	"testing"
)

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
