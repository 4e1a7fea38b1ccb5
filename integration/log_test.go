package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"example.com/handover/integration/harness"
)

// speaking is an instance of the speaker program that logs to handover.log.
func speaking(t *testing.T, c harness.Config, more string) *harness.Instance {
	t.Helper()
	c.Command = []string{harness.Program(t, "speaker")}
	c.Tables = "[log]\nfile = \"handover.log\"\n" + more
	return harness.Start(t, c)
}

// say has a worker write a line.
func say(t *testing.T, i *harness.Instance, text string) {
	t.Helper()
	if a, err := i.Get("/say?text=" + url.QueryEscape(text)); err != nil || a.Status != 200 {
		t.Errorf("say %q: %d, %v", text, a.Status, err)
	}
}

func logged(i *harness.Instance, name string) string {
	b, _ := os.ReadFile(filepath.Join(i.Dir, name))
	return string(b)
}

// saysOnce waits for lines of the log, each of which is to be there once.
func saysOnce(t *testing.T, i *harness.Instance, name string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		harness.Until(t, fmt.Sprintf("%q in %s", line, name), within, func() error {
			log := logged(i, name)
			return harness.Unless(strings.Contains(log, line+"\n"), "%q", log)
		})
		if n := strings.Count(logged(i, name), line+"\n"); n != 1 {
			t.Errorf("%q is in %s %d times, want once", line, name, n)
		}
	}
}

func TestAWorkersOutputCarriesItsGenerationAndSlotForItsWholeLife(t *testing.T) {
	t.Parallel()
	i := speaking(t, harness.Config{Workers: 1, GracefulTimeout: "60s"}, "")
	say(t, i, "serving")
	if a, err := i.Get("/say?to=out&text=printed"); err != nil || a.Status != 200 {
		t.Errorf("say: %d, %v", a.Status, err)
	}
	saysOnce(t, i, "handover.log", "worker 1.1: serving", "worker 1.1: printed")
	first := mustTalk(t, i)
	hup(t, i, "done")
	if err := first.Say("draining\n"); err != nil {
		t.Error(err)
	}
	say(t, i, "the next one")
	saysOnce(t, i, "handover.log", "worker 1.1: draining", "worker 2.1: the next one")
	second := mustTalk(t, i)
	kill(t, master(t, i))
	// Nobody may be reading yet.
	for who, conn := range map[string]*harness.Talk{"1.1": first, "2.1": second} {
		if err := conn.Say("orphan of " + who + "\n"); err != nil {
			t.Error(err)
		}
	}
	i.Until(t, "a third generation", within, func(s harness.Status) error {
		return harness.Unless(s.Generation == 3 && harness.Serving(s) == nil, "generation %d", s.Generation)
	})
	// The second generation may accept a moment longer.
	harness.Until(t, "an answer of the third generation", within, func() error {
		say(t, i, "after the master")
		return harness.Unless(strings.Contains(logged(i, "handover.log"), "worker 3.1: after the master\n"), "none")
	})
	saysOnce(t, i, "handover.log", "worker 1.1: orphan of 1.1", "worker 2.1: orphan of 2.1")
	hup(t, i, "done")
	if err := first.Say("three masters later\n"); err != nil {
		t.Error(err)
	}
	saysOnce(t, i, "handover.log", "worker 1.1: three masters later")
	first.Close()
	second.Close()
	i.Until(t, "settled", within, harness.Settled)
	exactly(t, i)
}

