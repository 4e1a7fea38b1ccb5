package integration

import (
	"strings"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// Not parallel: each case has a load of its own.
func TestAGenerationThatCannotBootIsGivenUpWithItsReason(t *testing.T) {
	heavy(t)
	for _, c := range []struct {
		name, file, text, reason string
	}{
		{"Crash", "boot", "exit 3", "told to exit"},
		{"Panic", "boot", "panic", "told to panic"},
		{"Hang", "boot", "hang", "3s"},
		{"Health500", "health", "500", "500"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := harness.Start(t, harness.Config{HealthPath: "/health", BootTimeout: "3s"})
			load := i.Load(t, harness.Load{New: 1, Kept: 4, Think: 2 * time.Millisecond})
			before := i.Until(t, "settled", within, harness.Settled)
			if c.file == "health" {
				load.Stop().NothingLost(t) // it asks the path that is about to fail
			}
			i.Behave(c.file, c.text)
			i.Certs.Renew()
			got := i.Do("reload")
			if got.Exit != 70 || !strings.Contains(got.Stderr, c.reason) {
				t.Errorf("reload: %v, want exit 70 and %q", got, c.reason)
			}
			after := i.Until(t, "as before", within, harness.Settled)
			if after.Master.Pid != before.Master.Pid || after.Generation != before.Generation {
				t.Errorf("master %d in generation %d, want %d in %d untouched", after.Master.Pid, after.Generation, before.Master.Pid, before.Generation)
			}
			served(t, i, i.First)
			exactly(t, i)
			i.Behave(c.file, map[string]string{"boot": "", "health": "200"}[c.file])
			reloadWorks(t, i)
			load.Stop().NothingLost(t)
		})
	}
}

func TestAFirstGenerationThatCannotBootEndsTheStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, boot string
		command    string
		exit       int
	}{
		{"Crash", "exit 3", "", 70},
		{"NeverCallsServe", "", "silent", 70},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := harness.Config{Workers: 1, BootTimeout: "2s"}
			if c.command != "" {
				config.Command = []string{harness.Program(t, c.command)}
			}
			i := harness.Prepare(t, config)
			i.Behave("boot", c.boot)
			i.Launch()
			if got := i.WaitExit(within); got != c.exit {
				t.Errorf("exit %d, want %d\n%s", got, c.exit, i.Output())
			}
		})
	}
}
