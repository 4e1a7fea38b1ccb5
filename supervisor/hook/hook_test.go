package hook

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/supervisor/process"
	"example.com/handover/worker/wire"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// asMaster makes the test binary a master that starts a hook and leaves.
const asMaster = "HOOK_TEST_MASTER"

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	if command := os.Getenv(asMaster); command != "" {
		master(command)
	}
	goleak.VerifyTestMain(m)
}

// master starts a hook, says what a successor needs, and leaves when it is told.
func master(command string) {
	r, err := Start(command, "done", nil)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{"record": r.Record(), "fd": wire.Descriptor(r.Output())})
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// run starts a hook and waits for its end. Nothing of it may be left then.
func run(t *testing.T, command string, stdin []byte, limit time.Duration) Outcome {
	t.Helper()
	r, err := start(command, "done", stdin, limit)
	if err != nil {
		t.Fatal(err)
	}
	r.grace = 300 * time.Millisecond
	t.Cleanup(func() { _ = r.process.SignalGroup(syscall.SIGKILL) })
	o := wait(t, r)
	nothingLeft(t, r.record.Pid)
	return o
}

func wait(t *testing.T, r *Run) Outcome {
	t.Helper()
	done := make(chan Outcome, 1)
	go func() { done <- r.Wait(context.Background()) }() // ends with the hook
	select {
	case o := <-done:
		return o
	case <-time.After(patience):
		t.Fatalf("hook %q has not ended after %v", r.record.Command, patience)
		return Outcome{}
	}
}

// nothingLeft waits until no process of a group lives.
func nothingLeft(t *testing.T, group int) {
	t.Helper()
	until(t, fmt.Sprintf("process group %d is empty", group), func() bool { return len(members(t, group)) == 0 })
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// members lists the processes of a group that are more than a zombie.
func members(t *testing.T, group int) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range files {
		b, err := os.ReadFile(path)
		text := string(b)
		if err != nil || !strings.Contains(text, ") ") {
			continue // it has just ended
		}
		fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		if fields[2] == strconv.Itoa(group) && fields[0] != "Z" && fields[0] != "X" {
			found = append(found, text)
		}
	}
	return found
}

func TestAHookGetsTheOutcomeAndTheEventAndNothingElse(t *testing.T) {
	stray, err := unix.FcntlInt(0, unix.F_DUPFD, 200) // as a careless parent leaves one
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(stray) }()
	t.Setenv("NOTIFY_SOCKET", "/run/systemd/notify") // so not parallel
	t.Setenv("HANDOVER_CONFIG", "/etc/handover.toml")
	o := run(t, `cat; echo; env | grep -E '^(HANDOVER|NOTIFY)'; ls -m /proc/$$/fd; ps -o pgid= -p $$ | tr -d ' '; echo $$`, []byte(`{"outcome":"done"}`), Limit)
	lines := strings.Split(o.Output, "\n")
	want := []string{`{"outcome":"done"}`, "HANDOVER_EVENT=done"}
	if len(lines) < 5 || !slices.Equal(lines[:2], want) {
		t.Fatalf("output %q; want it to begin with %q", o.Output, want)
	}
	// Without a pipe: the shell holds its end for a moment. Dash keeps one of its own at 10.
	if got := strings.ReplaceAll(lines[2], "10, ", ""); got != "0, 1, 2" {
		t.Errorf("descriptors %q; want 0, 1 and 2", lines[2])
	}
	if lines[3] != lines[4] {
		t.Errorf("process group %q of process %q; want its own", lines[3], lines[4])
	}
	if o.Failed || o.Status != 0 || o.Result != "exit status 0" || o.Event != "done" {
		t.Errorf("outcome %+v; want it done", o)
	}
}

func TestAHookThatFailsOrIsMissingSaysHow(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]Outcome{
		"echo sorry >&2; exit 3":    {Result: "exit status 3", Status: 3, Failed: true, Output: "sorry"},
		"kill -9 $$":                {Result: "killed by SIGKILL", Status: -1, Failed: true},
		"/nowhere/hook 2>/dev/null": {Result: "exit status 127", Status: 127, Failed: true},
		"printf 'a\\033[2Jb\\377'":  {Result: "exit status 0", Output: `a\x1b[2Jb\xff`},
	} {
		want.Command, want.Event = command, "done"
		if got := run(t, command, nil, Limit); got != want {
			t.Errorf("got %+v; want %+v", got, want)
		}
	}
}

func TestTenMegabytesOfOutputAreReadAndFewKept(t *testing.T) {
	t.Parallel()
	o := run(t, "echo first; yes 0123456789 | head -c 10000000; echo; echo last", nil, Limit)
	if o.Failed || !strings.HasPrefix(o.Output, "first\n") || !strings.HasSuffix(o.Output, "\nlast") {
		t.Errorf("outcome %s, output %.50q ... %q; want beginning and end", o.Result, o.Output, o.Output[max(0, len(o.Output)-50):])
	}
	if !strings.Contains(o.Output, " bytes left out ") || len(o.Output) > 2*keptHalf+100 {
		t.Errorf("%d bytes of output; want at most %d, and that something is left out", len(o.Output), 2*keptHalf+100)
	}
}

func TestAHookThatDoesNotReadHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	if o := run(t, "true", make([]byte, 1<<20), Limit); o.Failed {
		t.Errorf("outcome %+v; want it done", o)
	}
	if o := run(t, "wc -c", make([]byte, 1<<20), Limit); o.Output != "1048576" {
		t.Errorf("it read %q bytes; want 1048576", o.Output)
	}
	if o := run(t, "echo more >&0 && echo written", []byte("{}"), Limit); o.Output == "written" || strings.HasSuffix(o.Output, "\nwritten") {
		t.Error("a hook could change what it was given; want it sealed")
	}
}

func TestALimitEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"echo on; sleep 1000; echo off":                                     "killed by SIGTERM",
		"trap '' TERM; echo on; while :; do sleep 1000; done":               "killed by SIGKILL",
		"sh -c \"trap '' TERM; while :; do sleep 1; done\" & echo on; wait": "killed by SIGTERM",
	} {
		o := run(t, command, nil, 200*time.Millisecond)
		if !o.TimedOut || !o.Failed || o.Result != want || o.Output != "on" {
			t.Errorf("%q: outcome %+v; want it timed out and %s", command, o, want)
		}
	}
}

func TestWhatAShellLeavesBehindIsKilled(t *testing.T) {
	t.Parallel()
	for _, command := range []string{
		"sleep 1000 & echo bye",                 // holds the pipe
		"sleep 1000 >/dev/null 2>&1 & echo bye", // does not
		"(trap '' TERM; sleep 1000) & echo bye", // would not listen
		"sh -c 'sleep 1000 & sleep 1000' & echo bye",
	} {
		if o := run(t, command, nil, Limit); o.Failed || o.Output != "bye" {
			t.Errorf("%q: outcome %+v; want it done", command, o)
		}
	}
}

func TestWhoLeftTheGroupHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	o := run(t, "setsid sleep 1000 & echo $!; exec sleep 0.1", nil, Limit)
	pid, err := strconv.Atoi(strings.TrimSpace(o.Output))
	if err != nil || o.Failed {
		t.Fatalf("outcome %+v; want the number of a process", o)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("process %d: %v; want it alive", pid, err)
	}
}

func TestAHookOutlivesItsMasterAndKeepsItsLimit(t *testing.T) {
	t.Parallel()
	record, output := orphan(t, "read -r _; head -c 200000 /dev/zero; echo; echo end; exit 5")
	r, err := Adopt(record, output)
	if err != nil {
		t.Fatal(err)
	}
	o := wait(t, r)
	if o.Result != unknown || o.Failed || !strings.HasSuffix(o.Output, "\nend") {
		t.Errorf("outcome %s, output ending in %q; want its last word", o.Result, o.Output[max(0, len(o.Output)-20):])
	}
	nothingLeft(t, record.Pid)

	record, output = orphan(t, "trap '' TERM; while :; do sleep 1000; done")
	record.Deadline = time.Now()
	if r, err = Adopt(record, output); err != nil {
		t.Fatal(err)
	}
	r.grace = 100 * time.Millisecond
	if o := wait(t, r); !o.TimedOut || !o.Failed {
		t.Errorf("outcome %+v; want it timed out", o)
	}
	nothingLeft(t, record.Pid)
}

// orphan starts a hook in another process, which has ended by the time it
// returns.
func orphan(t *testing.T, command string) (Record, *os.File) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), asMaster+"="+command, "GORACE=atexit_sleep_ms=0")
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil || cmd.Start() != nil {
		t.Fatal("cannot start a master")
	}
	var said struct {
		Record Record `json:"record"`
		FD     int    `json:"fd"`
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil || json.Unmarshal(line, &said) != nil {
		t.Fatalf("the master said %q, %v", line, err)
	}
	output, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/%d", cmd.Process.Pid, said.FD), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return said.Record, output
}

func TestAReleasedHookRunsOnAndIsAdopted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, err := Start("echo before; while [ ! -e "+dir+"/go ]; do sleep 0.01; done; echo after", "done", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if o := r.Wait(ctx); !o.Released || o.Failed {
		t.Fatalf("outcome %+v; want it released", o)
	}
	next, err := Adopt(r.Record(), r.Output())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if o := wait(t, next); o.Result != unknown || !strings.HasSuffix(o.Output, "after") {
		t.Errorf("outcome %+v; want the rest of its output", o)
	}
	_, _ = syscall.Wait4(r.record.Pid, nil, 0, nil) // the predecessor's end would have done it
}

func TestAHookThatHadEndedIsAdoptedForItsLastWords(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*Record){
		func(*Record) {},
		func(r *Record) { r.Pid, r.Start = os.Getpid(), 1 }, // another process has its number by now
		func(r *Record) { r.Pid, r.Start = os.Getpid(), 0 },
		func(r *Record) { r.Pid = -5 },
	} {
		record, output := orphan(t, "echo last words")
		if p, err := process.Find(record.Pid, record.Start); err == nil {
			p.WaitGone()
			_ = p.Close()
		}
		change(&record)
		record.Deadline = time.Time{}
		r, err := Adopt(record, output)
		if err != nil {
			t.Fatal(err)
		}
		if o := wait(t, r); o.TimedOut || o.Failed || o.Output != "last words" {
			t.Errorf("outcome %+v; want its last words", o)
		}
	}
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := Adopt(Record{Pid: 1, Start: 1, Command: "x"}, file); err == nil {
		t.Errorf("adopted %v with a file for its output; want it refused", r)
	}
}
