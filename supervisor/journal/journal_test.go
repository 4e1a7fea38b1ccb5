package journal_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/handover/supervisor/journal"
	"golang.org/x/sys/unix"
)

func TestTheJournalReadsAFileOnlyIfTheVariableNamesItsInode(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "stream"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var stat unix.Stat_t
	if err := unix.Stat(f.Name(), &stat); err != nil {
		t.Fatal(err)
	}
	for stream, want := range map[string]bool{
		fmt.Sprintf("%d:%d", stat.Dev, stat.Ino):   true,
		fmt.Sprintf("%d:%d", stat.Dev, stat.Ino+1): false,
		fmt.Sprintf("%d:%d", stat.Dev+1, stat.Ino): false,
		"":        false,
		"garbage": false,
	} {
		if got := journal.Reads(f, stream); got != want {
			t.Errorf("read by the journal with %q: got %v, want %v", stream, got, want)
		}
	}
}

func TestEveryRecordBeginsWithItsPriority(t *testing.T) {
	t.Parallel()
	var text, json bytes.Buffer
	options := &slog.HandlerOptions{Level: slog.LevelDebug}
	handlers := map[*bytes.Buffer]slog.Handler{&text: journal.Text(&text, options), &json: journal.JSON(&json, options)}
	for _, handler := range handlers {
		log := slog.New(handler).With("generation", 7).WithGroup("g")
		log.Debug("d", "lines", "a\nb")
		log.Info("i")
		log.Warn("w")
		log.Error("e")
	}
	want := "<7>level=DEBUG msg=d generation=7 g.lines=\"a\\nb\"\n<6>level=INFO msg=i generation=7\n<4>level=WARN msg=w generation=7\n<3>level=ERROR msg=e generation=7\n"
	if text.String() != want {
		t.Errorf("text: got %q, want %q", &text, want)
	}
	for n, line := range strings.Split(strings.TrimSpace(json.String()), "\n") {
		if prefix := []string{"<7>{", "<6>{", "<4>{", "<3>{"}[n]; !strings.HasPrefix(line, prefix) || !strings.Contains(line, `"time":`) {
			t.Errorf("JSON: got %q, want a record with its time behind %q", line, prefix)
		}
	}
}

func TestALevelThatIsOffIsNotWritten(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(journal.Text(&out, &slog.HandlerOptions{Level: slog.LevelWarn}))
	log.Info("no")
	log.Warn("yes")
	if got, want := out.String(), "<4>level=WARN msg=yes\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEachLineOfATextIsMarked(t *testing.T) {
	t.Parallel()
	if got, want := string(journal.Mark(slog.LevelError, []byte("one\ntwo\nthree"))), "<3>one\n<3>two\n<3>three"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
