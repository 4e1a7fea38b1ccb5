package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"path"
	"strings"
	"sync"
)

//go:embed assets/*
var files embed.FS

// Asset is a file that belongs to the page.
type Asset struct {
	Type    string
	Content []byte
	Current bool // the name that it was asked for under means this content for ever
}

var types = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// names returns for each file the name under which the page asks for it, which
// holds a hash of its content.
var names = sync.OnceValue(func() map[string]string {
	list := map[string]string{}
	entries, _ := files.ReadDir("assets")
	for _, e := range entries {
		b, _ := files.ReadFile("assets/" + e.Name())
		sum := sha256.Sum256(b)
		ext := path.Ext(e.Name())
		list[strings.TrimPrefix(ext, ".")] = strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
	}
	return list
})

// Find returns the file of that name. Under a hash that is not its own it is found
// too: a page that the release before has sent asks for its stylesheet there.
func Find(name string) (Asset, bool) {
	ext := path.Ext(name)
	stem, _, hashed := strings.Cut(strings.TrimSuffix(name, ext), ".")
	b, err := files.ReadFile("assets/" + stem + ext)
	if err != nil || !hashed {
		return Asset{}, false
	}
	return Asset{types[ext], b, names()[strings.TrimPrefix(ext, ".")] == name}, true
}

// Header is what every answer of the page carries.
func Header() map[string][]string {
	return map[string][]string{
		"Content-Security-Policy": {"default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; " +
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
		"X-Content-Type-Options":       {"nosniff"},
		"Referrer-Policy":              {"no-referrer"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Cache-Control":                {"no-store"},
	}
}
