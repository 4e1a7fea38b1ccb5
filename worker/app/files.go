package app

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
)

// folder is an http.FileSystem below an os.Root: neither ".." nor a symbolic
// link leads out of it. http.FS over Root.FS would do the same, but hides the
// *os.File, and with it sendfile, from net/http.
type folder struct{ root *os.Root }

func newFiles(path string) (http.Handler, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("serve files of %q: %v", path, err)
	}
	return http.FileServer(folder{root}), nil
}

// Open opens a file by the cleaned path of its URL. What cannot be reached is
// not there, except for a file without the right to read it.
func (d folder) Open(name string) (http.File, error) {
	name = strings.TrimPrefix(name, "/")
	if name == "" {
		name = "."
	}
	// Stat first: to open a named pipe would wait for its writer.
	info, err := d.root.Stat(name)
	if err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		return nil, fs.ErrNotExist
	}
	var f *os.File
	if err == nil {
		f, err = d.root.Open(name)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fs.ErrPermission
	}
	if err != nil {
		return nil, fs.ErrNotExist
	}
	return f, nil
}
