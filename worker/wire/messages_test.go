package wire

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestMessagesSurviveTheTrip(t *testing.T) {
	t.Parallel()
	for _, want := range []Message{
		{Kind: KindReady},
		{Kind: KindFailed, Text: "no \"port\"\n"},
		{Kind: KindGo},
		{Kind: KindPrepare, Rotation: 1},
		{Kind: KindSwap, Rotation: 2, Tickets: [][]byte{make([]byte, TicketSize)}},
		{Kind: KindTickets},
		{Kind: KindSettings, Settings: &Settings{
			Generation: 3, Slot: MaxSlots, KeepaliveGrace: time.Second,
			SNI: "strict", Tickets: [][]byte{make([]byte, TicketSize), make([]byte, TicketSize)},
			Listeners: []Listener{{Descriptor: "listen0", Address: "unix:/run/a b", TLS: true}},
		}},
	} {
		b, err := Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(b)
		want.Version = Version
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("decode %s: got %+v (%v), want %+v", b, got, err, want)
		}
	}
}

func TestDecodeRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	for datagram, want := range map[string]string{
		``:                          "unexpected end",
		`{"v":1,"kind":"ready"}`:    "version 1, this program speaks 2",
		`{"kind":"ready"}`:          "version 0",
		`{"v":2,"kind":"dance"}`:    `unknown kind "dance"`,
		`{"v":2,"kind":"settings"}`: "without a slot",
		`{"v":2,"kind":"settings","settings":{"slot":1025}}`:             "without a slot",
		`{"v":2,"kind":"prepare"}`:                                       `"prepare" without the number`,
		`{"v":2,"kind":"swap","rotation":-1}`:                            `"swap" without the number`,
		`{"v":2,"kind":"tickets","tickets":["AAAA"]}`:                    "ticket key without 32 bytes",
		`{"v":2,"kind":"settings","settings":{"slot":1,"tickets":[""]}}`: "ticket key without 32 bytes",
	} {
		if _, err := Decode([]byte(datagram)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("decode %q: got %v, want an error with %q", datagram, err, want)
		}
	}
	if _, err := Encode(Message{Kind: KindFailed, Text: strings.Repeat("x", MaxMessage)}); err == nil {
		t.Errorf("encode %d bytes: got no error, want at most %d", MaxMessage, MaxMessage)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"v":2,"kind":"settings","settings":{"slot":1}}`))
	f.Add([]byte(`{"v":2,"kind":"failed","text":"x"}`))
	f.Add([]byte(`{"v":2,"kind":"swap","rotation":3,"tickets":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Encode(m)
		if err != nil {
			return // grown beyond the limit by escaping
		}
		if got, err := Decode(again); err != nil || !reflect.DeepEqual(got, m) {
			t.Fatalf("decode %q again: got %+v (%v), want %+v", again, got, err, m)
		}
	})
}

func TestAppSurvivesTheTrip(t *testing.T) {
	t.Parallel()
	for _, want := range []App{{Kind: AppWelcome}, {Kind: AppFiles, Argument: "/srv/a \"b\""}, {Kind: AppProxy, Argument: "unix:/x"}} {
		value, err := EncodeApp(want)
		if err != nil {
			t.Fatal(err)
		}
		want.Version = Version
		if got, err := DecodeApp(value); err != nil || got != want {
			t.Errorf("decode %s: got %+v (%v), want %+v", value, got, err, want)
		}
	}
	if got, err := DecodeApp(""); err != nil || got.Kind != AppWelcome {
		t.Errorf("decode nothing: got %+v (%v), want the welcome page", got, err)
	}
	for _, value := range []string{"{", `{"v":1,"kind":"welcome"}`, `{"v":2,"kind":"files"}`, `{"v":2,"kind":"shell","argument":"x"}`} {
		if got, err := DecodeApp(value); err == nil {
			t.Errorf("decode %s: got %+v, want an error", value, got)
		}
	}
}

func FuzzDecodeApp(f *testing.F) {
	f.Add(`{"v":2,"kind":"files","argument":"."}`)
	f.Fuzz(func(t *testing.T, value string) {
		a, err := DecodeApp(value)
		if err == nil && a.Kind != AppWelcome && a.Argument == "" {
			t.Fatalf("decode %q: got %+v without an argument", value, a)
		}
	})
}
