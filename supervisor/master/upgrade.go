package master

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"example.com/handover/supervisor/handover"
	"example.com/handover/supervisor/process"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// Around the boot timeout of the workers a successor may settle and prove.
const (
	settleMargin = 10 * time.Second
	proofMargin  = 10 * time.Second
)

// successor is the master that boots under this one.
type successor struct {
	deadline time.Time
	report   *os.File // read end
	write    *os.File // our copy of the write end
	handoff  *os.File // write end; its end tells the successor that we are gone
	reader   sync.WaitGroup
	failure  *failure
	made     []string
	relays   bool // it passes on what workers write

	mu      sync.Mutex
	lines   []reportLine // said and not heard yet
	overdue bool
}

// reportLine is what a successor says while it boots.
type reportLine struct {
	Step *status.Step `json:"step,omitempty"`
	Fail *failure     `json:"fail,omitempty"`
	Made string       `json:"made,omitempty"` // a path, to be removed if the boot fails

	Relays bool `json:"relays,omitempty"` // it reads the pipes of words; the release before does not
}

// failure says why a generation could not boot.
type failure struct {
	Error    string         `json:"error"`
	Hint     string         `json:"hint"`
	ExitCode int            `json:"exit_code"`
	Checks   []status.Check `json:"checks"`
}

// upgrade starts the successor. Its fate comes back as an event.
func (m *master) upgrade() {
	m.mailbox.stop()
	s, err := m.prepareSuccessor()
	if err != nil {
		m.upgraded(err)
		return
	}
	m.successor = s
	s.reader.Go(func() { m.readReport(s) })
	// tableflip passes our environment on; the role was taken out of it at start.
	_ = os.Setenv(wire.RoleVariable, wire.RoleMaster)
	go func() {
		err := m.hold.upgrader.Upgrade()
		m.post(func() { m.upgraded(err) })
	}()
}

