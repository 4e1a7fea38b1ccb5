package wire

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// createShared makes memory of a fixed size that several processes write to.
func createShared(name string, size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("create memfd %q: %v", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := f.Truncate(size); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("size memfd %q: %v", name, err)
	}
	// A worker must not be able to shrink what the master has mapped: that
	// would end the master with SIGBUS.
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("seal memfd %q: %v", name, err)
	}
	return f, nil
}

// mapShared maps what createShared made, and refuses another size.
func mapShared(f *os.File, what string, size int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("map %s: %v", what, err)
	}
	if info.Size() != size {
		return nil, fmt.Errorf("map %s: %d bytes, want %d: %s", what, info.Size(), size, HintBuild)
	}
	memory, err := unix.Mmap(Descriptor(f), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %v", what, err)
	}
	return memory, nil
}

// unmap unmaps it, once.
func unmap(memory *[]byte) error {
	m := *memory
	*memory = nil
	if m == nil {
		return nil
	}
	return unix.Munmap(m)
}
