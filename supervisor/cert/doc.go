// Package cert takes certificates from disk: it reads both files of a pair at
// one moment, judges them, proves them in a real handshake, and hands out a
// Bundle that nobody changes any more.
//
// It owns the settle rule, the catalogue of checks and the bundle. It promises
// that a Bundle holds only what passed, that all of several pairs pass or none
// is taken, that every finding is reported at once with a hint that mends it,
// that a good pair costs no wait, and that no file, whatever it is, can block,
// hang, exhaust or crash the process. It refuses to decide what a refusal leads
// to: that is the master's business.
//
// # A path through it
//
// Take lists what there is to take (expand.go), reads (snapshot.go, folders.go),
// turns bytes into a chain and a key (candidate.go), runs the table of checks over
// them (table.go, judge.go), and reads again while a writer at work explains what
// it found (settle.go). What passed is described (describe.go), put in order for
// each name (hosts.go) and sealed (bundle.go). Each family of checks has a file of
// its own: file.go, mode.go, pem.go, key.go, algorithm.go, pair.go, time.go,
// name.go, ext.go, sig.go, chain.go, issuers.go, roots.go, change.go and proof.go;
// the authorities of clients' certificates have clientca.go and asking.go, the keys
// of session tickets ticketkeys.go.
// A new check is a function there, a row in the table (catalogue.go) and an
// explanation (explanations.go).
//
// # Why unchanged pairs are not proven again
//
// Of thousands of pairs a renewal changes a few. A pair whose two files have the
// digest that the bundle in force notes takes chain and key from there (known.go):
// the bytes are the same, so what was computed over them is. Only the same program
// under the same settings is believed, and what does not hang on the bytes alone,
// such as the clock, is looked at again. What was found in them is repeated.
//
// # Why settle
//
// Few of the tools that renew certificates replace a pair atomically. acme.sh
// writes the key in place and the chain after it, certbot unlinks and creates
// one link after the other, others truncate and write. For some milliseconds
// the files are missing, empty, cut or do not match. A reload hook usually
// comes after that, but not always, and a refusal at such a moment would keep
// an old certificate until somebody looks. So what a writer explains is read
// again while the files are young; a pair that lies there broken since long is
// refused at once.
//
// # Why one directory
//
// Kubernetes swaps a directory: each path leads through one link that a rename
// replaces. Opening the two paths one after the other can meet two directories.
// So the paths are resolved first, the directory that both lead to is opened
// once, and both files are opened in it: whatever is renamed meanwhile, that
// directory is either the old pair or the new one. Afterwards the kernel is asked
// where each path leads; if that is not the file that was read, in the same state,
// the pair is read again. Where directories lead is remembered for one look at all
// pairs, and the few first are kept open: what becomes outdated is noticed so too.
package cert
