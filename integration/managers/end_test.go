package managers

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// endingVariable makes the test binary one that ends with a machine booted; it
// names the program that boots.
const endingVariable = "HANDOVER_TEST_ENDING"

func TestAMachineEndsWithATestBinaryThatPanics(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("boots a systemd: needs root")
	}
	if program := os.Getenv(endingVariable); program != "" {
		bootAndPanic(t, program)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), endingVariable+"="+harness.Program(t, "machine"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(out)
	var pid int
	var group string
	if _, err := fmt.Fscanf(reader, "machine %d %s\n", &pid, &group); err != nil {
		t.Errorf("boot: %v", err)
	}
	_, _ = io.Copy(io.Discard, reader)
	if err := cmd.Wait(); err == nil {
		t.Error("the binary passed, want a panic")
	}
	harness.Until(t, "machine gone", 20*time.Second, func() error {
		_, err := os.Stat(group)
		return harness.Unless(os.IsNotExist(err) && !harness.Alive(pid), "%q: %v; process %d alive: %v", group, err, pid, harness.Alive(pid))
	})
}

// bootAndPanic is what the test does in the binary that it starts.
func bootAndPanic(t *testing.T, program string) {
	t.Helper()
	b, err := bootBy(t, program, "/")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("machine %d %s\n", b.pid, b.group)
	go panic("on purpose") // in another goroutine, where no cleanup follows
	<-b.exited
}
