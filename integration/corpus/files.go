package corpus

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"syscall"
)

// remove takes a file away.
func (k *Kit) remove(names ...string) {
	k.Helper()
	for _, name := range names {
		k.Must(os.Remove(k.Path(name)))
	}
}

// link puts a symbolic link where a file was; what was there goes to aside
// first, unless that is empty.
func (k *Kit) link(name, target, aside string) {
	k.Helper()
	if aside != "" {
		k.Must(os.MkdirAll(filepath.Dir(k.Path(aside)), 0o755))
		k.Must(os.Rename(k.Path(name), k.Path(aside)))
	} else {
		k.Must(os.RemoveAll(k.Path(name)))
	}
	k.Must(os.Symlink(target, k.Path(name)))
}

// instead has a fresh pair with something else in place of a file.
func instead(name string, make func(path string) error) func(*Kit) {
	return func(k *Kit) {
		k.Renew()
		k.remove(name)
		k.Must(make(k.Path(name)))
	}
}

func leadsTo(target string) func(string) error {
	return func(path string) error { return os.Symlink(target, path) }
}

func fifo(path string) error   { return syscall.Mkfifo(path, 0o600) }
func socket(path string) error { return syscall.Mknod(path, syscall.S_IFSOCK|0o600, 0) }
func folder(path string) error { return os.Mkdir(path, 0o700) }

// holds has a fresh pair with other content in a file.
func holds(name string, content func(k *Kit, was []byte) []byte) func(*Kit) {
	return func(k *Kit) {
		k.Renew()
		k.Put(name, content(k, k.read(name)))
	}
}

func (k *Kit) read(name string) []byte {
	k.Helper()
	b, err := os.ReadFile(k.Path(name))
	k.Must(err)
	return b
}

func text(s string) func(*Kit, []byte) []byte {
	return func(*Kit, []byte) []byte { return []byte(s) }
}

// leaf has a fresh pair whose leaf differs.
func leaf(edit func(*x509.Certificate)) func(*Kit) {
	return func(k *Kit) { k.Install(k.Leaf(edit)) }
}

// padded is a file of a size: comment before what it held.
func padded(size int) func(*Kit, []byte) []byte {
	return func(_ *Kit, was []byte) []byte {
		filler := bytes.Repeat([]byte("# nothing to see here\n"), size/22+1)
		filler = filler[len(filler)-(size-len(was)):]
		return append(filler, was...)
	}
}

const mebibyte = 1 << 20

// places are files that are not there, or are something else.
func places() []Input {
	return []Input{
		{ID: "file/missing-cert", What: "no certificate file", Layout: func(k *Kit) { k.Renew(); k.remove(certFile) }, Wants: refuse("file.missing")},
		{ID: "file/missing-key", What: "no key file", Layout: func(k *Kit) { k.Renew(); k.remove(keyFile) }, Wants: refuse("file.missing")},
		{ID: "file/missing-both", What: "an empty folder", Layout: func(k *Kit) { k.remove(certFile, keyFile) }, Wants: refuse("file.missing")},
		{ID: "file/dangling", What: "a link to nothing", Layout: instead(certFile, leadsTo("nowhere.pem")), Wants: refuse("file.missing")},
		{ID: "file/dangling-far", What: "a link whose way ends in a file", Layout: instead(certFile, leadsTo(keyFile+"/cert.pem")), Wants: refuse("file.missing")},
		{ID: "file/fifo-cert", What: "a pipe without a writer", Layout: instead(certFile, fifo), Wants: refuse("file.not_regular")},
		{ID: "file/fifo-key", What: "a pipe as the key", Layout: instead(keyFile, fifo), Wants: refuse("file.not_regular")},
		{ID: "file/socket", What: "a socket", Layout: instead(certFile, socket), Wants: refuse("file.not_regular")},
		{ID: "file/directory-cert", What: "a directory", Layout: instead(certFile, folder), Wants: refuse("file.not_regular")},
		{ID: "file/directory-key", What: "a directory as the key", Layout: instead(keyFile, folder), Wants: refuse("file.not_regular")},
		{ID: "file/dev-zero", What: "a device without an end", Layout: instead(certFile, leadsTo("/dev/zero")), Wants: refuse("file.not_regular")},
		{ID: "file/dev-random", What: "a device without an end as the key", Layout: instead(keyFile, leadsTo("/dev/random")), Wants: refuse("file.not_regular")},
		{ID: "file/dev-tty", What: "a terminal that nobody types at", Layout: instead(keyFile, leadsTo("/dev/tty")), Wants: refuse("file.not_regular")},
		{ID: "file/proc-cpuinfo", What: "a file of size 0 that has content", Layout: instead(certFile, leadsTo("/proc/cpuinfo")), Wants: refuse("pem.no_certificate")},
		{ID: "file/proc-mem", What: "a regular file that nobody can read", Layout: instead(certFile, leadsTo("/proc/self/mem")), Wants: refuse("file.unreadable")},
		{ID: "file/self-loop", What: "a link to itself", Layout: instead(certFile, leadsTo(certFile)), Wants: refuse("file.symlink_loop")},
		{ID: "file/loop-of-three", What: "three links in a circle", Layout: func(k *Kit) {
			k.Renew()
			k.link(keyFile, "second", "")
			k.link("second", "third", "")
			k.link("third", keyFile, "")
		}, Wants: refuse("file.symlink_loop")},
		{ID: "file/64-mib", What: "64 MiB of comment", Layout: holds(certFile, padded(64*mebibyte)), Wants: refuse("file.too_large")},
		{ID: "file/1-mib-and-1", What: "one byte too many", Layout: holds(certFile, padded(mebibyte+1)), Wants: refuse("file.too_large")},
		{ID: "file/1-mib", What: "as much comment as may be", Layout: holds(certFile, padded(mebibyte))},
		{ID: "file/sparse", What: "a hole of 1 TiB", Layout: func(k *Kit) { k.Renew(); k.Must(os.Truncate(k.Path(certFile), 1<<40)) }, Wants: refuse("file.too_large")},
		{ID: "file/sparse-key", What: "a key with a hole of 1 TiB behind", Layout: func(k *Kit) { k.Renew(); k.Must(os.Truncate(k.Path(keyFile), 1<<40)) }, Wants: refuse("file.too_large")},
		{ID: "file/empty-cert", What: "an empty certificate file", Layout: holds(certFile, text("")), Wants: refuse("pem.empty")},
		{ID: "file/empty-key", What: "an empty key file", Layout: holds(keyFile, text("")), Wants: refuse("pem.empty")},
		{ID: "file/blank", What: "blanks and line ends alone", Layout: holds(certFile, text(" \r\n\t\n\n")), Wants: refuse("pem.empty")},
	}
}
