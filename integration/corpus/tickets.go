package corpus

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"os"
)

// ticketLine is a fresh session ticket key as its file has it, or one of another
// size.
func ticketLine(size int) []byte {
	key := make([]byte, size)
	_, _ = rand.Read(key) // never fails
	return append(base64.StdEncoding.AppendEncode(nil, key), '\n')
}

func ticketLines(n int) []byte {
	var text []byte
	for range n {
		text = append(text, ticketLine(32)...)
	}
	return text
}

// ticketKeys are files of session ticket keys.
func ticketKeys() []Input {
	settings := Settings{TLS: `ticket_keys = "DIR/` + ticketFile + `"`}
	as := func(id, what string, wants []Finding, layout func(k *Kit)) Input {
		return Input{ID: "tickets/" + id, What: what, Wants: wants, Settings: settings, Layout: func(k *Kit) { k.Renew(); layout(k) }}
	}
	on := func(id, what string, text []byte, wants ...Finding) Input {
		return as(id, what, wants, func(k *Kit) { k.Put(ticketFile, text) })
	}
	mode := func(mode os.FileMode) func(*Kit) {
		return func(k *Kit) { k.Put(ticketFile, ticketLines(2)); k.Must(os.Chmod(k.Path(ticketFile), mode)) }
	}
	wrong, same := refuse("tickets.keys"), ticketLine(32)
	return []Input{
		on("one", "one key", ticketLines(1)),
		on("sixteen", "sixteen keys", ticketLines(16)),
		on("commented", "comments, blank lines and lines that end in CRLF", join([]byte("# July\n\n"), bytes.ReplaceAll(ticketLines(2), []byte("\n"), []byte("\r\n")), []byte("\n# end"))),
		on("unended", "a last line that does not end", bytes.TrimSuffix(ticketLines(2), []byte("\n"))),
		on("seventeen", "seventeen keys", ticketLines(17), wrong...),
		on("empty", "an empty file of ticket keys", nil, wrong...),
		on("comment-alone", "no key below a comment", []byte("# none yet\n"), wrong...),
		on("short", "a key of 16 bytes", ticketLine(16), wrong...),
		on("nginx", "a key of 48 bytes, of nginx", ticketLine(48), wrong...),
		on("haproxy", "keys of 80 bytes, of HAProxy", join(ticketLine(80), ticketLine(80), ticketLine(80)), wrong...),
		on("binary", "a key as it is, without base64", bytes.Repeat([]byte{0, 1, 2, 0xff}, 8), wrong...),
		on("hex", "a key in hexadecimal digits", bytes.Repeat([]byte("0123456789abcdef"), 4), wrong...),
		on("zero", "a key of zeros", append(base64.StdEncoding.AppendEncode(nil, make([]byte, 32)), '\n'), wrong...),
		on("twice", "a key that stands there twice", join(same, ticketLine(32), same), wrong...),
		on("twice-encoded", "a key in base64 in base64", append(base64.StdEncoding.AppendEncode(nil, ticketLine(32)), '\n'), wrong...),
		on("torn", "a good key and half a one", join(ticketLine(32), ticketLine(32)[:20]), wrong...),
		on("html", "an error page in place of ticket keys", []byte(page), wrong...),
		on("pem", "a private key in place of ticket keys", []byte("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n"), wrong...),
		on("large", "a megabyte and more of ticket keys", bytes.Repeat(ticketLines(1), 25_000), refuse("file.too_large")...),
		as("missing", "no file of ticket keys", refuse("file.missing"), func(k *Kit) { k.remove(ticketFile) }),
		as("fifo", "a pipe in place of ticket keys", refuse("file.not_regular"), func(k *Kit) { k.remove(ticketFile); k.Must(fifo(k.Path(ticketFile))) }),
		as("world-readable", "ticket keys that everybody may read", warn("file.key_world_readable"), mode(0o604)),
		as("group-readable", "ticket keys that the group may read", warn("file.key_group_readable"), mode(0o640)),
		as("world-writable", "ticket keys that everybody may write", refuse("file.writable_by_others"), mode(0o602)),
	}
}
