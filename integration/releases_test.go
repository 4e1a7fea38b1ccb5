package integration

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// neighbours are the load of every case here.
var neighbours = harness.Load{New: 2, Kept: 4, Think: 5 * time.Millisecond, Rest: 5 * time.Millisecond}

// site is an instance whose program, and the program of whose workers, are files
// that other releases replace.
type site struct {
	*harness.Instance
	t    *testing.T
	load *harness.Running
}

// found starts a site with the programs of one release, under load.
func found(t *testing.T, of harness.Release) *site {
	t.Helper()
	s := layRelease(t, of)
	s.load = s.Load(t, neighbours)
	return s
}

// layRelease starts one without a load.
func layRelease(t *testing.T, of harness.Release) *site {
	t.Helper()
	home := harness.Folder(t)
	s := &site{t: t}
	replaceBy(t, filepath.Join(home, "handover"), of.Binary())
	replaceBy(t, filepath.Join(home, "echo"), of.Program("echo"))
	s.Instance = harness.Start(t, harness.Config{
		Binary: filepath.Join(home, "handover"), Command: []string{filepath.Join(home, "echo"), "-behaviour", home},
		Keys: "max_draining = 50\nstate_dir = \"" + filepath.Join(home, "state") + "\"",
	})
	s.is(of)
	return s
}

