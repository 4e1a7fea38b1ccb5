// Package corpus is every odd and hostile certificate input that the end-to-end
// tests hold against the program, each with the verdict that it must get.
//
// It owns the inputs and how they are made: on the spot, with crypto/x509, with
// surgery on its DER, and with the openssl command where Go rightly refuses to
// make such a thing. It promises that an input is odd in one way only where
// that is possible, so that a finding it does not name is a false alarm. It
// refuses to run anything: that is for the tests.
//
// # An input
//
// An Input is laid out in a folder of its own that holds everything an instance
// reads: the pair, the authorities of clients and of verify, the session ticket keys, a second pair, and
// a folder of pairs. Kit.Renew fills it with a good state; the input then spoils
// one thing. Whole folders are exchanged at one stroke afterwards, so an input
// is as old as its layout and nothing has to settle.
//
// # The verdict
//
// Wants are the findings that must appear, with their severities; the first of
// them that refuses gives the refusal its name. Findings that inform are free
// to appear besides. Any other that warns or refuses must be in Mays, which is
// for consequences: a key that is too small makes handshakes fail as well.
package corpus
