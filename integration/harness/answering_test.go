package harness

import (
	"net"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

func TestALossIsOfAFrozenProcessOnlyIfItHadTheConnection(t *testing.T) {
	t.Parallel()
	at := time.Now()
	f := Frozen{Pid: 7, At: at, Clients: map[string]bool{"127.0.0.1:4000": true}}
	for _, c := range []struct {
		name string
		on   Sighting
		want bool
	}{
		{"its own", Sighting{From: "127.0.0.1:4000", Dialled: at.Add(-time.Second)}, true},
		{"another's", Sighting{From: "127.0.0.1:4001", Dialled: at.Add(-time.Second)}, false},
		{"a later one from the same port", Sighting{From: "127.0.0.1:4000", Dialled: at.Add(time.Second)}, false},
		{"a refused dial", Sighting{}, false},
	} {
		if got := f.Answered(Loss{On: c.on}); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestSocketsAreReadAsTheKernelWritesThem(t *testing.T) {
	t.Parallel()
	if got := endpoint("0100007F:1F90"); got != "127.0.0.1:8080" {
		t.Errorf("address %q, want 127.0.0.1:8080", got)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	served, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer served.Close()
	var links []string
	for _, link := range Descriptors(os.Getpid()) {
		links = append(links, link)
	}
	var listens, serves int
	for _, s := range sockets() {
		switch {
		case s.local != l.Addr().String() || !slices.Contains(links, s.link()):
		case s.listens:
			listens++
		case s.remote == c.LocalAddr().String():
			serves++
		}
	}
	if listens != 1 || serves != 1 {
		t.Errorf("%d listening and %d connected, want one of each", listens, serves)
	}
}

func TestAProcessIsIdleWhenAllItsThreadsSleep(t *testing.T) {
	t.Parallel()
	start := func(script string) int {
		cmd := exec.Command("/bin/sh", "-c", script)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		return cmd.Process.Pid
	}
	sleeper, worker := start("exec sleep 60"), start("while :; do :; done")
	Until(t, "the sleeper is idle", 10*time.Second, func() error { return Unless(Idle(sleeper), "not yet") })
	for range 20 {
		if Idle(worker) {
			t.Fatal("a process at work is idle, want it busy")
		}
	}
	if Idle(0) {
		t.Error("no process is idle, want only one that is there")
	}
}

func TestALossNamesItsConnection(t *testing.T) {
	t.Parallel()
	i, server := serve(t, answers)
	load := i.Load(t, Load{Kept: 2, H2: 1, Think: time.Millisecond})
	load.More(t, 20)
	if first := load.Take(); first.Requests < 20 || len(first.Losses) > 0 {
		t.Errorf("%d requests, %d lost, want twenty and none", first.Requests, len(first.Losses))
	}
	_ = server.Close()
	Until(t, "losses", 10*time.Second, func() error {
		return Unless(len(load.SoFar().Losses) >= 3, "%d", len(load.SoFar().Losses))
	})
	for _, l := range load.Stop().Losses {
		if l.Stage != "dial" && (l.On.From == "" || l.On.Dialled.IsZero()) {
			t.Errorf("lost: %v, want the connection named", l)
		}
	}
}
