package site

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
)

// Handler answers "ok\n" to whatever is asked.
var Handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, "ok\n")
})

// TLS serves the pairs of a folder, NAME.crt and NAME.key, each to those who ask
// for its name.
func TLS(dir string) (*tls.Config, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.crt"))
	if err != nil {
		return nil, err
	}
	pairs := make(map[string]*tls.Certificate, len(files))
	for _, file := range files {
		stem := strings.TrimSuffix(file, ".crt")
		pair, err := tls.LoadX509KeyPair(file, stem+".key")
		if err != nil {
			return nil, fmt.Errorf("load %q: %v", file, err)
		}
		pairs[filepath.Base(stem)] = &pair
	}
	return &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		pair, found := pairs[strings.ToLower(hello.ServerName)]
		if !found {
			return nil, fmt.Errorf("find a pair for %q: none", hello.ServerName)
		}
		return pair, nil
	}}, nil
}
