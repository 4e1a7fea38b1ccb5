package master

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"example.com/handover/supervisor/config"
	"example.com/handover/worker/wire"
)

// silentAnchor is the version of an anchor that does not say one.
const silentAnchor = 2

// judgeAnchor refuses to serve an anchor of a distant release: it lives through
// every handover, so it may lie further back than the predecessor.
func judgeAnchor() error {
	version := silentAnchor
	if said := os.Getenv(wire.AnchorVersionVariable); said != "" {
		n, err := strconv.Atoi(said)
		if err != nil {
			return fmt.Errorf("decode %s: %q is no version", wire.AnchorVersionVariable, said)
		}
		version = n
	}
	return wire.Judge(wire.AnchorVersionVariable, version, wire.HintRestart)
}

// replaced says whether the next master would be another program than this one.
func replaced(path string) bool {
	own, err := os.Stat(self)
	next, nextErr := os.Stat(path)
	return err == nil && nextErr == nil && !os.SameFile(own, next)
}

// withRelease adds to every key that this release does not know how to have the
// one on disk take it: the running master judges a config before the next one
// does.
func withRelease(err error) error {
	const hint = "if it is a key of the release on disk, which is not the running one: reload once without it, then with it"
	var all *config.Error
	if !errors.As(err, &all) {
		return err
	}
	problems := slices.Clone(all.Problems)
	for i := range problems {
		if p := &problems[i]; strings.HasPrefix(p.Message, "unknown key ") {
			p.Hint = strings.TrimPrefix(p.Hint+"; "+hint, "; ")
		}
	}
	return &config.Error{Problems: problems}
}

// strays returns what was inherited of generations that are gone and has no
// meaning to this release: a neighbour added it, and whoever came after that one
// handed it on without knowing when it was over.
func (h *holding) strays(generation int) []string {
	var list []string
	for name := range h.files {
		kind, rest, ok := strings.Cut(name, ".")
		number, _, _ := strings.Cut(rest, ".")
		g, err := strconv.Atoi(number)
		switch {
		case !ok || err != nil || g == generation || h.files[ofGeneration(nameGone, g)] != nil:
		case kind+"." == prefixHook || kind+"." == prefixListen || kind+"." == prefixAdmin: // numbered otherwise
		case kind == "activated": // the anchor's name for what it has from systemd, which numbers it
		case kind == nameServe || kind == nameAccepting || kind == nameGone || kind == nameCounters:
		case kind+"." == prefixWords: // what lies in a pipe of workers outlives them: its own end says when it is over
		default:
			list = append(list, name)
		}
	}
	return list
}

// dropStrays closes them here and in the anchor's store.
func (m *master) dropStrays() {
	for _, name := range m.hold.strays(m.generation) {
		m.hold.drop(name)
		m.anchor.forget(name)
	}
}
