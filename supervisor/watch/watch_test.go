package watch

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience = 20 * time.Second
	never    = time.Hour // an interval: inotify alone
	quick    = 10 * time.Millisecond
)

// silence is how long a test waits for a signal that must not come: many times
// what one takes.
const silence = 100 * time.Millisecond

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// watching starts a Watcher with inotify alone, and one with the poll alone.
func watching(t *testing.T, f func(t *testing.T, open func(paths ...string) *Watcher)) {
	t.Helper()
	t.Run("inotify", func(t *testing.T) {
		t.Parallel()
		f(t, func(paths ...string) *Watcher {
			w := New(paths, never, quiet)
			t.Cleanup(w.Close)
			return w
		})
	})
	t.Run("poll", func(t *testing.T) {
		t.Parallel()
		f(t, func(paths ...string) *Watcher {
			w := begin(paths, quick, quiet, nil, unix.EMFILE)
			t.Cleanup(w.Close)
			return w
		})
	})
}

func signalled(t testing.TB, w *Watcher, what string) {
	t.Helper()
	select {
	case <-w.Changed():
	case <-time.After(patience):
		t.Fatalf("%s: not signalled within %v", what, patience)
	}
}

func unsignalled(t *testing.T, w *Watcher, what string) {
	t.Helper()
	select {
	case <-w.Changed():
		t.Errorf("%s: signalled; want nothing", what)
	case <-time.After(silence):
	}
}

// settled takes the signals of several changes in a row.
func settled(t *testing.T, w *Watcher, what string) {
	t.Helper()
	signalled(t, w, what)
	for {
		select {
		case <-w.Changed():
		case <-time.After(silence):
			return
		}
	}
}

