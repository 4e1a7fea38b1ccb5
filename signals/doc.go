// Package signals owns the one table of signals: what each asks for, in words
// and as an Intent.
//
// What is installed, the text of --help and the table in README are derived
// from it, so they cannot disagree. An intent also has one byte, under which
// it lies in the mailbox between anchor and master. The package handles no
// signal itself.
package signals
