package notify

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var examples = []Message{
	{},
	{Ready: true, MainPID: 42, Status: "serving"},
	{Ready: true, MainPID: 42, Pending: true},
	{Command: true},
	{Reloading: true},
	{Reloading: true, Since: 17 * time.Microsecond},
	{Stopping: true, StopTimeout: 45 * time.Second},
	{Watchdog: true},
	{Store: "gone.3"},
	{Remove: "serve.2"},
}

func TestAMessageSurvivesItsDatagram(t *testing.T) {
	t.Parallel()
	for _, want := range examples {
		got, err := Decode(want.Encode())
		if err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", want.Encode(), got, err, want)
		}
	}
}

func TestTheDatagramIsWhatSystemdReads(t *testing.T) {
	t.Parallel()
	m := Message{
		Ready: true, Reloading: true, Stopping: true, Watchdog: true, Status: "two\nlines",
		MainPID: 7, StopTimeout: time.Second, Store: "a",
	}
	want := "RELOADING=1\nREADY=1\nSTOPPING=1\nWATCHDOG=1\nSTATUS=two lines\nMAINPID=7\nX_STOP_USEC=1000000\nFDSTORE=1\nFDNAME=a\n"
	if got := string(m.Encode()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatANeighbouringReleaseSaysIsPassedOver(t *testing.T) {
	t.Parallel()
	got, err := Decode([]byte("X_FUTURE=1\nREADY=1\nSTATUS=a=b\nWATCHDOG=0"))
	if want := (Message{Ready: true, Status: "a=b"}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestAMalformedMessageIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"READY", "READY=1\n\n", "MAINPID=x", "MAINPID=", "MAINPID=-3", "X_STOP_USEC=-1", "X_STOP_USEC=9223372036854775807",
		"FDSTORE=1", "FDSTOREREMOVE=1\nFDNAME=", "FDSTORE=1\nFDNAME=a:b", "FDNAME=" + strings.Repeat("a", 256),
		"FDNAME=a\x00b",
	} {
		if got, err := Decode([]byte(text)); err == nil {
			t.Errorf("%q: got %+v, want a refusal", text, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range examples {
		f.Add(m.Encode())
	}
	f.Add([]byte("FDSTORE=1\nFDSTOREREMOVE=1\nFDNAME=a\n"))
	f.Add([]byte("STATUS=a\rb\nX_STOP_USEC=0\nMAINPID=-3"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data)
		if err != nil {
			if m != (Message{}) {
				t.Fatalf("got %+v with %v, want nothing", m, err)
			}
			return
		}
		again, err := Decode(m.Encode())
		if err != nil || again != m {
			t.Fatalf("%q: got %+v, %v, want %+v", data, again, err, m)
		}
	})
}
