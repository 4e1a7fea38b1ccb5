package managers

import (
	"os"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// inits are what stands between a container's engine and the service, the
// service itself first.
var inits = map[string][]string{
	"none":                     nil,
	"tini":                     {"tini", "--"},
	"tini -g":                  {"tini", "-g", "--"}, // every signal goes to the workers too
	"tini -s below dumb-init":  {"dumb-init", "--single-child", "tini", "-s", "--"},
	"dumb-init":                {"dumb-init", "--"}, // to the workers too
	"dumb-init --single-child": {"dumb-init", "--single-child", "--"},
}

// contained is an instance below the PID 1 of a ward, or it is that itself.
type contained struct {
	*harness.Instance
	ward *harness.Ward
}

func contain(t *testing.T, c harness.Config, init ...string) *contained {
	t.Helper()
	if len(init) > 0 {
		provided(t, init[0])
	}
	i := &contained{Instance: harness.Prepare(t, c)}
	i.enter(t, init...)
	return i
}

func (i *contained) enter(t *testing.T, init ...string) {
	t.Helper()
	run := append(append([]string{}, init...), harness.Binary(t), "run", "-c", i.ConfigFile())
	i.ward = harness.Enter(t, i.Dir, nil, run...)
	i.WaitServing()
}

// end is what "docker stop" does: the signal to PID 1, and KILL when the grace
// is over. It returns the exit code of the container, -1 for KILL.
func (i *contained) end(t *testing.T, s syscall.Signal, grace time.Duration) int {
	t.Helper()
	i.ward.Kill(1, s)
	code, err := i.ward.WaitExit(grace)
	if err == nil {
		return code
	}
	i.ward.Kill(1, syscall.SIGKILL)
	if code, err = i.ward.WaitExit(moment); err != nil {
		t.Fatal(err)
	}
	return code
}

func TestInContainersReloadsAndAStopLoseNothingWhateverTheInit(t *testing.T) {
	t.Parallel()
	for name, init := range inits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := contain(t, harness.Config{}, init...)
			before := i.Until(t, "settled", moment, harness.Settled)
			load := i.Load(t, fewClients)
			for range 3 {
				pair := i.Certs.Renew()
				i.ward.Kill(1, syscall.SIGHUP)
				i.WaitServed(pair, moment)
			}
			i.Until(t, "settled", moment, harness.Settled)
			i.ward.Kill(masterIn(t, i.Instance), syscall.SIGKILL)
			pair := i.Certs.Renew()
			i.ward.Kill(1, syscall.SIGHUP)
			i.WaitServed(pair, moment)
			// What a handler leaves behind becomes the child of the anchor.
			if a, err := i.Get("/orphan"); err != nil || a.Status != 200 {
				t.Errorf("orphan: %d, %v", a.Status, err)
			}
			i.ward.Exactly(i.Instance)
			load.Stop().NothingLost(t)
			if after := i.Until(t, "settled", moment, harness.Settled); after.Pid != before.Pid {
				t.Errorf("pid %d, want %d as at the start", after.Pid, before.Pid)
			}

			slow := answering(t, i.Instance, "1s")
			if code := i.end(t, syscall.SIGTERM, moment); code != 0 {
				t.Errorf("exit %d, want 0", code)
			}
			completes(t, slow)
			i.ward.Empty(i.Instance)
		})
	}
}

func masterIn(t *testing.T, i *harness.Instance) int {
	t.Helper()
	return i.Until(t, "status", moment, func(harness.Status) error { return nil }).Master.Pid
}

func TestAStopSignalOfAnImageMayBeINTOrQUITAndStopsQuickly(t *testing.T) {
	t.Parallel()
	for name, init := range inits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
				i := contain(t, harness.Config{Workers: 1, GracefulTimeout: "10m"}, init...)
				answering(t, i.Instance, "10m") // is cut
				if code := i.end(t, s, moment); code != 0 {
					t.Errorf("exit %d after %v, want 0", code, s)
				}
				i.ward.Empty(i.Instance)
			}
		})
	}
}

// A container that is started again has the pidfile and the control socket of the
// last time, and the PID in the file is its own.
func TestAContainerThatWasKilledAfterItsGraceStartsAgainOnWhatItLeft(t *testing.T) {
	t.Parallel()
	i := contain(t, harness.Config{GracefulTimeout: "10m"}, inits["tini"]...)
	answering(t, i.Instance, "10m")
	if code := i.end(t, syscall.SIGTERM, time.Second); code == 0 {
		t.Errorf("exit 0, want the end by KILL: a client was still answered")
	}
	if left := i.ward.Inmates(); len(left) > 0 {
		t.Errorf("left: %v, want nothing", left)
	}
	if _, err := os.Lstat(i.ControlSocket()); err != nil {
		t.Errorf("control socket: %v; want it left, or this test shows nothing", err)
	}
	i.enter(t, inits["tini"]...)
	i.ward.Exactly(i.Instance)
	if code := i.end(t, syscall.SIGTERM, moment); code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
	i.ward.Empty(i.Instance)
}
