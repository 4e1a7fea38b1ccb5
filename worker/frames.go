package worker

import (
	"bytes"
	"encoding/binary"
)

// What of HTTP/2 a follower must know (RFC 9113, sections 4.1 and 6).
const (
	frameHeaderSize = 9

	frameData         = 0x0
	frameHeaders      = 0x1
	frameSettings     = 0x4
	framePushPromise  = 0x5
	frameGoAway       = 0x7
	frameContinuation = 0x9

	flagEndHeaders = 0x4
)

// farewell is a GOAWAY frame that means "open no more streams, and all that you
// have opened will be served": stream 2^31-1, NO_ERROR.
var farewell = []byte{
	0, 0, 8, frameGoAway, 0, 0, 0, 0, 0,
	0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0,
}

// follower finds the places between frames in what a server writes, however the
// writes are cut.
type follower struct {
	header  [frameHeaderSize]byte
	have    int // bytes of the header
	left    int // bytes of the payload to come
	greeted bool
	inBlock bool
	goneBye bool
	places  int // that were passed, where another frame may stand
}

// clear says whether another frame may stand here: not before the first
// SETTINGS (section 3.4), not inside a frame, and not between HEADERS and its
// CONTINUATION (section 6.10).
func (f *follower) clear() bool { return f.greeted && f.have == 0 && !f.inBlock }

// pending says whether the follower stands in a header block, or in a frame that
// is none of DATA.
func (f *follower) pending() bool {
	data := f.have == frameHeaderSize && f.header[3] == frameData
	return f.inBlock || f.have > 0 && !data
}

// follow moves over b.
func (f *follower) follow(b []byte) {
	for len(b) > 0 {
		b = b[f.step(b):]
	}
}

// splice moves over b and returns it with the farewell at the first place for
// it. If there is none, or the server has said GOAWAY itself, it returns b: a
// later GOAWAY must not name a higher stream (section 6.8).
func (f *follower) splice(b []byte) []byte {
	at := 0
	for !f.clear() && at < len(b) {
		at += f.step(b[at:])
	}
	if !f.clear() || f.goneBye {
		f.follow(b[at:])
		return b
	}
	f.goneBye = true
	f.follow(b[at:])
	return bytes.Join([][]byte{b[:at], farewell, b[at:]}, nil)
}

// step moves over b, at most to the end of the current frame, and returns how
// far it came.
func (f *follower) step(b []byte) int {
	n := 0
	if f.have < frameHeaderSize {
		n = copy(f.header[f.have:], b)
		f.have += n
		if f.have < frameHeaderSize {
			return n
		}
		f.left = int(binary.BigEndian.Uint32(f.header[:4]) >> 8)
	}
	part := min(f.left, len(b)-n)
	f.left -= part
	if f.left == 0 {
		f.end()
	}
	return n + part
}

func (f *follower) end() {
	f.have = 0
	switch f.header[3] {
	case frameSettings:
		f.greeted = true
	case frameHeaders, framePushPromise, frameContinuation:
		f.inBlock = f.header[4]&flagEndHeaders == 0
	case frameGoAway:
		f.goneBye = true
	}
	if !f.inBlock {
		f.places++
	}
}
