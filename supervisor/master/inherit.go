package master

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/handover"
	"example.com/handover/worker/wire"
	"github.com/cloudflare/tableflip"
	"golang.org/x/sys/unix"
)

// The names under which descriptors travel, from the anchor's store as well as
// through tableflip. Those of a generation carry its number: "gone.7".
const (
	nameStop      = "stop"
	nameMailR     = "mailbox.read"
	nameMailW     = "mailbox.write"
	nameNotify    = "notify"
	nameControl   = "control"
	namePidFile   = "pidfile"
	nameState     = "state"
	nameConfig    = "config"
	nameBundle    = "bundle" // served
	nameJudged    = "judged" // by the predecessor, for this handover
	nameReport    = "report"
	nameHandoff   = "handoff"
	nameServe     = "serve"
	nameAccepting = "accepting"
	nameGone      = "gone"
	nameCounters  = "counters"
	nameMeters    = "meters"
	prefixListen  = "listen."
	prefixAdmin   = "admin."
	prefixHook    = "hook."
	prefixWords   = "words."
	prefixCtl     = "ctl."
)

// beyond every boot timeout: the loop keeps the real deadline.
const tableflipTimeout = 24 * time.Hour

func ofGeneration(name string, generation int) string {
	return name + "." + strconv.Itoa(generation)
}

// listenName is the name of a listening socket: addresses hold colons, which
// names may not.
func listenName(address string) string {
	return prefixListen + hex.EncodeToString([]byte(address))
}

// holding is every descriptor that a successor or a restarted master would
// need. The files stay reachable here: the garbage collector closes a lifeline
// that nobody holds.
type holding struct {
	upgrader *tableflip.Upgrader
	files    map[string]*os.File
	passed   map[string]bool // known to tableflip, which never forgets
}

// inherit takes over what the predecessor or, after a crash, the anchor left.
func (m *master) inherit() error {
	upgrader, err := tableflip.New(tableflip.Options{UpgradeTimeout: tableflipTimeout})
	if err != nil {
		return fmt.Errorf("prepare handover: %v", err)
	}
	h := &holding{upgrader: upgrader, files: map[string]*os.File{}, passed: map[string]bool{}}
	m.hold = h
	// tableflip leaves the pipes to its parent open for whatever is started here.
	if h.hasParent() {
		for _, fd := range []int{wire.FirstDescriptor, wire.FirstDescriptor + 1} {
			unix.CloseOnExec(fd)
		}
	}
	_ = os.Unsetenv("TABLEFLIP_HAS_PARENT_7DIU3")
	for _, name := range wire.Inherited() {
		h.files[name] = wire.Take(name)
	}
	if m.options.Boot == nil {
		m.early = ahead(m.options.Load) // while the rest is taken over; what was inherited it does not look at any more
	}
	if err := h.claim(nameReport); err != nil {
		return err
	}
	m.steps = &reporter{file: h.files[nameReport]} // from here on a failure reaches whoever asked
	if err := judgeAnchor(); err != nil {
		return err
	}
	if err := h.claim(nameState); err != nil {
		return err
	}
	if f := h.files[nameState]; f != nil {
		if m.past, err = readState(f); err != nil {
			return err
		}
	}
	for _, name := range m.past.Descriptors {
		if name == nameReport || strings.HasPrefix(name, prefixListen) {
			continue // claimed by who wants it: tableflip closes the others, a copy would keep clients waiting
		}
		if err := h.claim(name); err != nil {
			return err
		}
	}
	if !h.hasParent() && m.past.Generation > 0 {
		m.past.Counts.MasterRestarts++
	}
	m.generation = h.nextGeneration(m.past.Generation)
	if m.anchor, err = newAnchorLink(h); err != nil {
		return err
	}
	m.mailbox = &mailbox{read: h.files[nameMailR], write: h.files[nameMailW]}
	if m.mailbox.read == nil || m.mailbox.write == nil || h.files[nameStop] == nil {
		return errors.New("start master: descriptors of the anchor are missing: it is started by the anchor alone")
	}
	return nil
}

