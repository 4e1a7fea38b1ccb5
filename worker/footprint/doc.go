// Package footprint gives back the memory that a process needed to start and
// will not need again.
//
// It owns nothing. It promises to change nothing but what the process costs:
// pages of the executable that lie in its mapping because the start touched
// them, or because the kernel mapped them along with a neighbour, are unmapped
// until they are needed. They come back from the page cache by minor faults,
// sixteen pages each. It refuses to touch a mapping that holds a single private
// page.
package footprint
