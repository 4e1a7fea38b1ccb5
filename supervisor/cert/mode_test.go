package cert

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"example.com/handover/supervisor/config"
	"golang.org/x/sys/unix"
)

// chmodded changes modes before the pair is judged.
func chmodded(which func(config.Certificate) string, mode os.FileMode) func(*testing.T, config.Certificate) {
	return func(t *testing.T, source config.Certificate) {
		t.Helper()
		if err := os.Chmod(which(source), mode); err != nil {
			t.Fatal(err)
		}
	}
}

func keyOf(c config.Certificate) string      { return c.KeyFile }
func certOf(c config.Certificate) string     { return c.CertFile }
func pairFolder(c config.Certificate) string { return filepath.Dir(c.CertFile) }

func TestModesAreHeldAgainstWhoMayReadAndWrite(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	group := strconv.Itoa(os.Getegid())
	with := func(groups []string, prepare func(*testing.T, config.Certificate), name string, want ...string) input {
		return input{name: name, cert: chain, key: key, tls: config.TLS{KeyGroups: groups}, prepare: prepare, want: want}
	}
	list := []input{
		with(nil, chmodded(keyOf, 0o600), "0600"),
		with(nil, chmodded(keyOf, 0o644), "0644", "file.key_world_readable"),
		with(nil, chmodded(certOf, 0o644), "readable certificate"),
		with(nil, chmodded(keyOf, 0o640), "0640", "file.key_group_readable"),
		with([]string{"no such group"}, chmodded(keyOf, 0o640), "0640 and another group listed", "file.key_group_readable"),
		with([]string{group}, chmodded(keyOf, 0o640), "0640 and its group listed", "file.key_group_readable info"),
		with(nil, chmodded(keyOf, 0o620), "key writable by its group", "file.writable_by_others"),
		with(nil, chmodded(certOf, 0o602), "certificate writable by all", "file.writable_by_others"),
		with(nil, chmodded(pairFolder, 0o775), "folder writable by its group", "file.writable_by_others"),
		with(nil, chmodded(pairFolder, 0o777), "folder writable by all", "file.writable_by_others"),
		with(nil, chmodded(pairFolder, 0o777|os.ModeSticky), "sticky folder"),
		with(nil, func(t *testing.T, source config.Certificate) {
			away := t.TempDir()
			relocate(t, source.KeyFile, filepath.Join(away, "key.pem"))
			chmodded(func(config.Certificate) string { return away }, 0o777)(t, source)
		}, "folder behind a link writable by all", "file.writable_by_others", "file.symlink"),
		with(nil, func(t *testing.T, source config.Certificate) {
			open := filepath.Join(t.TempDir(), "open")
			if err := os.Mkdir(open, 0o700); err != nil {
				t.Fatal(err)
			}
			relocate(t, source.CertFile, filepath.Join(filepath.Dir(source.CertFile), "real.pem"))
			// The way leads through a folder that anybody may change, and out again.
			link := filepath.Join(open, "cert.pem")
			if err := os.Symlink(filepath.Join(filepath.Dir(source.CertFile), "real.pem"), link); err != nil {
				t.Fatal(err)
			}
			remove(t, source.CertFile)
			if err := os.Symlink(link, source.CertFile); err != nil {
				t.Fatal(err)
			}
			chmodded(func(config.Certificate) string { return open }, 0o777)(t, source)
		}, "folder that a link passes through", "file.writable_by_others", "file.symlink"),
		with(nil, func(t *testing.T, source config.Certificate) {
			relocate(t, source.CertFile, filepath.Join(filepath.Dir(source.CertFile), "real.pem"))
		}, "link", "file.symlink"),
	}
	if g, err := user.LookupGroupId(group); err == nil {
		list = append(list, with([]string{g.Name}, chmodded(keyOf, 0o640), "0640 and its group listed by name", "file.key_group_readable info"))
	}
	inputs(t, list)
}

// relocate moves a file and leaves a link to it.
func relocate(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, from); err != nil {
		t.Fatal(err)
	}
}

func TestAFileOfAnotherOwnerIsNamed(t *testing.T) {
	t.Parallel()
	for _, s := range []struct {
		owner, worker int
		want          string // part of the message; empty: no finding
	}{
		{0, 65534, ""},
		{os.Geteuid(), 65534, ""},
		{1234567, os.Geteuid(), "uid 1234567"},
		{1234567, 1234567, "taken over"},
	} {
		c := &candidate{snapshot: snapshot{cert: &file{path: "/cert"}}, worker: s.worker}
		c.key = c.cert
		c.cert.stat.Uid = uint32(s.owner)
		found := fileOwner(c)
		if s.want == "" && len(found) == 0 {
			continue
		}
		if s.want == "" || len(found) != 1 || !strings.Contains(found[0].message, s.want) {
			t.Errorf("owner %d, worker %d: found %+v; want %q", s.owner, s.worker, found, s.want)
		}
	}
}

func TestABindMountedFileThatWasReplacedOutsideIsUnlinked(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	source := pairIn(t, chain, key)
	inner := filepath.Join(t.TempDir(), "fullchain.pem")
	write(t, inner, nil)
	var mounted error
	var before, after []problem
	inNamespace(func() error {
		if mounted = unix.Mount(source.CertFile, inner, "", unix.MS_BIND, ""); mounted != nil {
			return mounted
		}
		look := func() []problem { return fileUnlinked(&candidate{snapshot: read(inner, source.KeyFile)}) }
		before = look()
		write(t, source.CertFile+".new", chain)
		mounted = os.Rename(source.CertFile+".new", source.CertFile)
		after = look()
		return nil
	}, &mounted)
	if mounted != nil {
		t.Skipf("cannot mount here: %v", mounted)
	}
	if len(before) != 0 || len(after) != 1 || after[0].file != inner {
		t.Errorf("before %+v, after %+v; want nothing, then %q", before, after, inner)
	}
}

// inNamespace runs f in a thread with mounts of its own, which ends with it.
func inNamespace(f func() error, failed *error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends
		// Without CLONE_FS the thread would share its root with all others.
		if *failed = unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); *failed != nil {
			return
		}
		if *failed = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); *failed != nil {
			*failed = fmt.Errorf("make mounts private: %w", *failed)
			return
		}
		*failed = f()
	}()
	<-done
}

func TestOwnersOfTheDirectoriesOnTheWayAreLookedAt(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root gives directories away")
	}
	a := newAuthority(t)
	chain, key := a.issue(nil)
	inputs(t, []input{{
		name: "folder of somebody else", cert: chain, key: key, want: []string{"file.owner"}, message: "which belongs to uid 12345",
		prepare: func(t *testing.T, source config.Certificate) {
			if err := os.Chown(pairFolder(source), 12345, -1); err != nil {
				t.Fatal(err)
			}
		},
	}})
}

func TestModesOfAKnownPairAreLookedAtAnew(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	source := pairIn(t, chain, key)
	r := Request{Sources: []config.Certificate{source}}
	known, _, err := Take(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer known.Close()
	r.Known = known
	for mode, want := range map[os.FileMode]string{0o644: "file.key_world_readable", 0o640: "file.key_group_readable"} {
		if err := os.Chmod(source.KeyFile, mode); err != nil {
			t.Fatal(err)
		}
		b, checks, err := Take(t.Context(), r)
		if err != nil || len(checks) != 1 || checks[0].Name != want {
			t.Errorf("mode %04o: error %v, findings %+v; want one of %s", mode, err, checks, want)
			continue
		}
		b.Close()
	}
}
