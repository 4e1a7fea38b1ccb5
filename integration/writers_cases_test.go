package integration

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
	"golang.org/x/sys/unix"
)

// refused requires that what lies on disk is refused for one of the reasons,
// soon enough, and that what was served is served on.
func (w *writing) refused(served harness.Pair, limit time.Duration, reasons ...string) {
	w.t.Helper()
	asked := time.Now()
	switch w.how {
	case "watch":
		asked = w.wrote
	case "hup":
		w.i.Signal(syscall.SIGHUP)
	default:
		if got := w.i.Do(w.how); got.Exit != 65 {
			w.t.Errorf("%s: %v, want exit 65", w.how, got)
		}
	}
	s := w.i.Until(w.t, "refused", within, harness.Ended("refused", asked))
	w.t.Logf("refused: %v", harness.Names(s.LastReload.Checks))
	found := false
	for _, reason := range reasons {
		found = found || harness.Refused(s.LastReload.Checks, reason)
	}
	if !found {
		w.t.Errorf("checks %v, want one of %q to refuse", harness.Names(s.LastReload.Checks), reasons)
	}
	if took := s.LastReload.Finished.Sub(s.LastReload.Started); took > limit {
		w.t.Errorf("refused after %v, want it within %v", took, limit)
	}
	if got, err := w.i.Served(); err != nil || got != served.Fingerprint {
		w.t.Errorf("after the refusal: served %.12s…, %v; want %.12s… still", got, err, served.Fingerprint)
	}
}

// TestAPairThatStaysMismatchedIsRefused (D02), and the next word about a whole
// pair recovers.
func TestAPairThatStaysMismatchedIsRefused(t *testing.T) {
	t.Parallel()
	eachNotice(t, func(w *writing) {
		good := w.last
		p := w.issue()
		w.put("privkey.pem", p.Key)
		w.refused(good, 10*time.Second, "pair.mismatch")
		w.put("fullchain.pem", p.Cert)
		w.finish()
	})
}

// TestAFileThatIsEmptyForASecondIsWaitedFor (D03).
func TestAFileThatIsEmptyForASecondIsWaitedFor(t *testing.T) {
	t.Parallel()
	eachNotice(t, func(w *writing) {
		begun := w.i.Until(t, "settled", within, harness.Settled)
		p := w.reissue()
		w.put("fullchain.pem", nil)
		w.torn(time.Second)
		asked := w.asked
		w.put("fullchain.pem", p.Cert)
		w.command.Wait()
		w.i.WaitServed(p, within)
		s := w.i.Until(t, "taken", within, harness.Ended("done", asked))
		if most := begun.Generation + 1; s.Generation > most {
			t.Errorf("generation %d after one notice, want at most %d", s.Generation, most)
		}
	})
}

// TestTheIntermediateThatIsAppendedLaterIsServed (D04): a leaf without it is a
// whole file to whoever reads it then.
func TestTheIntermediateThatIsAppendedLaterIsServed(t *testing.T) {
	t.Parallel()
	eachNotice(t, func(w *writing) {
		for range 4 {
			p := w.reissue()
			w.put("fullchain.pem", harness.Blocks(p.Cert)[0])
			w.torn(30 * time.Millisecond)
			w.append("fullchain.pem", harness.Blocks(p.Cert)[1])
			w.command.Wait()
			w.finish()
			w.requireChain(2)
		}
	})
}

// append adds to a file of the folder.
func (w *writing) append(name string, content []byte) {
	w.t.Helper()
	f, err := os.OpenFile(w.path(name), os.O_APPEND|os.O_WRONLY, 0)
	must(w.t, err)
	_, err = f.Write(content)
	must(w.t, errors.Join(err, f.Close()))
}

// TestALongerChainUnderTheSameLeafIsTaken (D09): whoever compares leaves alone
// misses it.
func TestALongerChainUnderTheSameLeafIsTaken(t *testing.T) {
	t.Parallel()
	for _, how := range noticed {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := prepareWriting(t, how, `"chain.incomplete" = "off"`)
			whole := w.last
			short := whole
			short.Cert = harness.Blocks(whole.Cert)[0]
			w.i.Certs.Install(short)
			w.start()
			w.requireChain(1)
			w.once(func() { w.put("fullchain.pem", whole.Cert) })
			w.requireChain(2)
			w.end()
		})
	}
}

// TestAHundredHUPsInASecondServeTheLastPair (D16), each with other files.
func TestAHundredHUPsInASecondServeTheLastPair(t *testing.T) {
	t.Parallel()
	w := prepareWriting(t, "hup", "")
	w.start()
	begun := w.i.Until(t, "settled", within, harness.Settled)
	harness.Every(10*time.Millisecond, 100, func(int) {
		p := w.issue()
		w.put("privkey.pem", p.Key)
		w.put("fullchain.pem", p.Cert)
		w.notice()
	})
	w.i.WaitServed(w.last, within)
	// Each takes the time of a handover, and those that come meanwhile are one.
	s := w.i.Until(t, "settled", 2*within, harness.Settled)
	generations := s.Generation - begun.Generation
	t.Logf("%d generations for 100 HUPs", generations)
	if generations < 1 || generations > 60 {
		t.Errorf("%d generations for 100 HUPs, want those that came during one to be one", generations)
	}
	w.end()
}

// TestAFileThatGrowsWhileItIsReadIsRefused (D29), once past the limit.
func TestAFileThatGrowsWhileItIsReadIsRefused(t *testing.T) {
	t.Parallel()
	eachNotice(t, func(w *writing) {
		good := w.last
		p := w.issue()
		w.put("fullchain.pem", append(p.Cert, bytes.Repeat([]byte("#"), 1<<20-16<<10)...))
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() { // ends when stop is closed
			defer close(stopped)
			for line := bytes.Repeat([]byte("#"), 1<<10); ; {
				select {
				case <-stop:
					return
				default:
					w.append("fullchain.pem", line)
				}
			}
		}()
		w.refused(good, 15*time.Second, "file.too_large")
		close(stop)
		<-stopped
		p = w.issue()
		w.put("privkey.pem", p.Key)
		w.put("fullchain.pem", p.Cert)
		w.finish()
	})
}

// TestALinkThatLeadsToNoRegularFileIsRefusedAtOnce (D30).
func TestALinkThatLeadsToNoRegularFileIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	eachNotice(t, func(w *writing) {
		good := w.last
		fifo := filepath.Join(w.i.Dir, "fifo")
		must(t, unix.Mkfifo(fifo, 0o600))
		for _, target := range []string{w.i.Dir, fifo, "/dev/zero"} {
			w.link("fullchain.pem", target, func() {})
			// Sooner than a young file is given up that a writer may be at.
			w.refused(good, 1900*time.Millisecond, "file.not_regular")
		}
		// The kernel's log is a regular file by its mode, and reading it blocks.
		w.link("fullchain.pem", "/proc/kmsg", func() {})
		w.refused(good, 15*time.Second, "file.unreadable", "file.not_regular", "pem.empty", "pem.no_certificate")
		must(t, os.Remove(w.path("fullchain.pem")))
		p := w.issue()
		w.put("privkey.pem", p.Key)
		w.put("fullchain.pem", p.Cert)
		w.finish()
	})
}
