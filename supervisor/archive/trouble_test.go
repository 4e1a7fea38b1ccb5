package archive

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"example.com/handover/supervisor/cert"
	"golang.org/x/sys/unix"
)

func TestAStateDirectoryBelowOneThatOthersWriteToIsRefused(t *testing.T) {
	t.Parallel()
	for mode, taken := range map[os.FileMode]bool{0o755: true, 0o777: false, 0o775: false, 0o777 | os.ModeSticky: true} {
		above := filepath.Join(t.TempDir(), "above")
		try(t, os.Mkdir(above, 0o700), os.Chmod(above, mode))
		link := filepath.Join(t.TempDir(), "link")
		try(t, os.MkdirAll(filepath.Join(above, "below"), 0o700), os.Symlink(filepath.Join(above, "below"), link))
		for _, dir := range []string{filepath.Join(above, "below", "state"), filepath.Join(link, "state")} {
			_, err := Open(dir)
			if taken != (err == nil) || err != nil && !strings.Contains(err.Error(), fmt.Sprintf("chmod go-w %q", above)) {
				t.Errorf("mode %v: opening %q gave error %v; want %v", mode, dir, err, taken)
			}
		}
	}
}

func TestADirectoryThatOthersCouldWriteToIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	try(t, os.Mkdir(at("open"), 0o700), os.Chmod(at("open"), 0o770), os.WriteFile(at("file"), nil, 0o600), os.Mkdir(at("good"), 0o755),
		os.MkdirAll(at("linked/else"), 0o700), os.Symlink("else", at("linked/pairs")))
	cases := map[string]string{"open": "chmod go-w", "file": "not a directory", "linked": "is no directory", "good": "", "new/deep": ""}
	if os.Geteuid() == 0 {
		try(t, os.Mkdir(at("theirs"), 0o700), os.Chown(at("theirs"), 65534, 65534))
		cases["theirs"] = "belongs to uid 65534"
	}
	for name, want := range cases {
		a, err := Open(at(name))
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v; want %q", name, a, err, want)
		}
	}
}

