package harness

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"
)

// Measured is how a command ended and what it cost.
type Measured struct {
	Result
	Took time.Duration
	Peak int64 // resident memory in bytes; 0: not looked at
}

// Run runs a command of the program for this instance, as it is
// shipped and as the user that the instance runs as, two minutes at most.
func (i *Instance) Run(t testing.TB, words ...string) Measured {
	t.Helper()
	return i.run(t, "", nil, words)
}

// Measure is Run that looks at the memory too, which costs another process.
func (i *Instance) Measure(t testing.TB, words ...string) Measured {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	m := i.run(t, "measure", w, words)
	_ = w.Close()
	peak, _ := io.ReadAll(r)
	if m.Peak, err = strconv.ParseInt(string(peak), 10, 64); err != nil {
		t.Fatalf("run %q: no peak: %v\n%v", words, err, m.Result)
	}
	return m
}

func (i *Instance) run(t testing.TB, by string, extra *os.File, words []string) Measured {
	t.Helper()
	argv := slices.Concat(i.Config.Wrap, []string{Static(t, "handover"), words[0], "-c", i.ConfigFile()}, words[1:])
	if by != "" {
		argv = append([]string{Static(t, by)}, argv...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second // a child that keeps the pipe must not hold the test
	if extra != nil {
		cmd.ExtraFiles = []*os.File{extra}
	}
	begun := time.Now()
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatalf("run %q: %v", argv, err)
	}
	result := Result{Exit: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}
	return Measured{Result: result, Took: time.Since(begun)}
}