func mustTalk(t *testing.T, i *harness.Instance) *harness.Talk {
	t.Helper()
	c, err := i.Talk()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestAPanicOfAServingWorkerIsInTheLogAndItsExitReason(t *testing.T) {
	t.Parallel()
	i := speaking(t, harness.Config{Workers: 1}, "")
	say(t, i, "all is well")
	before := i.Until(t, "settled", within, harness.Settled)
	_, _ = i.Get("/crash")
	harness.Until(t, "the end of the worker", within, func() error {
		log := logged(i, "handover.log")
		return harness.Unless(strings.Contains(log, "worker ended"), "%q", log)
	})
	log := logged(i, "handover.log")
	dump := regexp.MustCompile(`(?s)worker 1\.1: panic: speaker: told to panic\nworker 1\.1: goroutine .*\nworker 1\.1: main\.crash\(.*worker ended.*how="exit status 2; last words: panic: speaker: told to panic"`)
	if !dump.MatchString(log) {
		t.Errorf("got %s\nwant the panic, its goroutines, then the end with the panic as its reason", log)
	}
	i.Until(t, "another worker", within, func(s harness.Status) error {
		if err := harness.Settled(s); err != nil {
			return err
		}
		return harness.Unless(s.Workers[0].Pid != before.Workers[0].Pid, "worker %d", s.Workers[0].Pid)
	})
	say(t, i, "well again")
	saysOnce(t, i, "handover.log", "worker 1.1: well again")
}

// record is a line of a JSON log.
type record struct {
	Time, Level, Msg, Text string
	Worker, Generation     int
}

// decoded reads a log of which each line is JSON.
func decoded[T any](t *testing.T, text string) []T {
	t.Helper()
	var all []T
	for line := range strings.Lines(text) {
		var one T
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%q: %v; want each line to be JSON", line, err)
		}
		all = append(all, one)
	}
	return all
}

func TestAJSONLogStaysJSONUnderLoadAndReloads(t *testing.T) {
	t.Parallel()
	i := speaking(t, harness.Config{}, "format = \"json\"\nlevel = \"debug\"")
	load := i.Load(t, harness.Load{New: 1, Kept: 1})
	said := []string{"plain", `{"msg":"of its own"}`, "\x00\xff\x1b[2J\"", "panic: not really"}
	for range 3 {
		for _, text := range said {
			say(t, i, text)
		}
		babble(t, i)
		load.More(t, 20)
		hup(t, i, "done")
	}
	if got := load.Stop(); len(got.Losses) > 0 {
		t.Errorf("lost %v", got.Losses)
	}
	i.Signal(syscall.SIGTERM)
	stopped(t, i, within)
	seen := map[string]int{}
	for _, r := range decoded[record](t, logged(i, "handover.log")) {
		if r.Time == "" || r.Level == "" || r.Msg == "" {
			t.Errorf("got %+v, want time, level and message", r)
		}
		if r.Msg == "output" {
			seen[r.Text]++
			if r.Worker < 1 || r.Worker > 2 || r.Generation < 1 || r.Generation > 4 {
				t.Errorf("got %+v, want worker and generation", r)
			}
		}
	}
	for _, text := range said {
		if n := seen[strings.ToValidUTF8(text, "\uFFFD")]; n != 3 {
			t.Errorf("%q was passed on %d times, want 3", text, n)
		}
	}
}

// answered is a line of a JSON access log.
type answered struct {
	Time, Remote, Method, Path, Proto, Host, TLS string
	Status                                       int
	Bytes                                        int64
	Duration                                     *float64 `json:"duration_ms"`
	Worker, Generation                           int
}

func TestEveryAnsweredRequestHasOneLineInTheAccessLog(t *testing.T) {
	t.Parallel()
	i := speaking(t, harness.Config{HealthPath: "/health?by=the-master"}, "access = \"access.log\"\nformat = \"json\"")
	load := i.Load(t, harness.Load{New: 2, Kept: 2, H2: 1, Streams: 2})
	for range 5 {
		load.More(t, 50)
		hup(t, i, "done")
	}
	load.More(t, 50) // some of them of the last generation
	report := load.Stop()
	if len(report.Losses) > 0 {
		t.Errorf("lost %v", report.Losses)
	}
	i.Until(t, "settled", within, harness.Settled)
	i.Signal(syscall.SIGTERM)
	stopped(t, i, within)
	lines := decoded[answered](t, logged(i, "access.log"))
	if len(lines) != report.Requests {
		t.Errorf("got %d lines, want one for each of %d requests", len(lines), report.Requests)
	}
	protos, generations := map[string]int{}, map[int]int{}
	for _, l := range lines {
		protos[l.Proto]++
		generations[l.Generation]++
		want := int64(0)
		if l.Method == "POST" {
			want = harness.BodySize
		}
		if l.Status != 200 || l.Bytes != want || l.Remote != "127.0.0.1" || l.TLS != "1.3" || l.Host != harness.Name ||
			l.Worker < 1 || l.Worker > 2 || l.Duration == nil || strings.Contains(l.Path, "the-master") {
			t.Fatalf("got %+v, want a client's request with status 200 and %d bytes", l, want)
		}
	}
	if len(protos) != 2 || len(generations) != 6 {
		t.Errorf("got protocols %v and generations %v, want 2 and 6", protos, generations)
	}
}