// ahead begins to load a config at once. What is returned waits for it.
func ahead(load func() (*config.Config, error)) func() (*config.Config, error) {
	var c *config.Config
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err = load()
	}()
	return func() (*config.Config, error) {
		<-done
		return c, err
	}
}

// nextGeneration is one more than that of the past, and of whatever is left of others.
func (h *holding) nextGeneration(past int) int {
	last := max(past, 0)
	for name := range h.files {
		last = max(last, generationOf(name))
	}
	return last + 1
}

func (h *holding) hasParent() bool { return h.upgrader.HasParent() }

// claim takes a descriptor from tableflip, if the predecessor passed it.
func (h *holding) claim(name string) error {
	if !h.hasParent() {
		return nil
	}
	f, err := h.upgrader.Fds.File(name)
	if err != nil {
		return fmt.Errorf("take over descriptor %q: %v", name, err)
	}
	if f != nil {
		h.files[name] = f
		h.passed[name] = true
	}
	return nil
}

// names returns what a successor takes over. It reads the config from the disk:
// the accepted one is for a restarted master alone.
func (h *holding) names() []string {
	names := make([]string, 0, len(h.files))
	for name := range h.files {
		if name != nameConfig {
			names = append(names, name)
		}
	}
	return names
}

// passedAnew belongs to one handover each time.
var passedAnew = []string{nameState, nameReport, nameHandoff, nameBundle, nameJudged}

// pass gives tableflip everything that a successor takes over. What belongs to
// one handover is passed anew each time.
func (h *holding) pass() error {
	for _, name := range h.names() {
		once := slices.Contains(passedAnew, name) || strings.HasPrefix(name, prefixHook)
		if h.passed[name] && !once {
			continue
		}
		if err := h.upgrader.Fds.AddFile(name, h.files[name]); err != nil {
			return fmt.Errorf("pass descriptor %q on: %v", name, err)
		}
		h.passed[name] = true
	}
	return nil
}

// drop closes a descriptor that is over. tableflip keeps its copy until the
// next handover; nothing waits for the end of those.
func (h *holding) drop(name string) {
	if f := h.files[name]; f != nil {
		_ = f.Close()
		delete(h.files, name)
	}
}

// generationOf returns the number in "gone.7", or 0.
func generationOf(name string) int {
	kind, number, ok := strings.Cut(name, ".")
	if !ok || (kind != nameGone && kind != nameAccepting && kind != nameCounters && kind != nameMeters) {
		return 0
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return 0
	}
	return n
}

// watchParent posts the end of the predecessor, with what it said last.
func (m *master) watchParent() {
	if !m.hold.hasParent() {
		return
	}
	handoff := m.hold.files[nameHandoff]
	go func() {
		var words []byte
		if handoff != nil {
			words, _ = io.ReadAll(handoff)
		}
		_ = m.hold.upgrader.WaitForParent(context.Background())
		m.post(func() {
			m.takeWords(words)
			m.orphaned = true
			m.adoptRelays()
			m.step(handover.ParentGone)
		})
	}()
}

// takeWords replaces what the predecessor knew when the handover began by what
// it knew when it left. One that was killed left nothing, and is counted here: the
// anchor starts no other in its place.
func (m *master) takeWords(words []byte) {
	if len(words) == 0 {
		m.past.Counts.MasterRestarts++
		return
	}
	last, err := decodeState(words)
	if err != nil {
		m.log.Warn("predecessor left unreadable words", "error", err)
		return
	}
	m.output.to.Owe(last.Unsaid)
	last.Descriptors = m.past.Descriptors
	if own, other := m.past.Current, last.Current; own != nil && other != nil && len(own.Record.Steps) > len(other.Record.Steps) {
		other.Record.Steps = own.Record.Steps // it left before it had heard all of ours
	}
	if m.config != nil {
		last.Tickets = m.past.Tickets // which the own workers have
	}
	if m.config != nil && !(last.Scaled && last.WantConfig == m.config.Workers) {
		last.Want, last.WantConfig, last.Scaled = m.past.Want, m.past.WantConfig, m.past.Scaled
	}
	m.past = last
}