func try(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func write(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }

// over replaces a file by a rename, as good tools do.
func over(path, text string) error {
	return errors.Join(write(path+".tmp", text), os.Rename(path+".tmp", path))
}

func TestAFileThatIsReplacedOrWrittenIsSignalled(t *testing.T) {
	t.Parallel()
	watching(t, func(t *testing.T, open func(...string) *Watcher) {
		path := filepath.Join(t.TempDir(), "cert.pem")
		try(t, write(path, "one"))
		w := open(path)
		for i, change := range []func() error{
			func() error { return over(path, "two") },
			func() error { return over(path, "six") }, // the watch survived the first
			func() error { return write(path, "ten") },
			func() error { return os.Chmod(path, 0o640) },
			func() error { return os.Remove(path) },
			func() error { return write(path, "back") },
		} {
			try(t, change())
			settled(t, w, fmt.Sprintf("change %d", i))
		}
	})
}

func TestReadingAndOtherFilesAreNotSignalled(t *testing.T) {
	t.Parallel()
	watching(t, func(t *testing.T, open func(...string) *Watcher) {
		dir := t.TempDir()
		path := filepath.Join(dir, "cert.pem")
		try(t, write(path, "one"), write(filepath.Join(dir, "other"), "one"))
		w := open(path)
		_, err := os.ReadFile(path)
		_, err2 := os.ReadDir(dir)
		try(t, err, err2, over(filepath.Join(dir, "other"), "two"), write(filepath.Join(dir, "new"), ""),
			os.Remove(filepath.Join(dir, "new")), os.Mkdir(filepath.Join(dir, "folder"), 0o700))
		unsignalled(t, w, "what happens beside the file")
	})
}

func TestALinkThatIsSwitchedIsSignalled(t *testing.T) {
	t.Parallel()
	watching(t, func(t *testing.T, open func(...string) *Watcher) { // as certbot does
		dir := t.TempDir()
		live, archive := filepath.Join(dir, "live"), filepath.Join(dir, "archive")
		link := filepath.Join(live, "cert.pem")
		try(t, os.Mkdir(live, 0o700), os.Mkdir(archive, 0o700), write(filepath.Join(archive, "cert1.pem"), "one"),
			write(filepath.Join(archive, "cert2.pem"), "two"), os.Symlink("../archive/cert1.pem", link))
		w := open(link)
		for _, to := range []string{"cert2.pem", "cert1.pem"} {
			try(t, os.Remove(link), os.Symlink("../archive/"+to, link))
			settled(t, w, "a switch to "+to)
		}
		try(t, write(filepath.Join(archive, "cert1.pem"), "six"))
		settled(t, w, "a write to where the link leads")
		try(t, write(filepath.Join(archive, "cert2.pem"), "ten"))
		unsignalled(t, w, "a write to where it led")
	})
}

func TestAFolderThatIsSwappedIsSignalled(t *testing.T) {
	t.Parallel()
	watching(t, func(t *testing.T, open func(...string) *Watcher) { // as Kubernetes does
		dir := t.TempDir()
		version := func(n int) string { return fmt.Sprintf("..2026_%d", n) }
		try(t, os.Mkdir(filepath.Join(dir, version(0)), 0o700), write(filepath.Join(dir, version(0), "tls.crt"), "0"),
			os.Symlink(version(0), filepath.Join(dir, "..data")), os.Symlink("..data/tls.crt", filepath.Join(dir, "tls.crt")))
		file, folder := open(filepath.Join(dir, "tls.crt")), open(dir)
		for n := 1; n < 4; n++ {
			next := filepath.Join(dir, "..data_tmp")
			try(t, os.Mkdir(filepath.Join(dir, version(n)), 0o700), write(filepath.Join(dir, version(n), "tls.crt"), "0"),
				os.Symlink(version(n), next))
			try(t, os.Rename(next, filepath.Join(dir, "..data")), os.RemoveAll(filepath.Join(dir, version(n-1))))
			settled(t, file, fmt.Sprintf("swap %d, the file", n))
			settled(t, folder, fmt.Sprintf("swap %d, the folder", n))
		}
	})
}

func TestAFolderThatAppearsOrComesBackIsSignalled(t *testing.T) {
	t.Parallel()
	watching(t, func(t *testing.T, open func(...string) *Watcher) {
		dir := t.TempDir()
		deep := filepath.Join(dir, "a", "b", "c")
		path := filepath.Join(deep, "cert.pem")
		w := open(path)
		for i, end := range []func() error{
			func() error { return os.RemoveAll(filepath.Join(dir, "a")) },
			func() error { return os.Rename(deep, filepath.Join(dir, "away")) },
			func() error { return os.RemoveAll(deep) },
			func() error { // no time between
				return errors.Join(os.RemoveAll(deep), os.Mkdir(deep, 0o700), write(path, "six"), over(path, "ten"))
			},
			func() error { return os.Remove(path) },
		} {
			try(t, os.MkdirAll(deep, 0o700), write(path, "one"))
			settled(t, w, fmt.Sprintf("appearance %d", i))
			try(t, over(path, "two"))
			settled(t, w, fmt.Sprintf("a change after appearance %d", i))
			try(t, end())
			settled(t, w, fmt.Sprintf("the end of appearance %d", i))
		}
		try(t, os.RemoveAll(deep), write(deep, "in the way"))
		settled(t, w, "a file in the way of a folder")
		try(t, os.Remove(deep), os.Mkdir(deep, 0o700), write(path, "back"))
		settled(t, w, "the folder again")
	})
}

func TestALinkToAnotherFileSystemIsFollowed(t *testing.T) {
	t.Parallel()
	other, err := os.MkdirTemp("/dev/shm", "watch")
	if err != nil {
		t.Skipf("SKIPPED, no other file system: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(other) })
	dir := t.TempDir()
	link := filepath.Join(dir, "cert.pem")
	try(t, write(filepath.Join(dir, "here"), "one"), write(filepath.Join(other, "there"), "one"), os.Symlink("here", link))
	w := New([]string{link}, never, quiet)
	defer w.Close()
	try(t, os.Symlink(filepath.Join(other, "there"), link+".tmp"), os.Rename(link+".tmp", link))
	settled(t, w, "a link to another file system")
	try(t, write(filepath.Join(other, "there"), "two"))
	settled(t, w, "a write there")
}

func TestAFolderIsWatchedWithAllThatIsInIt(t *testing.T) {
	t.Parallel()
	watching(t, func(t *testing.T, open func(...string) *Watcher) {
		dir, outside := t.TempDir(), t.TempDir()
		in := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
		try(t, write(in("one.crt"), ""), os.Mkdir(in("two"), 0o700), write(filepath.Join(outside, "chain"), "one"))
		w := open(dir)
		for i, change := range []func() error{
			func() error { return write(in("three.crt"), "") },
			func() error { return write(in("one.crt"), "changed") },
			func() error { return os.Remove(in("three.crt")) },
			func() error { return write(in("two", "fullchain.pem"), "") },
			func() error { return os.Symlink(filepath.Join(outside, "chain"), in("two", "privkey.pem")) },
			func() error { return write(filepath.Join(outside, "chain"), "two") },
			func() error { return os.Mkdir(in("four"), 0o700) },
			func() error { return write(in("four", "fullchain.pem"), "") },
			func() error { return os.RemoveAll(in("four")) },
			func() error { return errors.Join(os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o700)) },
			func() error { return write(in("one.crt"), "again") },
		} {
			try(t, change())
			settled(t, w, fmt.Sprintf("change %d", i))
		}
		try(t, write(in(".one.crt.tmp"), ""))
		unsignalled(t, w, "a hidden entry")
	})
}

// TestAFileMountedAloneIsPolled runs in a mount namespace of its own.
func TestAFileMountedAloneIsPolled(t *testing.T) {
	t.Parallel()
	if os.Getenv("WATCH_TEST_MOUNTS") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), "WATCH_TEST_MOUNTS=own")
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		out, err := cmd.CombinedOutput()
		if errors.Is(err, unix.EPERM) {
			t.Skipf("SKIPPED, no mount namespace: %v", err)
		}
		if err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("in a mount namespace: %v\n%s", err, out)
		}
		return
	}
	host, dir := t.TempDir(), t.TempDir()
	source, path := filepath.Join(host, "cert.pem"), filepath.Join(dir, "cert.pem")
	try(t, write(source, "one"), write(path, ""), unix.Mount(source, path, "", unix.MS_BIND, ""))
	defer func() { _ = unix.Unmount(path, unix.MNT_DETACH) }()
	w := New([]string{path}, quick, quiet)
	defer w.Close()
	try(t, write(source, "two"))
	settled(t, w, "a write on the other side of the mount")
	try(t, over(source, "six"))
	settled(t, w, "a file that has no name any more on the other side")
	try(t, over(source, "ten"))
	unsignalled(t, w, "a change that cannot be seen from here")
}