func TestTheAccessLogCanBeStandardOutput(t *testing.T) {
	t.Parallel()
	i := speaking(t, harness.Config{Workers: 1}, "access = \"-\"")
	say(t, i, "\"evil\"\n")
	line := regexp.MustCompile(`(?m)^127\.0\.0\.1 - - \[[^]]+\] "GET /say\?text=%22evil%22%0A HTTP/1\.1" 200 0 "-" "-" [0-9.]+ms 1\.1$`)
	harness.Until(t, "a line", within, func() error {
		return harness.Unless(line.MatchString(i.Output()), "%q", i.Output())
	})
	saysOnce(t, i, "handover.log", `worker 1.1: "evil"`)
}

// TestReopeningLosesAndDoublesNothingInAFolderThatWorkersCannotEnter has numbered
// requests, each of which says its number, go on while both logs are moved away
// several times, as logrotate does.
func TestReopeningLosesAndDoublesNothingInAFolderThatWorkersCannotEnter(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED, NOT PASSED: to drop privileges takes root")
	}
	logs := filepath.Join(harness.Folder(t), "logs")
	if err := os.Mkdir(logs, 0o700); err != nil {
		t.Fatal(err)
	}
	i := harness.Start(t, harness.Config{
		Command: []string{harness.Program(t, "speaker")}, Keys: "user = \"nobody\"\ngroup = \"nogroup\"",
		Tables: fmt.Sprintf("[log]\nfile = %q\naccess = %q", filepath.Join(logs, "log"), filepath.Join(logs, "access")),
	})
	end := number(t, i)
	const moves = 4
	for n := range moves {
		for _, name := range []string{"log", "access"} {
			if err := os.Rename(filepath.Join(logs, name), filepath.Join(logs, fmt.Sprintf("%s.%d", name, n))); err != nil {
				t.Fatal(err)
			}
		}
		i.Signal(syscall.SIGUSR1)
		harness.Until(t, "all three kinds of lines in the new files", within, func() error {
			log, _ := os.ReadFile(filepath.Join(logs, "log"))
			access, _ := os.ReadFile(filepath.Join(logs, "access"))
			return harness.Unless(bytes.Contains(log, []byte("log files reopened")) && bytes.Contains(log, []byte(".1: number")) &&
				bytes.Contains(log, []byte(".2: number")) && bytes.Contains(access, []byte(" 1.1\n")) && bytes.Contains(access, []byte(" 1.2\n")),
				"%q and %q", log, access)
		})
	}
	asked := end()
	s := i.Until(t, "settled", within, harness.Settled)
	for _, pid := range []int{s.Master.Pid, s.Workers[0].Pid, s.Workers[1].Pid} {
		for _, link := range harness.Descriptors(pid) {
			if strings.HasPrefix(link, logs) && filepath.Ext(link) != "" {
				t.Errorf("process %d still has %q", pid, link)
			}
		}
	}
	i.Signal(syscall.SIGTERM)
	stopped(t, i, within)
	for _, name := range []string{"log", "access"} {
		numberedOnce(t, filepath.Join(logs, name+"*"), asked)
	}
}

