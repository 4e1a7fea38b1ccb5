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
		`{"v":0,"kind":"ready"}`:    "version 0, this program speaks 2 and understands 1 to 3: build the program",
		`{"v":4,"kind":"dance"}`:    "version 4, this program speaks 2 and understands 1 to 3: build the program",
		`{"kind":"ready"}`:          "version 0",
		`{"v":2}`:                   "no kind",
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

func TestWhatANeighbourHasAddedIsPassedOver(t *testing.T) {
	t.Parallel()
	for datagram, want := range map[string]Message{
		// Whatever comes along with a kind that only the neighbour knows.
		`{"v":3,"kind":"dance","text":5,"tickets":["AAAA"],"rotation":{}}`: {Version: 3, Kind: "dance"},
		`{"v":2,"kind":"dance","settings":{"slot":0}}`:                     {Version: 2, Kind: "dance"},
		`{"v":3,"kind":"go","steps":[1,2]}`:                                {Version: 3, Kind: KindGo},
		`{"v":1,"kind":"ready"}`:                                           {Version: 1, Kind: KindReady},
		`{"v":3,"kind":"settings","settings":{"slot":1,"shoes":{"size":9}}}`: {
			Version: 3, Kind: KindSettings, Settings: &Settings{Slot: 1},
		},
	} {
		if got, err := Decode([]byte(datagram)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("decode %s: got %+v (%v), want %+v", datagram, got, err, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"v":2,"kind":"settings","settings":{"slot":1}}`))
	f.Add([]byte(`{"v":2,"kind":"failed","text":"x"}`))
	f.Add([]byte(`{"v":2,"kind":"swap","rotation":3,"tickets":[]}`))
	f.Add([]byte(`{"v":3,"kind":"dance","text":5}`))
	f.Add([]byte(`{"v":4,"kind":"go"}`))
	f.Add([]byte(`{"v":1,"kind":"settings","settings":{"slot":1,"limits":{"shoes":1}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			return
		}
		if Judge("message", m.Version, "") != nil {
			t.Fatalf("decode %q: got version %d", b, m.Version)
		}
		m.Version = Version
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
	for _, value := range []string{"{", `{"v":0,"kind":"welcome"}`, `{"v":4,"kind":"welcome"}`, `{"v":2,"kind":"files"}`, `{"v":2,"kind":"shell","argument":"x"}`} {
		if got, err := DecodeApp(value); err == nil {
			t.Errorf("decode %s: got %+v, want an error", value, got)
		}
	}
}

func FuzzDecodeApp(f *testing.F) {
	f.Add(`{"v":2,"kind":"files","argument":"."}`)
	f.Add(`{"v":3,"kind":"dance","argument":5}`)
	f.Add(`{"v":1,"kind":"welcome","shoes":9}`)
	f.Fuzz(func(t *testing.T, value string) {
		a, err := DecodeApp(value)
		if err == nil && a.Kind != AppWelcome && a.Argument == "" {
			t.Fatalf("decode %q: got %+v without an argument", value, a)
		}
	})
}

// BenchmarkMessage is the largest message that a worker gets, and the most frequent.
func BenchmarkMessage(b *testing.B) {
	settings := Message{Kind: KindSettings, Settings: &Settings{
		Generation: 3, Slot: 7, KeepaliveGrace: time.Second, SNI: "strict", Tickets: [][]byte{make([]byte, TicketSize), make([]byte, TicketSize)},
		Listeners: []Listener{{Descriptor: "listen0", Address: "unix:/run/a b", TLS: true}},
	}}
	for name, m := range map[string]Message{"settings": settings, "ready": {Kind: KindReady}} {
		text, err := Encode(m)
		check(b, err)
		b.Run(name+"/encode", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Encode(m)
			}
		})
		b.Run(name+"/decode", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
