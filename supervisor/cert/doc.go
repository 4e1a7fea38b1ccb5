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
// Take reads (snapshot.go), turns bytes into a chain and a key (candidate.go),
// runs the table of checks over them (table.go), and reads again while a writer
// at work explains what it found (settle.go). Each family of checks has a file
// of its own: file.go, pem.go, key.go, pair.go, certificate.go,
// proof.go. A new check is a function there and a row in the table.
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
// directory is either the old pair or the new one. Afterwards the paths are
// resolved again; if they lead elsewhere by then, the pair is read again.
package cert
