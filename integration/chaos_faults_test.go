package integration

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"example.com/handover/integration/chaos"
	"example.com/handover/integration/harness"
)

// begin asks for what a sudden fault is to strike in the midst of. It returns
// what is worth a note.
func (o *ordeal) begin(with string) string {
	o.t.Helper()
	switch with {
	case "":
	case "hup":
		o.renew()
		o.i.Signal(syscall.SIGHUP)
	case "held":
		before := o.i.Until(o.t, "status", patient, harness.Serving)
		o.i.Behave("health", "block")
		o.lasts(func() { o.i.Behave("health", "") })
		o.renew()
		o.i.Signal(syscall.SIGHUP)
		o.born(before)
	case "slow":
		o.keepBusy()
		o.renew()
		o.i.Signal(syscall.SIGHUP)
		harness.Until(o.t, "an old worker retires", patient, func() error {
			return harness.Unless(o.find("retiring") != 0, "none")
		})
	case "reload", "rotate":
		o.renew()
		o.command(with, "--timeout", "20s")
	case "kill-master":
		return o.strikeDead("master")
	case "kill-worker":
		return o.strikeDead("worker")
	default:
		o.t.Fatalf("with %q: nobody knows how", with)
	}
	return ""
}

// born waits until a handover that is held has a successor with a worker.
func (o *ordeal) born(before harness.Status) {
	o.t.Helper()
	harness.Until(o.t, "the next generation is born", patient, func() error {
		return harness.Unless(o.find("newborn") != 0, "none besides master %d", before.Master.Pid)
	})
}

// keepBusy has a worker answer for so long that it outlives a handover.
func (o *ordeal) keepBusy() {
	o.t.Helper()
	c := asking(o.t, o.i, "/slow?d=2s")
	ended := make(chan harness.Loss, 1)
	o.slow = append(o.slow, ended)
	go func() { // ends within a client's patience
		defer c.Close()
		defer close(ended)
		if _, err := c.Receive("GET"); err != nil {
			ended <- harness.Loss{At: time.Now(), Client: "slow", Stage: "read", Err: err, On: c.Sighting}
		}
	}()
}

// command runs one in the background; the step's end waits for it.
func (o *ordeal) command(words ...string) chan harness.Result {
	ended := make(chan harness.Result, 1)
	o.asked = append(o.asked, ended)
	go func() { ended <- o.do(words...) }()
	return ended
}

// find returns a process of a role, 0 if there is none at the moment. The roles
// are read from the processes themselves: in a handover no status tells.
func (o *ordeal) find(role string) int {
	masters, workers := map[int]int{}, map[int]int{} // to their parents
	for _, p := range o.i.Processes() {
		if p.State == "Z" {
			continue
		}
		env := harness.Environ(p.Pid)
		switch {
		case slices.Contains(env, "HANDOVER_ROLE=master"):
			masters[p.Pid] = p.Parent
		case slices.Contains(env, "HANDOVER_ROLE=worker"):
			workers[p.Pid] = p.Parent
		}
	}
	pick := func(from map[int]int, fits func(parent int) bool) int {
		lowest := 0
		for pid, parent := range from {
			if fits(parent) && (lowest == 0 || pid < lowest) {
				lowest = pid
			}
		}
		return lowest
	}
	master := pick(masters, func(parent int) bool { return parent == o.i.Pid })
	switch role {
	case "anchor":
		return o.i.Pid
	case "master":
		return master
	case "successor":
		return pick(masters, func(parent int) bool { return masters[parent] != 0 })
	case "worker":
		return pick(workers, func(parent int) bool { return parent == master })
	case "newborn":
		return pick(workers, func(parent int) bool { return masters[masters[parent]] != 0 })
	case "retiring":
		return pick(workers, func(parent int) bool { return parent == o.i.Pid })
	}
	o.t.Fatalf("role %q: nobody has it", role)
	return 0
}

// serves says whether the death of such a process may cost what it answers.
func serves(role string) bool { return role == "worker" || role == "newborn" || role == "retiring" }

