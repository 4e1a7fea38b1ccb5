package integration

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// TestNobodyWaitsForAReaderOfTheLogThatHasStopped has standard error be a pipe
// that is full and not read, as under a pager or a terminal's Ctrl-S.
func TestNobodyWaitsForAReaderOfTheLogThatHasStopped(t *testing.T) {
	t.Parallel()
	const lines = 40_000 // of a hundred bytes: more than pipes and buffers hold
	i, reader := intoPipe(t, harness.Config{Workers: 2, Command: []string{harness.Program(t, "speaker")}})
	load := i.Load(t, harness.Load{New: 1, Kept: 1})
	stuff(t, reader)
	pair := renew(t, i)
	i.Certs.Install(mismatched(i))
	hup(t, i, "refused")
	i.Certs.Install(pair)
	before := i.Until(t, "settled", within, harness.Settled)
	kill(t, before.Master.Pid)
	i.Until(t, "another master", within, func(s harness.Status) error {
		return harness.Unless(s.Generation == before.Generation+1 && harness.Settled(s) == nil, "generation %d", s.Generation)
	})
	spewAll(t, i, lines)
	load.More(t, 20)
	load.Stop().NothingLost(t)

	lost := gapOnce(t, i, reader, lines)
	lostLines(t, i, lost)

	stuff(t, reader)
	spewAll(t, i, lines)
	hup(t, i, "done")
	lost += gapOnce(t, i, reader, lines) // which the next master tells
	lostLines(t, i, lost)

	stuff(t, reader)
	spewAll(t, i, lines)
	i.Signal(syscall.SIGTERM)
	stopped(t, i, within)
}

// gapOnce requires of a log that is read again that it holds each line of the workers
// or says once that it was lost.
func gapOnce(t *testing.T, i *harness.Instance, reader *os.File, lines int) (lost int) {
	t.Helper()
	found := readLog(t, i, reader)
	if got := found.spewed + found.lost; got < lines || got > lines+100 {
		t.Errorf("%d lines of the workers and %d that were lost are %d, want the %d that were written and few others", found.spewed, found.lost, got, lines)
	}
	if found.lost == 0 || found.confessions != 1 {
		t.Errorf("%d lines were lost by %d records, want some by one", found.lost, found.confessions)
	}
	return found.lost
}

// lostLines requires that the status has counted what the log has confessed.
func lostLines(t *testing.T, i *harness.Instance, lost int) {
	t.Helper()
	s := i.Until(t, "status", within, func(harness.Status) error { return nil })
	if got := s.Counts.LogLost; got != lost {
		t.Errorf("status: %d lines lost, want the %d that the log says", got, lost)
	}
}

// stuff writes into a pipe until it takes not one byte more.
func stuff(t *testing.T, pipe *os.File) {
	t.Helper()
	w, err := os.OpenFile(pipe.Name(), os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	raw, err := w.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	filler := []byte(strings.Repeat("filler\n", 4096/7))
	err = raw.Control(func(fd uintptr) {
		for size := len(filler); size > 0; {
			if _, err := syscall.Write(int(fd), filler[len(filler)-size:]); err != nil {
				size /= 2
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// spewAll has a worker write lines and requires that it can.
func spewAll(t *testing.T, i *harness.Instance, lines int) {
	t.Helper()
	c, err := i.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first := spewed(t, c)
	if a, err := c.Do("GET", fmt.Sprintf("/spew?lines=%d", lines), nil); err != nil || a.Status != 200 {
		t.Fatalf("spew: %d, %v", a.Status, err)
	}
	harness.Until(t, "the worker has written all", within, func() error {
		n := spewed(t, c) - first
		return harness.Unless(n == lines, "%d of %d lines", n, lines)
	})
}

func spewed(t *testing.T, c *harness.Conn) int {
	t.Helper()
	a, err := c.Do("GET", "/spewed", nil)
	if err != nil {
		t.Fatalf("spewed: %v", err)
	}
	n, _ := strconv.Atoi(string(a.Body))
	return n
}

// contents is what a log holds that was not read for a while.
type contents struct{ spewed, lost, confessions int }

// readLog reads the log until it is up to date again.
func readLog(t *testing.T, i *harness.Instance, pipe *os.File) contents {
	t.Helper()
	lost := regexp.MustCompile(`msg="log lines were lost" lines=(\d+)`)
	if err := pipe.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	var found contents
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		switch line := lines.Text(); {
		case strings.Contains(line, ": spewed "):
			found.spewed++
		case lost.MatchString(line):
			n, _ := strconv.Atoi(lost.FindStringSubmatch(line)[1])
			found.lost += n
			found.confessions++
			say(t, i, "up to date")
		case strings.HasSuffix(line, ": up to date"):
			return found
		}
	}
	t.Fatalf("the log ended after %+v", found)
	return found
}
