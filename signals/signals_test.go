package signals_test

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"example.com/handover/signals"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEverySignalOfTheTableAsksForItsIntent(t *testing.T) {
	t.Parallel()
	want := map[syscall.Signal]signals.Intent{
		syscall.SIGHUP: signals.Reload, syscall.SIGTERM: signals.Stop,
		syscall.SIGINT: signals.QuickStop, syscall.SIGQUIT: signals.QuickStop,
		syscall.SIGTTIN: signals.Grow, syscall.SIGTTOU: signals.Shrink,
		syscall.SIGUSR1: signals.Reopen, syscall.SIGUSR2: signals.Reload, syscall.SIGWINCH: signals.Quiet,
	}
	if len(signals.Table) != len(want) {
		t.Errorf("got %d signals, want %d", len(signals.Table), len(want))
	}
	for number, intent := range want {
		if got := signals.Of(number); got != intent {
			t.Errorf("%v: got %v, want %v", number, got, intent)
		}
	}
	if got := signals.Of(syscall.SIGCHLD); got != signals.None {
		t.Errorf("a signal outside the table: got %v, want %v", got, signals.None)
	}
}

func TestTheReadmeHasTheTable(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "<!-- signals -->\n")
	got, _, _ := strings.Cut(rest, "<!-- end of signals -->")
	if want := signals.Markdown(); got != want {
		t.Errorf("README has\n%s\nwant\n%s", got, want)
	}
}

func TestTheNameOfASignalIsTheKernels(t *testing.T) {
	t.Parallel()
	for _, s := range signals.Table {
		if got, want := "SIG"+s.Name, unix.SignalName(s.Number); got != want {
			t.Errorf("signal %d: got %q, want %q", int(s.Number), got, want)
		}
	}
}

func TestAMailboxByteNamesOneIntentAndStoppingHasNone(t *testing.T) {
	t.Parallel()
	for i := signals.Reload; i <= signals.Quiet; i++ {
		code, ok := i.Byte()
		if !ok {
			t.Errorf("%v: got no byte, want one", i)
		}
		if got, ok := signals.IntentOf(code); !ok || got != i {
			t.Errorf("%v: its byte %q gives %v, want it back", i, code, got)
		}
	}
	for _, i := range []signals.Intent{signals.None, signals.Stop, signals.QuickStop, -1, 99} {
		if code, ok := i.Byte(); ok {
			t.Errorf("%v: got byte %q, want none", i, code)
		}
	}
	for _, code := range []byte{0, 'x'} {
		if got, ok := signals.IntentOf(code); ok {
			t.Errorf("byte %q: got %v, want nothing", code, got)
		}
	}
}

func TestHelpAndMarkdownShowEverySignalOnceAndInOrder(t *testing.T) {
	t.Parallel()
	var want []string
	for _, s := range signals.Table {
		want = append(want, s.Name)
	}
	_, body, _ := strings.Cut(signals.Markdown(), "|---|---|\n")
	for where, text := range map[string]string{"help": signals.Help(), "markdown": body} {
		var got []string
		for line := range strings.Lines(text) {
			for _, word := range strings.Fields(strings.TrimLeft(line, "| ")) {
				got = append(got, strings.TrimSuffix(word, ","))
				if !strings.HasSuffix(word, ",") {
					break
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", where, got, want)
		}
	}
	if row := "| INT, QUIT | quick stop |\n"; !strings.Contains(body, row) {
		t.Errorf("got %s, want a row %q", body, row)
	}
}