// strikeDead kills one process of a role, and notes whom it was answering.
func (o *ordeal) strikeDead(role string) string {
	o.t.Helper()
	pid := o.find(role)
	if pid == 0 {
		return "no " + role + " to kill; "
	}
	if serves(role) {
		f, err := o.i.Freeze(pid)
		if err != nil {
			return fmt.Sprintf("%s %d: %v; ", role, pid, err)
		}
		o.costs = append(o.costs, f)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	return fmt.Sprintf("%s %d killed; ", role, pid)
}

func (o *ordeal) kill(s chaos.Step) string {
	o.t.Helper()
	o.begin(s.With)
	harness.After(s.After)
	if s.On != "anchor" {
		return o.strikeDead(s.On)
	}
	g := gap{from: time.Now()}
	o.i.Signal(syscall.SIGKILL)
	o.i.WaitExit(patient)
	free(o.t, o.i.Addr, patient)
	harness.Until(o.t, "everything gone with the anchor", patient, func() error {
		return harness.Unless(len(o.i.Processes()) == 0, "%v", o.i.Processes())
	})
	o.lift()
	for _, ended := range o.asked {
		<-ended
	}
	o.asked = nil
	if err := o.confessed(); err != nil {
		o.t.Fatal(err)
	}
	pair := o.renew()
	o.launch()
	o.wanted, g.to = o.i.Config.Workers, time.Now()
	o.gaps = append(o.gaps, g)
	o.offers.taken(pair)
	return ""
}

// stop keeps a process at a standstill. Nobody may take that for death unless it
// lasts as long as a hang does.
func (o *ordeal) stop(s chaos.Step) string {
	o.t.Helper()
	o.begin(s.With)
	harness.After(s.After)
	pid := o.find(s.On)
	if pid == 0 {
		return "no " + s.On + " to stop; "
	}
	f, err := o.i.Freeze(pid)
	if err != nil {
		return fmt.Sprintf("%s %d: %v; ", s.On, pid, err)
	}
	o.lasts(func() {
		if p, ok := harness.Find(pid); ok && p.Session == o.i.Pid {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
	})
	harness.After(s.For)
	if now, ok := harness.Find(pid); ok && now.State == "T" {
		if s.Fault == "hang" && s.On == "worker" && s.With == "" {
			o.t.Fatalf("worker %d was stopped for %v and is still there, want it replaced", pid, s.For)
		}
		return fmt.Sprintf("%s %d; ", s.On, pid)
	}
	if serves(s.On) {
		o.costs = append(o.costs, f)
		if s.Fault == "stop" && s.On == "worker" {
			o.t.Fatalf("worker %d was stopped for %v and killed for it", pid, s.For)
		}
	}
	return fmt.Sprintf("%s %d was killed for it; ", s.On, pid)
}

// ask is no fault, and so it must do what it says.
func (o *ordeal) ask(s chaos.Step) {
	o.t.Helper()
	pair := o.renew()
	switch s.On {
	case "reload", "rotate":
		var ended []chan harness.Result
		for range s.Count {
			ended = append(ended, o.command(s.On, "--timeout", "50s"))
		}
		for _, e := range ended {
			got := <-e
			if e <- got; got.Exit != 0 {
				o.t.Fatalf("%s: %v, want exit 0", s, got)
			}
		}
	default:
		harness.Every(5*time.Millisecond, s.Count, func(int) {
			switch s.On {
			case "group":
				_ = syscall.Kill(-o.i.Pid, syscall.SIGHUP)
			case "usr2":
				o.i.Signal(syscall.SIGUSR2)
			default:
				o.i.Signal(syscall.SIGHUP)
			}
		})
	}
	o.i.WaitServed(pair, patient)
	o.offers.taken(pair)
}

var floods = map[string][]syscall.Signal{
	"hup":        {syscall.SIGHUP},
	"scaling":    {syscall.SIGTTIN, syscall.SIGTTOU},
	"shrink":     {syscall.SIGTTOU},
	"reopen":     {syscall.SIGUSR1},
	"everything": {syscall.SIGHUP, syscall.SIGTTIN, syscall.SIGUSR1, syscall.SIGTTOU, syscall.SIGUSR2},
}

// flood sends many signals as fast as they can be sent. Signals that the kernel
// has joined are one, so how many workers are wanted then is told anew.
func (o *ordeal) flood(s chaos.Step) string {
	o.t.Helper()
	note := ""
	pair := o.renew()
	list := floods[s.On]
	for n := range s.Count {
		o.i.Signal(list[n%len(list)])
		if n == s.Count/2 && s.With != "" {
			note = o.begin(s.With)
		}
	}
	if slices.Contains(list, syscall.SIGHUP) {
		o.i.WaitServed(pair, patient)
		o.offers.taken(pair)
	}
	o.i.Until(o.t, "settled", patient, harness.Settled)
	// A signal that the anchor has yet to take, or has passed on and the master has
	// yet to read, would count after what is told now.
	harness.Until(o.t, "every signal taken", patient, func() error {
		return harness.Unless(harness.Idle(o.i.Pid) && harness.Idle(o.find("master")), "anchor or master is busy")
	})
	o.scale(o.wanted)
	return note
}

// scale has so many workers serve, by the command.
func (o *ordeal) scale(n int) {
	o.t.Helper()
	if got := o.do("scale", fmt.Sprint(n)); got.Exit != 0 {
		o.t.Fatalf("scale %d: %v, want exit 0", n, got)
	}
	o.wanted = n
	o.i.Until(o.t, fmt.Sprintf("%d workers", n), patient, func(s harness.Status) error {
		if err := harness.Settled(s); err != nil {
			return err
		}
		return harness.Unless(len(s.Workers) == n, "%d", len(s.Workers))
	})
}

func (o *ordeal) rescale(s chaos.Step) {
	o.t.Helper()
	o.begin(s.With)
	harness.After(s.After)
	if s.On == "command" {
		o.scale(s.Count)
		return
	}
	for o.wanted != s.Count {
		signal, change := syscall.SIGTTIN, 1
		if o.wanted > s.Count {
			signal, change = syscall.SIGTTOU, -1
		}
		o.i.Signal(signal)
		o.wanted += change
		// One after the other: the kernel would join two that wait.
		o.i.Until(o.t, signal.String(), patient, func(s harness.Status) error {
			return harness.Unless(harness.Serving(s) == nil && len(s.Workers) == o.wanted, "%+v, want %d", s.Workers, o.wanted)
		})
	}
}

// quiet takes the workers away. Who connects meanwhile waits for their return.
func (o *ordeal) quiet(s chaos.Step) {
	o.t.Helper()
	o.i.Signal(syscall.SIGWINCH)
	harness.After(s.For)
	pair := o.renew()
	o.i.Signal(syscall.SIGHUP)
	o.i.WaitServed(pair, patient)
	o.offers.taken(pair)
}

func (o *ordeal) reopen(s chaos.Step) {
	o.t.Helper()
	o.begin(s.With)
	if err := o.disk.Rename("log", "log.1"); err != nil {
		o.t.Fatal(err)
	}
	o.i.Signal(syscall.SIGUSR1)
	harness.Until(o.t, "a new log", patient, func() error {
		_, err := o.disk.Stat("log")
		return err
	})
}

// endure has a fault last while something is asked for.
func (o *ordeal) endure(s chaos.Step) string {
	o.t.Helper()
	switch s.Fault {
	case "certificate":
		return o.spoil(s)
	case "config":
		o.misconfigure(s.On)
	case "program":
		name, how, _ := strings.Cut(s.On, "-")
		o.remove(name, how == "garbage")
	case "disk":
		o.fill()
	case "descriptors":
		o.exhaust(s)
	case "processes":
		if pid := o.find(s.On); pid != 0 {
			o.confine(pid, s.Count)
		}
	}
	if s.With == "reach" {
		return o.reach(s)
	}
	note := o.begin(s.With)
	harness.After(s.For)
	return note
}

func (o *ordeal) misconfigure(how string) {
	o.t.Helper()
	o.lasts(func() { o.i.Configure(o.i.Config) })
	switch how {
	case "syntax":
		o.i.WriteConfig("workers = \"many\"\n[[[")
	case "unknown-key":
		o.i.WriteConfig("wrokers = 2\n" + o.i.ConfigText())
	case "missing":
		if err := os.Remove(o.i.ConfigFile()); err != nil {
			o.t.Fatal(err)
		}
	}
}

// spoil puts a pair on disk that must be refused, however it is asked for.
func (o *ordeal) spoil(s chaos.Step) string {
	o.t.Helper()
	good, bad := o.offers.last(), o.i.Certs.Issue(harness.Leaf{})
	switch s.On {
	case "mismatch":
		bad.Key = o.i.Certs.Issue(harness.Leaf{}).Key
	case "truncated":
		bad.Cert = harness.Torn(bad.Cert)
	case "expired":
		bad = o.i.Certs.Issue(harness.Leaf{NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	case "empty":
		bad.Cert = []byte{}
	case "missing":
		bad.Cert = nil
	}
	o.i.Certs.Install(bad)
	o.lasts(func() { o.i.Certs.Install(good) })
	note := ""
	switch s.With {
	case "hup":
		asked := time.Now()
		o.i.Signal(syscall.SIGHUP)
		o.i.Until(o.t, "refused", patient, harness.Ended("refused", asked))
	case "reload", "rotate":
		if got := o.do(s.With, "--timeout", "50s"); got.Exit != 65 {
			o.t.Fatalf("%s: %v, want exit 65", s, got)
		}
	default:
		note = o.strikeDead(strings.TrimPrefix(s.With, "kill-"))
		o.i.Until(o.t, "serving again", patient, harness.Serving)
	}
	if got, err := o.i.Served(); err != nil || got != good.Fingerprint {
		o.t.Fatalf("%s: served %.12s, %v; want the last good one, %.12s", s, got, err, good.Fingerprint)
	}
	return note
}