// TestARenameIsSignalledAtOnce allows for a machine that does much else;
// BenchmarkRename says what it takes on one that does not.
func TestARenameIsSignalledAtOnce(t *testing.T) {
	t.Parallel()
	const limit = 50 * time.Millisecond // a poll would take seconds
	fastest := patience
	renames(t, 21, func(took time.Duration) { fastest = min(fastest, took) })
	if fastest > limit {
		t.Errorf("the fastest signal took %v; want at most %v", fastest, limit)
	}
}

func BenchmarkRename(b *testing.B) {
	var all []time.Duration
	renames(b, b.N, func(took time.Duration) { all = append(all, took) })
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "µs/signal")
	b.ReportMetric(0, "ns/op") // is the pause between two
}

// renames replaces a file so many times, each after the pause between two
// looks, and tells how long the signal took.
func renames(t testing.TB, n int, tell func(time.Duration)) {
	path := filepath.Join(t.TempDir(), "cert.pem")
	try(t, write(path, "one"))
	w := New([]string{path}, never, quiet)
	defer w.Close()
	tick := time.NewTicker(4 * pause)
	defer tick.Stop()
	for i := range n {
		<-tick.C
		try(t, write(path+".tmp", fmt.Sprint(i)))
		began := time.Now()
		try(t, os.Rename(path+".tmp", path))
		signalled(t, w, "a rename")
		tell(time.Since(began))
	}
}