func TestTwoProcessesLoseNothingOfEachOther(t *testing.T) {
	t.Parallel()
	a := open(t)
	b, err := Open(a.dir) // flock(2) knows open files, not processes
	try(t, err)
	both := []*Archive{a, b}
	const each = 10
	bundles := make([][]*cert.Bundle, len(both))
	for i := range both {
		for range each {
			bundles[i] = append(bundles[i], bundle(t, issue(t, "example.org", nil)))
		}
	}
	var end sync.WaitGroup
	for i, archive := range both {
		end.Go(func() {
			for _, taken := range bundles[i] {
				if err := archive.Save(taken, fmt.Sprint(i), noon); err != nil {
					t.Error(err)
				}
				if _, err := both[1-i].Entries(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	end.Wait()
	entries, err := a.Entries()
	if err != nil || len(entries) != kept || entries[0].Number != uint64(len(both)*each) {
		t.Errorf("kept %d, newest %d, %v; want %d, number %d", len(entries), entries[0].Number, err, kept, len(both)*each)
	}
}

// TestAFullOrReadOnlyDiskLosesNothing runs in a mount namespace of its own.
func TestAFullOrReadOnlyDiskLosesNothing(t *testing.T) {
	t.Parallel()
	if os.Getenv("ARCHIVE_TEST_MOUNTS") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), "ARCHIVE_TEST_MOUNTS=own")
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
	dir := t.TempDir()
	try(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,mode=0700"))
	defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
	a, err := Open(dir)
	try(t, err)
	one, other := issue(t, "example.org", nil), issue(t, "other.org", nil)
	save(t, a, one)
	ballast := filepath.Join(dir, "ballast")
	free := func(pages int) { // leaves so many
		t.Helper()
		var st unix.Statfs_t
		try(t, os.WriteFile(ballast, nil, 0o600), unix.Statfs(dir, &st))
		try(t, os.WriteFile(ballast, make([]byte, (int(st.Bfree)-pages)*int(st.Bsize)), 0o600))
	}
	for pages := range 4 { // it fails at each step
		free(pages)
		err := a.Save(bundle(t, issue(t, "example.org", nil), other), "signal", noon)
		if pages < 3 && !strings.Contains(fmt.Sprint(err), "no space left") {
			t.Errorf("save with %d pages free: %v; want it said", pages, err)
		}
		if pages == 3 && err != nil {
			t.Errorf("save with %d pages free: %v; want it done", pages, err)
		}
		if got := files(t, a, pairsDir); pages < 3 && len(got) != 1 {
			t.Errorf("pairs %v after a save that failed; want nothing of it left", got)
		}
		if got := listed(t, a); got[len(got)-1][0] != one.Fingerprint {
			t.Errorf("kept %.8v; want what was there before", got)
		}
	}
	try(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=64k"))
	a, err = Open(dir)
	try(t, err)
	if err := a.Save(bundle(t, issue(t, "example.org", nil)), "signal", noon); !strings.Contains(fmt.Sprint(err), "read-only") {
		t.Errorf("save: %v; want it said that the file system is read-only", err)
	}
	if got := listed(t, a); len(got) != 2 {
		t.Errorf("kept %.8v; want both", got)
	}
	if _, err := Open(filepath.Join(dir, "new")); err == nil || !strings.Contains(err.Error(), "choose another") {
		t.Errorf("open: %v; want what to do", err)
	}
}

func TestALockThatIsNotGivenUpIsSaid(t *testing.T) {
	t.Parallel()
	a := open(t)
	f, err := a.write()
	try(t, err)
	defer f.Close()
	a.patience = 5 * lockPause
	if err := a.Hold(nil); err == nil || !strings.Contains(err.Error(), "lock state_dir") {
		t.Errorf("got %v; want an error after %v", err, a.patience)
	}
}

func TestADirectoryThatVanishesIsAnError(t *testing.T) {
	t.Parallel()
	a := open(t)
	try(t, os.RemoveAll(a.dir))
	_, err1 := a.Entries()
	_, err2 := a.Held()
	_, _, err3 := a.Previous(nil, "")
	for _, err := range []error{a.Save(bundle(t, issue(t, "example.org", nil)), "signal", noon), a.Hold(nil), err1, err2, err3} {
		if err == nil {
			t.Error("no error; want one")
		}
	}
}

func FuzzBundleJSON(f *testing.F) {
	text, err := Entry{Version: version, Adopted: noon, AskedBy: "start", Certificates: []Kept{keep(issue(f, "example.org", nil).Certificate, strings.Repeat("0a", 32))}}.encode()
	try(f, err)
	f.Add(text)
	f.Add([]byte(`{"version":1,"certificates":[{"name":"x","pair":"../../x"}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parseEntry(b)
		if err != nil {
			if len(err.Error()) > 2000 {
				t.Fatalf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		for _, k := range e.Certificates {
			if strings.ContainsAny(k.Pair, "/.") || len(k.Pair) != 64 {
				t.Fatalf("pair %q; want a digest", k.Pair)
			}
		}
		once, err := e.encode()
		try(t, err)
		again, err := parseEntry(once)
		try(t, err)
		if twice, err := again.encode(); err != nil || string(twice) != string(once) {
			t.Fatalf("%s and %s, %v; want the same", once, twice, err)
		}
	})
}

func FuzzHeldJSON(f *testing.F) {
	f.Add([]byte(`{"version":1,"held":{"example.org":{"digest":"` + strings.Repeat("0a", 32) + `","pair":"` + strings.Repeat("0b", 32) + `"}}}`))
	f.Add([]byte(`{"version":1,"held":{"":{"pair":"../x"}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		held, err := parseHeld(b)
		if err != nil && (held != nil || len(err.Error()) > 2000) {
			t.Fatalf("held %v and an error of %d bytes", held, len(err.Error()))
		}
		for _, h := range held {
			if !isDigest(h.Pair) || !isDigest(h.Digest) {
				t.Fatalf("held %+v; want digests", h)
			}
		}
	})
}
