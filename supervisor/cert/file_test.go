package cert

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"example.com/handover/supervisor/config"
	"golang.org/x/sys/unix"
)

func TestFilesThatAreNoneAreDecidedAtOnce(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	for _, s := range []struct {
		name, want, hint string
		prepare          func(path string) error // puts something in the key's place
	}{
		{"fifo", "file.not_regular", "PEM", func(p string) error { return unix.Mkfifo(p, 0o600) }},
		{"directory", "file.not_regular", "PEM", func(p string) error { return os.Mkdir(p, 0o700) }},
		{"zero", "file.not_regular", "PEM", func(p string) error { return os.Symlink("/dev/zero", p) }},
		{"socket", "file.not_regular", "PEM", func(p string) error { return unix.Mknod(p, unix.S_IFSOCK|0o600, 0) }},
		{"fifo behind links", "file.not_regular", "PEM", func(p string) error {
			if err := unix.Mkfifo(p+".fifo", 0o600); err != nil {
				return err
			}
			return os.Symlink(filepath.Base(p)+".fifo", p)
		}},
		{"loop", "file.symlink_loop", "namei", func(p string) error { return os.Symlink(filepath.Base(p), p) }},
		{"missing", "file.missing", `no "privkey.pem" in`, func(string) error { return nil }},
		{"dangling", "file.missing", `no "gone" in "/"`, func(p string) error { return os.Symlink("/gone/key.pem", p) }},
		{"file for a directory", "file.missing", "not a directory", func(p string) error { return os.Symlink("fullchain.pem/key.pem", p) }},
		{"64 MiB", "file.too_large", "nothing else", func(p string) error {
			f, err := os.Create(p)
			if err != nil {
				return err
			}
			defer f.Close()
			return f.Truncate(64 << 20)
		}},
		{"a name that no directory can hold", "file.unreadable", "file system", func(p string) error {
			return os.Symlink(strings.Repeat("x", 300), p)
		}},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			source := pairIn(t, chain, key)
			if err := os.Remove(source.KeyFile); err != nil {
				t.Fatal(err)
			}
			if err := s.prepare(source.KeyFile); err != nil {
				t.Fatal(err)
			}
			bundle, checks, err := later(t, Request{Sources: []config.Certificate{source}}).take(t.Context())
			verify(t, bundle, checks, err, []string{s.want}, s.hint)
		})
	}
}

func TestAPipeBehindDevFdIsNoRegularFile(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	path := fmt.Sprintf("/proc/self/fd/%d", r.Fd())
	bundle, checks, err := later(t, Request{Sources: []config.Certificate{{CertFile: path, KeyFile: path}}}).take(t.Context())
	verify(t, bundle, checks, err, []string{"file.not_regular"}, "PEM")
}

func TestAnUnreadableKeyNamesUserModeAndTheFirstClosedDirectory(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	source := pairIn(t, chain, key)
	above := filepath.Dir(source.CertFile) // t.TempDir is for this user alone
	if err := errors.Join(os.Chmod(above, 0o755), os.Chmod(filepath.Dir(above), 0o755)); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(filepath.Dir(source.CertFile), "closed")
	if err := os.MkdirAll(filepath.Join(closed, "live"), 0o755); err != nil {
		t.Fatal(err)
	}
	inside := filepath.Join(closed, "live", "privkey.pem")
	write(t, inside, key)
	for path, mode := range map[string]os.FileMode{source.KeyFile: 0, closed: 0} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.Chmod(closed, 0o700) })

	for path, want := range map[string]string{
		source.KeyFile: fmt.Sprintf("file %q has mode 0000", source.KeyFile),
		inside:         fmt.Sprintf("directory %q has mode 0000", closed),
	} {
		var s snapshot
		unprivileged(func() { s = read(source.CertFile, path) })
		found := fileUnreadable(&candidate{snapshot: s})
		if i := slices.IndexFunc(found, func(p problem) bool { return p.file == path }); i < 0 ||
			!strings.Contains(found[i].message, want) || !strings.Contains(found[i].message, "by uid ") || found[i].torn {
			t.Errorf("found %+v; want one of %q whose message has %q", found, path, want)
		}
	}
}

// unprivileged runs f in a thread that file permissions bind, also if the test
// runs as root. The thread ends with it: a goroutine that never unlocks takes
// its thread along.
func unprivileged(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			_, _, _ = unix.RawSyscall(unix.SYS_SETFSUID, 65534, 0, 0)
		}
		f()
	}()
	<-done
}

func TestOneFileNamedTwiceIsReadOnce(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	source := pairIn(t, join(key, chain), nil)
	if err := os.Remove(source.KeyFile); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("fullchain.pem", source.KeyFile); err != nil {
		t.Fatal(err)
	}
	if s := read(source.CertFile, source.KeyFile); s.cert != s.key || len(s.files()) != 1 {
		t.Errorf("read %d files; want 1", len(s.files()))
	}
	if _, _, err := later(t, Request{Sources: []config.Certificate{source}}).take(t.Context()); err != nil {
		t.Errorf("got %v; want a combined file to be taken", err)
	}
}

func TestReadingLeavesNoDescriptorOpen(t *testing.T) {
	a := newAuthority(t) // not parallel: it counts the process's descriptors
	chain, key := a.issue(nil)
	source := pairIn(t, chain, key)
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := count()
	for range 10 {
		read(source.CertFile, source.KeyFile)
		read(source.CertFile, "/dev/null")
		read(source.CertFile, filepath.Join(filepath.Dir(source.KeyFile), "missing"))
	}
	if after := count(); after != before {
		t.Errorf("%d descriptors open; want %d", after, before)
	}
}
