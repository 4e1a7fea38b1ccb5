package wire

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Seal puts b into a memfd that nobody can change any more: not by writing, not
// by reopening it through /proc (memfd_create(2), F_SEAL_WRITE in fcntl(2)).
func Seal(name string, b []byte) (*os.File, error) {
	return seal(name, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

func seal(name string, write func(io.Writer) error) (*os.File, error) {
	fd, err := unix.MemfdCreate("handover-"+name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("create memfd %q: %v", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := write(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("write memfd %q: %v", name, err)
	}
	seals := unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("seal memfd %q: %v", name, err)
	}
	return f, nil
}

// ReadSealed returns the content of a sealed memfd. It reads at offsets: the
// file position is shared by every process that has the descriptor.
func ReadSealed(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read memfd %q: %v", f.Name(), err)
	}
	if info.Size() > MaxBundle {
		return nil, fmt.Errorf("read memfd %q: %d bytes, at most %d", f.Name(), info.Size(), MaxBundle)
	}
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, info.Size()), b); err != nil {
		return nil, fmt.Errorf("read memfd %q: %v", f.Name(), err)
	}
	return b, nil
}