// uploading begins a request whose handler reads a body of four bytes.
func uploading(t *testing.T, i *harness.Instance) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", i.Addr)
	if err == nil {
		t.Cleanup(func() { _ = c.Close() })
		_, err = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	}
	if err == nil {
		_, err = io.ReadFull(c, make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n")))
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestReopeningReachesWorkersThatDrain has requests that began under two earlier
// generations, and one master that was killed, end after both logs were moved.
func TestReopeningReachesWorkersThatDrain(t *testing.T) {
	t.Parallel()
	i := speaking(t, harness.Config{Workers: 1, Plain: true, GracefulTimeout: "60s"}, "access = \"access.log\"")
	begun := []net.Conn{uploading(t, i)}
	hup(t, i, "done")
	begun = append(begun, uploading(t, i))
	kill(t, master(t, i))
	i.Until(t, "a third generation", within, func(s harness.Status) error {
		return harness.Unless(s.Generation == 3 && harness.Serving(s) == nil, "generation %d", s.Generation)
	})
	path := filepath.Join(i.Dir, "access.log")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	ok(t, i.Do("reopen"))
	s := i.Until(t, "two draining", within, func(s harness.Status) error {
		return harness.Unless(len(s.Draining) == 2 && len(s.Draining[0].Workers) == 1, "%+v", s.Draining)
	})
	for _, d := range s.Draining {
		harness.Until(t, "the old worker writes to the new file", within, func() error {
			for _, link := range harness.Descriptors(d.Workers[0].Pid) {
				if link == path {
					return nil
				}
			}
			return fmt.Errorf("worker %d has %v", d.Workers[0].Pid, harness.Descriptors(d.Workers[0].Pid))
		})
	}
	for _, c := range begun {
		if _, err := io.WriteString(c, "body"); err != nil {
			t.Error(err)
		}
		if b, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(b), "body") {
			t.Errorf("answer %q, %v; want it whole", b, err)
		}
	}
	i.Until(t, "settled", within, harness.Settled)
	got := logged(i, "access.log")
	for _, worker := range []string{"1.1", "2.1"} {
		if strings.Count(got, "\"POST / HTTP/1.1\" 200 4 ") != 2 || strings.Count(got, "ms "+worker+"\n") != 1 {
			t.Errorf("got %q, want a line of worker %s", got, worker)
		}
	}
	if old := logged(i, "access.log.1"); old != "" {
		t.Errorf("the file that was moved away: got %q, want nothing", old)
	}
	exactly(t, i)
}

// number begins to have numbered requests say their numbers, until end, which
// returns the last one.
func number(t *testing.T, i *harness.Instance) (end func() int) {
	var talkers sync.WaitGroup
	var asked atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	for range 2 {
		talkers.Go(func() {
			for ctx.Err() == nil {
				n := asked.Add(1)
				if a, err := i.Get(fmt.Sprintf("/say?text=number-%d-", n)); err != nil || a.Status != 200 {
					t.Errorf("request %d: %d, %v", n, a.Status, err)
					return
				}
			}
		})
	}
	return func() int {
		cancel()
		talkers.Wait()
		return int(asked.Load())
	}
}

// numberedOnce requires each number from 1 on once in the files together.
func numberedOnce(t *testing.T, pattern string, last int) {
	t.Helper()
	seen := map[int]int{}
	paths, _ := filepath.Glob(pattern)
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`number-(\d+)-`).FindAllSubmatch(b, -1) {
			n, _ := strconv.Atoi(string(m[1]))
			seen[n]++
		}
	}
	for n := 1; n <= last; n++ {
		if seen[n] != 1 {
			t.Errorf("%s: number %d of %d is there %d times, want once", pattern, n, last, seen[n])
		}
	}
}

