// Package notify speaks the words of sd_notify(3), which master and anchor use
// between them and which the anchor passes on to a real systemd.
//
// A message is a datagram of NAME=value lines. Between anchor and master it
// travels over an inherited SOCK_SEQPACKET pair, so that nobody else can speak
// and no path is needed; FDSTORE=1 carries one descriptor.
package notify
