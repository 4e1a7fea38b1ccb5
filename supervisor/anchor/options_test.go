package anchor

import (
	"strings"
	"testing"
	"unicode/utf8"

	"example.com/handover/supervisor/notify"
)

// What systemd passes is named by whoever wrote its units; a name that sd_notify(3)
// or the masters' own words refuse would cost the socket.
func FuzzNamesOfPassedSockets(f *testing.F) {
	f.Add("2", "web.socket:listen.8443")
	f.Add("1", "listen.3132372e302e302e313a34343"+"3")
	f.Add("2147483647", strings.Repeat("ä", 300)+"::\xff")
	f.Add("-1", "")
	f.Fuzz(func(t *testing.T, number, names string) {
		e := readEnvironment([]string{"LISTEN_PID=7", "LISTEN_FDS=" + number, "LISTEN_FDNAMES=" + names}, 7)
		for i := range min(e.activated, 100) {
			name := e.activatedName(i)
			said := notify.Message{Store: name}
			if heard, err := notify.Decode(said.Encode()); err != nil || heard != said || !utf8.ValidString(name) {
				t.Errorf("LISTEN_FDS=%q LISTEN_FDNAMES=%q: descriptor %d is called %q: %+v, %v", number, names, i, name, heard, err)
			}
		}
	})
}