// TestTheJournalGetsThePriorityOfEachLine has a file stand for journald's socket:
// what counts is that its inode is the one that the variable names.
func TestTheJournalGetsThePriorityOfEachLine(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"auto", "json"} {
		i := harness.Prepare(t, harness.Config{Workers: 1, Command: []string{harness.Program(t, "speaker")}, Tables: fmt.Sprintf("[log]\nformat = %q\nlevel = \"debug\"", format)})
		path := filepath.Join(i.Dir, "output")
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		var stat syscall.Stat_t
		if err := syscall.Stat(path, &stat); err != nil {
			t.Fatal(err)
		}
		i.Config.Env = []string{fmt.Sprintf("JOURNAL_STREAM=%d:%d", stat.Dev, stat.Ino)}
		i.Launch()
		i.WaitServing()
		say(t, i, "hello")
		i.Certs.Install(mismatched(i))
		hup(t, i, "refused")
		before := i.Until(t, "settled", within, harness.Settled)
		_, _ = i.Get("/crash")
		i.Until(t, "another worker", within, func(s harness.Status) error {
			if err := harness.Settled(s); err != nil {
				return err
			}
			return harness.Unless(s.Workers[0].Pid != before.Workers[0].Pid, "worker %d", s.Workers[0].Pid)
		})
		kill(t, before.Master.Pid)
		i.Until(t, "another master", within, func(s harness.Status) error {
			return harness.Unless(s.Master.Pid != before.Master.Pid && harness.Settled(s) == nil, "master %d", s.Master.Pid)
		})
		i.Signal(syscall.SIGTERM)
		i.WaitExit(within)
		out := logged(i, "output")
		for line := range strings.Lines(out) {
			if !regexp.MustCompile(`^<[3467]>[^<]`).MatchString(line) || format == "auto" && strings.HasPrefix(line[3:], "time=") {
				t.Errorf("%s: %q, want its priority and no time of its own", format, line)
			}
		}
		want := map[string][]string{
			"auto": {"<6>worker 1.1: hello", "<3>worker 1.1: panic: speaker", "<6>worker 1.1: main.crash(", "<3>level=ERROR", `<4>level=WARN msg="worker ended"`, `<4>level=WARN msg="master started"`},
			"json": {`"msg":"output","worker":1,"generation":1,"text":"hello"}`, `<3>{`, `<4>{`, `<6>{`},
		}[format]
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: %q is not there:\n%s", format, w, out)
			}
		}
	}
}

func TestAWorkerThatWritesWhileItsMasterIsStoppedLosesNothing(t *testing.T) {
	t.Parallel()
	const lines = 40_000 // of a hundred bytes: more than any pipe holds
	i := speaking(t, harness.Config{Workers: 1}, "")
	pid := master(t, i)
	halt(t, pid)
	if a, err := i.Get(fmt.Sprintf("/spew?lines=%d", lines)); err != nil || a.Status != 200 {
		t.Errorf("spew: %d, %v", a.Status, err)
	}
	harness.Until(t, "a full pipe", within, func() error {
		a, err := i.Get("/spewed")
		if err != nil {
			return err
		}
		n, _ := strconv.Atoi(string(a.Body))
		return harness.Unless(n >= 600, "%d lines", n)
	})
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	whole := regexp.MustCompile(`(?m)^worker 1\.1: spewed (\d{92})$`)
	var found [][]string
	harness.Until(t, "all lines", 3*within, func() error {
		found = whole.FindAllStringSubmatch(logged(i, "handover.log"), -1)
		return harness.Unless(len(found) >= lines, "%d of %d", len(found), lines)
	})
	for n, m := range found {
		if got, _ := strconv.Atoi(m[1]); got != n {
			t.Fatalf("line %d has number %d, want each in its order", n, got)
		}
	}
}

func TestAFullDiskUnderTheLogsCostsNoRequest(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{
		Command: []string{harness.Program(t, "speaker")}, Tables: "[log]\nfile = \"/dev/full\"\naccess = \"/dev/full\"\nlevel = \"debug\"",
	})
	load := i.Load(t, harness.Load{New: 1, Kept: 2, H2: 1, Streams: 2})
	for range 2 {
		say(t, i, "to nobody")
		load.More(t, 100)
		hup(t, i, "done")
	}
	if got := load.Stop(); len(got.Losses) > 0 {
		t.Errorf("lost %v", got.Losses)
	}
	if out := i.Output(); !strings.Contains(out, "error: log is not written: write /dev/full: no space left on device") {
		t.Errorf("standard error: got %q, want what is wrong", out)
	}
	i.Until(t, "settled", within, harness.Settled)
	exactly(t, i)
}

func TestDescriptorsStayTheSameOverFiftyReloadsWithBothLogs(t *testing.T) {
	heavy(t)
	i := speaking(t, harness.Config{Workers: 2, Env: []string{"GOGC=1"}}, "access = \"access.log\"")
	var seen []census
	for range 2 {
		for n := range 25 {
			hup(t, i, "done")
			say(t, i, "here")
			if n%5 == 0 {
				i.Signal(syscall.SIGUSR1)
			}
		}
		i.Until(t, "settled", within, harness.Settled)
		hup(t, i, "done") // by a master that is started at rest
		seen = append(seen, count(t, i))
	}
	if seen[0] != seen[1] {
		t.Errorf("counts %+v, want the same", seen)
	}
}