func TestAStormCostsBoundedWorkAndTheLastChangeCounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "cert.pem")
	try(t, write(path, "one"))
	w := New([]string{path}, never, quiet)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	try(t, err)
	began := time.Now()
	for i := range 10000 {
		_, err := f.WriteString("x")
		if i%10 == 0 {
			err = errors.Join(err, over(filepath.Join(dir, "other"), ""))
		}
		try(t, err)
	}
	try(t, f.Close(), os.Chmod(path, 0o640))
	took := time.Since(began)
	settled(t, w, "a storm")
	last := follow(path)
	w.Close()
	if got := w.trails[path]; !got.same(last) {
		t.Errorf("the last look found %v; want what lies there: %v", got.found, last.found)
	}
	if most := int((took+2*silence)/pause) + 2; w.looks > most {
		t.Errorf("%d looks in %v; want at most %d", w.looks, took, most)
	}
	t.Logf("%d looks during a storm of %v", w.looks, took)
}

func TestOtherPathsCanBeSet(t *testing.T) {
	t.Parallel()
	watching(t, func(t *testing.T, open func(...string) *Watcher) {
		one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
		w := open(one)
		w.Set([]string{two, two})
		try(t, write(one, ""))
		unsignalled(t, w, "a path that is not watched any more")
		try(t, write(two, ""))
		settled(t, w, "a path that was set")
		w.Close()
		w.Set([]string{one}) // returns
		w.Close()
	})
}

// TestWithoutInotifyThePollIsLeft takes away what a user has too few of.
func TestWithoutInotifyThePollIsLeft(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	path := filepath.Join(t.TempDir(), "a", "cert.pem")
	w := begin([]string{path}, quick, slog.New(slog.NewTextHandler(&text, nil)), nil, fmt.Errorf("inotify_init: %w", unix.EMFILE))
	try(t, os.Mkdir(filepath.Dir(path), 0o700), write(path, ""))
	settled(t, w, "a file")
	w.warn(path, unix.ENOSPC)
	w.warn(path, unix.ENOSPC)
	w.Close()
	if got := strings.Count(text.String(), "level=WARN"); got != 2 || len(w.Warnings()) != 2 {
		t.Errorf("%d warnings in the log, %q; want one for each reason:\n%s", got, w.Warnings(), text.String())
	}
}

// TestNothingIsLeftAfterClose counts descriptors, so it is not parallel.
func TestNothingIsLeftAfterClose(t *testing.T) {
	dir := t.TempDir()
	before := descriptors(t)
	for i := range 10 {
		w := New([]string{dir, filepath.Join(dir, "a", "b"), "/nowhere/file", "relative"}, quick, quiet)
		try(t, write(filepath.Join(dir, fmt.Sprint(i)), ""))
		signalled(t, w, "a file")
		w.Close()
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestPathsThatLeadNowhereAreNoTrouble(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	loop, long, fifo := filepath.Join(dir, "loop"), filepath.Join(dir, strings.Repeat("x", 300)), filepath.Join(dir, "fifo")
	try(t, os.Symlink("loop", loop), unix.Mkfifo(fifo, 0o600))
	for path, want := range map[string]error{
		loop: unix.ELOOP, long: unix.ENAMETOOLONG, fifo: nil, "/dev/zero": nil, "/proc/self/fd/0": nil, "": nil,
		filepath.Join(fifo, "below"): unix.ENOTDIR, filepath.Join(dir, "../../..", "no", "where"): unix.ENOENT,
	} {
		tr := follow(path)
		if got := tr.found[0].err; got != want && path != "/proc/self/fd/0" {
			t.Errorf("%.60q: found %v; want %v", path, got, want)
		}
		w := New([]string{path}, never, quiet)
		w.Close()
	}
}
