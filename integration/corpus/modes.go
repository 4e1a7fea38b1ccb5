package corpus

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// nobody is who an instance runs as that may not do everything; stranger is
// nobody's neighbour.
const (
	nobody   = 65534
	stranger = 12345
)

// Nobody is how a command runs as that user.
func Nobody() []string {
	return strings.Fields(fmt.Sprintf("setpriv --reuid %d --regid %d --clear-groups", nobody, nobody))
}

// mode has a fresh pair with another mode and, from 0 on, another owner and
// group on a file; the empty name is the folder itself.
func mode(name string, bits os.FileMode, uid, gid int) func(*Kit) {
	return func(k *Kit) {
		k.Renew()
		k.Must(os.Chmod(k.Path(name), bits))
		k.Must(os.Lchown(k.Path(name), uid, gid))
	}
}

// root is what those inputs need that give files away.
func root() error {
	if os.Geteuid() != 0 {
		return errors.New("only root can give files away")
	}
	return nil
}

// given is a layout whose files belong to nobody then, so that only what a test
// takes back is not nobody's.
func given(layout func(*Kit)) func(*Kit) {
	return func(k *Kit) {
		k.Renew()
		k.Must(Give(k.Dir))
		layout(k)
	}
}

// Give makes everything below a folder nobody's.
func Give(dir string) error {
	return filepath.Walk(dir, func(path string, _ os.FileInfo, err error) error {
		return errors.Join(err, os.Lchown(path, nobody, nobody))
	})
}

// taken makes a path root's again.
func taken(name string, bits os.FileMode) func(*Kit) {
	return given(func(k *Kit) {
		k.Must(os.Chown(k.Path(name), 0, 0))
		k.Must(os.Chmod(k.Path(name), bits))
	})
}

// modes are files that too many or too few may use.
func modes() []Input {
	return []Input{
		{ID: "mode/key-0644", What: "a key that everybody may read", Layout: mode(keyFile, 0o644, -1, -1), Wants: warn("file.key_world_readable"), Mays: []string{"file.key_group_readable"}},
		{ID: "mode/key-0640", What: "a key that a group may read", Layout: mode(keyFile, 0o640, -1, stranger), Wants: warn("file.key_group_readable"), Needs: root},
		{
			ID: "mode/key-0640-listed", What: "a key that a listed group may read", Layout: mode(keyFile, 0o640, -1, stranger), Needs: root,
			Wants: info("file.key_group_readable"), Settings: Settings{TLS: `key_groups = ["12345"]`},
		},
		{ID: "mode/key-0440", What: "a key that its owner may not write", Layout: mode(keyFile, 0o400, -1, -1)},
		{ID: "mode/cert-0644", What: "a certificate that everybody may read", Layout: mode(certFile, 0o644, -1, -1)},
		{ID: "mode/key-0602", What: "a key that everybody may write", Layout: mode(keyFile, 0o602, -1, -1), Wants: refuse("file.writable_by_others")},
		{ID: "mode/key-0620", What: "a key that a group may write", Layout: mode(keyFile, 0o620, -1, -1), Wants: refuse("file.writable_by_others")},
		{ID: "mode/cert-0664", What: "a certificate that a group may write", Layout: mode(certFile, 0o664, -1, -1), Wants: refuse("file.writable_by_others")},
		{ID: "mode/folder-0777", What: "a folder in which everybody may replace files", Layout: mode("", 0o777, -1, -1), Wants: refuse("file.writable_by_others")},
		{ID: "mode/folder-0775", What: "a folder in which a group may replace files", Layout: mode("", 0o775, -1, -1), Wants: refuse("file.writable_by_others")},
		{ID: "mode/folder-1777", What: "a sticky folder", Layout: mode("", os.ModeSticky|0o777, -1, -1)},
		{ID: "mode/behind-0777", What: "a link into a folder in which everybody may replace files", Layout: func(k *Kit) {
			k.Renew()
			k.link(certFile, "open/cert.pem", "open/cert.pem")
			k.Must(os.Chmod(k.Path("open"), 0o777))
		}, Wants: refuse("file.writable_by_others")},
		{ID: "mode/owner-key", What: "a key of somebody else's", Layout: mode(keyFile, 0o600, stranger, -1), Wants: warn("file.owner"), Needs: root},
		{ID: "mode/owner-cert", What: "a certificate of somebody else's", Layout: mode(certFile, 0o644, stranger, -1), Wants: warn("file.owner"), Needs: root},
		{ID: "mode/nobody-own", What: "files of the master's own user, not root's", Layout: given(func(*Kit) {}), Alone: true, Needs: root},
		{ID: "mode/nobody-key", What: "a key that the master may not read", Layout: taken(keyFile, 0o600), Alone: true, Wants: refuse("file.unreadable"), Needs: root},
		{ID: "mode/nobody-cert", What: "a certificate with no right at all", Layout: taken(certFile, 0), Alone: true, Wants: refuse("file.unreadable"), Needs: root},
		{ID: "mode/nobody-folder", What: "a folder that the master may not enter", Layout: taken("", 0o700), Alone: true, Wants: refuse("file.unreadable"), Needs: root},
		{ID: "mode/nobody-live", What: "a link into a folder that the master may not enter", Layout: given(func(k *Kit) {
			k.link(certFile, "archive/cert1.pem", "archive/cert1.pem")
			k.Must(os.Chmod(k.Path("archive"), 0o700))
		}), Alone: true, Wants: refuse("file.unreadable"), Needs: root},
	}
}

