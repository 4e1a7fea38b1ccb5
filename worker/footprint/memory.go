package footprint

import "unsafe"

// memory returns the mapped range as a slice. The addresses are the kernel's
// word about this very process and lie outside of the Go heap, so the garbage
// collector has no say in them.
func memory(start, end uintptr) []byte {
	var base *byte
	*(*uintptr)(unsafe.Pointer(&base)) = start
	return unsafe.Slice(base, end-start)
}
