// Package notify speaks the words of sd_notify(3), which master and anchor use
// between them and which the anchor passes on to a real systemd.
//
// A message is a datagram of NAME=value lines. Between anchor and master it
// travels over an inherited SOCK_SEQPACKET pair, so that nobody else can speak
// and no path is needed; FDSTORE=1 carries one descriptor.
//
// Anchor and master may come from neighbouring releases. A name that one of them
// does not know is passed over, and a descriptor is stored under whatever name it
// is given; so what is added must be such that the other can do without it. The
// messages themselves carry no version: the anchor, which outlives every master,
// says its own in the environment of the first, and a master to which it is too
// far away refuses to start.
package notify