// replaceBy puts a copy of a file in another's place, by a rename.
func replaceBy(t *testing.T, path, from string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(path+".next", b, 0o755)
	}
	if err == nil {
		err = os.Rename(path+".next", path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s *site) install(r harness.Release) { replaceBy(s.t, s.Config.Binary, r.Binary()) }
func (s *site) installProgram(r harness.Release) {
	replaceBy(s.t, s.Config.Command[0], r.Program("echo"))
}

// is requires a master of a release that serves.
func (s *site) is(r harness.Release) harness.Status {
	s.t.Helper()
	return s.Until(s.t, "a master of the release "+r.Name, within, func(now harness.Status) error {
		if now.Master.Version != r.Name {
			return harness.Unless(false, "it is of %q", now.Master.Version)
		}
		return harness.Serving(now)
	})
}

// run runs a command of a release for the instance.
func (s *site) run(r harness.Release, words ...string) harness.Result {
	s.t.Helper()
	return harness.Do(s.t, r.Binary(), append([]string{words[0], "-c", s.ConfigFile()}, words[1:]...)...)
}

// must requires that a command is done.
func (s *site) must(r harness.Release, words ...string) {
	s.t.Helper()
	if got := s.run(r, words...); got.Exit != 0 {
		s.t.Errorf("%s of the release %s: %v, want exit 0", words[0], r.Name, got)
	}
}

// handOver hands over to the release on disk by HUP.
func (s *site) handOver(to harness.Release) {
	s.t.Helper()
	s.install(to)
	renew(s.t, s.Instance)
	s.is(to)
	s.more()
}

// more has the load go on for a while.
func (s *site) more() {
	s.t.Helper()
	if s.load != nil {
		s.load.More(s.t, 20)
	}
}

// work has the master do all that there is to do, asked by commands of both
// releases, and kills it.
func (s *site) work(present, other harness.Release) {
	s.t.Helper()
	for _, of := range []harness.Release{present, other} {
		first := s.Certs.Renew()
		s.must(of, "reload")
		served(s.t, s.Instance, first)
		second := s.Certs.Renew()
		s.must(of, "check")
		s.must(of, "rotate")
		served(s.t, s.Instance, second)
		s.must(of, "certs", "rollback")
		served(s.t, s.Instance, first)
		s.must(of, "status")
		s.must(of, "certs")
	}
	s.must(other, "scale", "3")
	s.workers(3)
	victim := s.is(present).Master.Pid
	kill(s.t, victim)
	s.Until(s.t, "another master", within, func(now harness.Status) error {
		return harness.Unless(now.Master.Pid != victim && harness.Serving(now) == nil, "%+v", now)
	})
	s.is(present)
	s.workers(3)
	s.must(other, "reopen")
	s.must(other, "scale", "2")
	s.workers(2)
	s.more()
}

func (s *site) workers(want int) {
	s.t.Helper()
	s.Until(s.t, "workers", within, func(now harness.Status) error {
		return harness.Unless(len(now.Workers) == want && harness.Serving(now) == nil, "%+v, want %d", now.Workers, want)
	})
}

// end requires that the load lost nothing, and that what is left is in order.
func (s *site) end() {
	s.t.Helper()
	s.Until(s.t, "settled", within, harness.Settled)
	exactly(s.t, s.Instance)
	s.load.Stop().NothingLost(s.t)
}

// Not parallel: each case has a load of its own.
func TestAHandoverToAnotherReleaseAndBackLosesNothing(t *testing.T) {
	heavy(t)
	for name, releases := range map[string]func(t *testing.T) (anchor, other harness.Release){
		"OldAnchorNewMaster": func(t *testing.T) (anchor, other harness.Release) {
			return harness.ReleaseBefore(t), harness.ReleasePresent(t)
		},
		"NewAnchorOldMaster": func(t *testing.T) (anchor, other harness.Release) {
			return harness.ReleasePresent(t), harness.ReleaseBefore(t)
		},
		"AnchorMasterOfTheNext": func(t *testing.T) (anchor, other harness.Release) {
			return harness.ReleasePresent(t), harness.ReleaseAfter(t)
		},
		"AnchorOfTheNextMaster": func(t *testing.T) (anchor, other harness.Release) {
			return harness.ReleaseAfter(t), harness.ReleasePresent(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			anchor, other := releases(t)
			s := found(t, anchor)
			// Its worker drains under the other release, and under its own again.
			slow := begin(t, s.Instance, 4*time.Second)
			s.handOver(other)
			s.work(other, anchor)
			s.handOver(anchor)
			s.work(anchor, other)
			s.handOver(other)
			slow.completes(t)
			s.end()
		})
	}
}

// A killed master is replaced by what lies on disk, without a HUP.
func TestAMasterThatIsKilledIsReplacedByAnotherReleaseFromItsStore(t *testing.T) {
	heavy(t)
	present := harness.ReleasePresent(t)
	others := []harness.Release{harness.ReleaseAfter(t), present, harness.ReleaseBefore(t), present}
	s := found(t, present)
	for _, next := range others {
		s.install(next)
		kill(t, master(t, s.Instance))
		s.is(next)
		served(t, s.Instance, s.First)
		s.more()
	}
	s.end()
}

func TestAWorkerProgramOfANeighbouringReleaseServes(t *testing.T) {
	heavy(t)
	present := harness.ReleasePresent(t)
	others := []harness.Release{harness.ReleaseBefore(t), harness.ReleaseAfter(t)}
	s := found(t, present)
	for _, of := range others {
		s.installProgram(of)
		s.must(present, "reload")
		pair := s.Certs.Renew()
		s.must(present, "rotate")
		served(t, s.Instance, pair)
		s.must(present, "scale", "3")
		s.workers(3)
		s.must(present, "scale", "2")
		s.workers(2)
		s.more()
	}
	s.end()
}

func TestAWorkerProgramOfADistantReleaseIsRefusedBeforeAClientMeetsIt(t *testing.T) {
	heavy(t)
	present, distant := harness.ReleasePresent(t), harness.ReleaseTwoAfter(t)
	s := found(t, present)
	before := s.is(present)
	s.installProgram(distant)
	got := s.run(present, "reload")
	refusedAsDistant(t, got, "build the program against the release that runs it")
	untouched(t, s.Instance, before)
	// Nor one that is started later: those that serve do not notice.
	s.must(present, "scale", "3")
	harness.Until(t, "the reason in the log", within, func() error {
		return harness.Unless(strings.Contains(s.Output(), "build the program against"), "%s", s.Output())
	})
	s.more()
	s.installProgram(present)
	s.workers(3)
	s.must(present, "reload")
	s.end()
}

// refusedAsDistant requires exit 70 and a message with both versions and what to do.
func refusedAsDistant(t *testing.T, got harness.Result, remedy string) {
	t.Helper()
	said := got.Stdout + got.Stderr
	if got.Exit != 70 || !strings.Contains(said, "this program speaks ") || !strings.Contains(said, remedy) {
		t.Errorf("reload with a distant release: %v, want exit 70, both versions and %q", got, remedy)
	}
}

func TestADistantReleaseIsRefusedBeforeAClientNotices(t *testing.T) {
	heavy(t)
	present, distant := harness.ReleasePresent(t), harness.ReleaseTwoAfter(t)
	s := found(t, present)
	before := s.is(present)
	s.install(distant)
	refusedAsDistant(t, s.run(present, "reload"), "restart the service")
	asked := time.Now()
	s.Signal(syscall.SIGHUP)
	s.Until(t, "HUP", within, harness.Ended("failed", asked))
	untouched(t, s.Instance, before)
	// Nor does its command do anything.
	if got := s.run(distant, "stop"); got.Exit != 1 || !strings.Contains(got.Stderr, "is of another release") || !strings.Contains(got.Stderr, "hint: ") {
		t.Errorf("stop of a distant release: %v, want exit 1, the reason and a hint", got)
	}
	untouched(t, s.Instance, before)
	// In place of a killed master it gives up, and the anchor goes on with its own.
	kill(t, before.Master.Pid)
	s.Until(t, "another master", within, func(now harness.Status) error {
		return harness.Unless(now.Master.Pid != before.Master.Pid && harness.Serving(now) == nil, "%+v", now)
	})
	s.is(present)
	s.install(present)
	s.must(present, "reload")
	s.end()
}

func TestWhatANewerReleaseStoredIsClosedWithItsGeneration(t *testing.T) {
	heavy(t)
	present, next := harness.ReleasePresent(t), harness.ReleaseAfter(t)
	s := layRelease(t, present)
	s.handOver(present)
	before := count(t, s.Instance)
	for range 3 {
		s.handOver(next)
		s.handOver(present)
	}
	if after := count(t, s.Instance); after.anchor != before.anchor || after.processes != before.processes {
		t.Errorf("descriptors and processes: got %+v after three handovers to the next release and back, want %+v", after, before)
	}
}

// What a key means only the newer release knows: the older one says so at a
// reload, and in place of a killed master serves what was accepted without it.
func TestAKeyOfANewerReleaseIsRefusedAtAReloadAndPassedOverAfterACrash(t *testing.T) {
	heavy(t)
	present, next := harness.ReleasePresent(t), harness.ReleaseAfter(t)
	s := found(t, next)
	plain, config := s.Config, s.Config
	config.Keys += "\nweather = \"foul\""
	s.Configure(config)
	s.must(next, "reload")
	before := s.is(next)
	s.install(present)
	if got := s.run(next, "reload"); got.Exit != 78 || !strings.Contains(got.Stderr, `unknown key "weather"`) {
		t.Errorf("reload to an older release: %v, want exit 78 for the key", got)
	}
	untouched(t, s.Instance, before)
	kill(t, before.Master.Pid)
	s.is(present)
	served(t, s.Instance, s.First)
	s.more()
	// The way to it again: the running release judges the config first.
	s.install(next)
	if got := s.run(next, "reload"); got.Exit != 78 || !strings.Contains(got.Stderr, "reload once without it, then with it") {
		t.Errorf("reload to a newer release with its key: %v, want exit 78 and the way", got)
	}
	s.Configure(plain)
	s.must(present, "reload")
	s.is(next)
	s.Configure(config)
	s.must(next, "reload")
	s.end()
}