// links are the ways in which a path can lead to a file.
func links() []Input {
	return []Input{
		{ID: "link/one", What: "a link", Layout: func(k *Kit) { k.Renew(); k.link(certFile, "real.pem", "real.pem") }, Wants: info("file.symlink")},
		{ID: "link/three-hops", What: "three links in a row", Layout: func(k *Kit) {
			k.Renew()
			k.link(certFile, "one", "real.pem")
			k.link("one", "two", "")
			k.link("two", "real.pem", "")
		}, Wants: info("file.symlink")},
		{ID: "link/absolute", What: "a link with a whole path", Layout: func(k *Kit) {
			k.Renew()
			k.link(keyFile, filepath.Join(k.Dir, "..", "absolute.pem"), "../absolute.pem")
		}, Wants: info("file.symlink")},
		{ID: "link/certbot", What: "certbot's live and archive", Layout: func(k *Kit) {
			k.Renew()
			k.link(certFile, "archive/fullchain7.pem", "archive/fullchain7.pem")
			k.link(keyFile, "archive/privkey7.pem", "archive/privkey7.pem")
		}, Wants: info("file.symlink")},
		{ID: "link/kubernetes", What: "a mounted secret", Layout: func(k *Kit) {
			k.Renew()
			k.link(certFile, "..data/tls.crt", "..2026_11_20/tls.crt")
			k.link(keyFile, "..data/tls.key", "..2026_11_20/tls.key")
			k.link("..data", "..2026_11_20", "")
		}, Wants: info("file.symlink")},
		{ID: "link/combined", What: "one file with both, reached by two paths", Layout: func(k *Kit) {
			k.Renew()
			k.Put(certFile, join(k.read(certFile), k.read(keyFile)))
			k.link(keyFile, certFile, "")
		}, Nevers: []string{"pem.key_in_cert_file"}},
		{ID: "link/combined-key-first", What: "one file with both, the key first", Layout: func(k *Kit) {
			k.Renew()
			k.Put(certFile, join(k.read(keyFile), k.read(certFile)))
			k.link(keyFile, certFile, "")
		}, Nevers: []string{"pem.key_in_cert_file"}},
		{
			ID: "link/unlinked", What: "a file that is mounted by itself and was replaced where it came from", Layout: unlinked,
			Wants: warn("file.unlinked"), Needs: root,
		},
	}
}

// unlinked is what a bind mount of one file leaves when the host renames over
// that file: the mount holds the old one for ever.
func unlinked(k *Kit) {
	k.Renew()
	target := k.Path(certFile)
	k.Put("host.pem", k.read(certFile))
	k.Must(syscall.Mount(k.Path("host.pem"), target, "", syscall.MS_BIND, ""))
	// The folder is exchanged meanwhile and back again, or was not yet.
	k.whole.Cleanup(func() { k.Must(syscall.Unmount(target, syscall.MNT_DETACH)) })
	k.Put("next.pem", k.read(certFile))
	k.Must(os.Rename(k.Path("next.pem"), k.Path("host.pem")))
}