func (m *master) prepareSuccessor() (*successor, error) {
	s := &successor{deadline: time.Now().Add(settleMargin + m.candidate.config.BootTimeout + proofMargin)}
	var err error
	if s.report, s.write, err = wire.Pipe(nameReport); err != nil {
		return nil, err
	}
	handoff, write, err := wire.Pipe(nameHandoff)
	if err != nil {
		s.close()
		return nil, err
	}
	s.handoff = write
	known := m.snapshot()
	known.Judged = fingerprintOf(m.candidate.config)
	changed := m.candidate.bundle.Changed(m.bundle)
	known.Changed = changed[:min(len(changed), maxProven)]
	known.Hooks = m.handHooks()
	defer m.forgetHooks(known.Hooks)
	m.hold.files[nameReport], m.hold.files[nameHandoff] = s.write, handoff
	m.hold.files[nameBundle], m.hold.files[nameJudged] = m.bundle.File(), m.candidate.bundle.File()
	delete(m.hold.files, nameState)
	// A release that knows no admin socket must not take it over: nobody would
	// answer there. One that does asks for it by its name.
	known.Descriptors = slices.DeleteFunc(m.hold.names(), func(name string) bool { return strings.HasPrefix(name, prefixAdmin) })
	_, f, err := known.encode()
	if err == nil {
		m.hold.files[nameState] = f
		err = m.hold.pass()
		m.anchor.store(nameState, f) // a reload runs: whoever comes after a crash begins it again
		m.hold.drop(nameState)
	}
	for _, name := range []string{nameReport, nameBundle, nameJudged} {
		delete(m.hold.files, name) // they are closed by their owners
	}
	m.hold.drop(nameHandoff)
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *successor) close() {
	for _, f := range []*os.File{s.report, s.write, s.handoff} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// readReport collects what the successor says and shows it at once to those who
// follow.
func (m *master) readReport(s *successor) {
	lines := bufio.NewScanner(s.report)
	lines.Buffer(nil, wire.MaxMessage)
	for lines.Scan() {
		s.note(lines.Bytes())
		// The loop may be waiting for this goroutine, which so must not wait for it.
		m.post1(func() { m.hear(s) })
	}
}

func (s *successor) note(text []byte) {
	var line reportLine
	if json.Unmarshal(text, &line) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

// hear takes what the successor has said since the last time.
func (m *master) hear(s *successor) {
	s.mu.Lock()
	lines := s.lines
	s.lines = nil
	s.mu.Unlock()
	for _, line := range lines {
		if line.Step != nil && m.current != nil && m.successor == s {
			m.current.add(*line.Step)
		}
		if line.Fail != nil {
			s.failure = line.Fail
		}
		s.relays = s.relays || line.Relays
		if line.Made != "" {
			s.made = append(s.made, line.Made)
		}
	}
}

// upgraded is how Upgrade ended.
func (m *master) upgraded(err error) {
	_ = os.Unsetenv(wire.RoleVariable)
	s := m.successor
	if err == nil {
		m.step(handover.Upgraded)
		return
	}
	f := failure{Error: err.Error(), ExitCode: status.ExitGeneration}
	if s != nil {
		s.finish()
		m.hear(s)
		f = s.judge(err)
		s.close()
		for _, path := range s.made {
			_ = os.Remove(path)
		}
	}
	m.successor = nil
	m.hooks.Resume()
	m.forgetGeneration(m.generation + 1)
	// What was passed to the dead successor is closed by its finalizers.
	runtime.GC()
	m.hearStop()
	if m.machine.State() == handover.Stopping {
		m.step(handover.UpgradeFailed)
		return
	}
	outcome := status.OutcomeFailed
	if f.ExitCode == status.ExitRefused || f.ExitCode == status.ExitConfig {
		outcome = status.OutcomeRefused
	}
	if m.current != nil {
		m.current.Record.Checks = append(m.current.Record.Checks, f.Checks...)
		m.refuse(outcome, f.Error, f.Hint, f.ExitCode)
	}
	if m.machine.State() != handover.Lingering { // what comes during a stop is nobody's
		m.readMail()
	}
	m.step(handover.UpgradeFailed)
}

// finish ends the reader and takes what still lies in the pipe.
func (s *successor) finish() {
	_ = s.report.SetReadDeadline(time.Unix(1, 0))
	s.reader.Wait()
	for line := range bytes.Lines(drained(s.report)) {
		s.note(line)
	}
}

// judge says why the successor failed: in its own words, if it left any.
func (s *successor) judge(err error) failure {
	if s.failure != nil {
		return *s.failure
	}
	f := failure{Error: fmt.Sprintf("new master: %v", err), ExitCode: status.ExitGeneration}
	if s.overdue {
		f.Error = "new master was not ready in time and was killed"
		f.Hint = "boot_timeout limits how long workers may take"
	}
	return f
}

// drained returns what still lies in a pipe whose reader was stopped.
func drained(f *os.File) []byte {
	var all []byte
	buf := make([]byte, 4096)
	for {
		n, err := unix.Read(wire.Descriptor(f), buf)
		if n <= 0 || (err != nil && !errors.Is(err, unix.EINTR)) {
			return all
		}
		all = append(all, buf[:n]...)
	}
}

// cutSuccessor kills a successor that takes too long; tableflip then says that
// it has ended.
func (m *master) cutSuccessor(now time.Time) {
	s := m.successor
	if s == nil || s.overdue || now.Before(s.deadline) {
		return
	}
	s.overdue = true
	s.deadline = time.Time{}
	for _, pid := range m.strangers() {
		if p, err := process.Find(pid, 0); err == nil {
			_ = p.Signal(syscall.SIGKILL)
			_ = p.Close()
		}
	}
}

// strangers returns our children that are no workers: the successor.
func (m *master) strangers() []int {
	known := map[int]bool{}
	for _, w := range m.workers {
		known[w.process.Pid] = true
	}
	var pids []int
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, task := range tasks {
		text, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil && !known[pid] {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// handOn leaves everything to the successor and ends the process at once.
func (m *master) handOn() {
	moved := status.Event{Moved: true}
	for _, r := range m.rotations {
		r.part(moved)
	}
	m.current.part(moved)
	m.next.part(moved)
	m.closeServer()
	m.hooks.Close() // what they say from here on the successor reads
	m.leaveRelays()
	words := m.snapshot()
	words.Hooks, _ = m.hooks.Pause()
	words.Unsaid, words.Counts = m.output.leave(), m.counts() // in this order: what it leaves is counted
	if words, f, err := words.encode(); err == nil {
		_ = f.Close()
		_ = m.successor.handoff.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = m.successor.handoff.Write(words)
	}
	m.leaveAdmin()
	m.dropListeners()
	endPipes()
	m.leave(0)
}

// endPipes closes every pipe of a process that is about to exit. The successor
// waits for their ends, and the kernel closes them only after it has taken the
// memory down, which takes longer than all else in a handover (2 ms, measured).
func endPipes() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, entry := range entries {
		var st unix.Stat_t
		fd, err := strconv.Atoi(entry.Name())
		if err == nil && fd >= wire.FirstDescriptor && unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO {
			_ = unix.Close(fd)
		}
	}
}

// forgetGeneration has the anchor close what a failed successor stored.
func (m *master) forgetGeneration(generation int) {
	for _, name := range []string{nameServe, nameAccepting, nameGone, nameCounters, nameMeters} {
		m.anchor.forget(ofGeneration(name, generation))
	}
}
