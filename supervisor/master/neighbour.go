package master

import (
	"fmt"
	"os"
	"strconv"
	"strings"

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
		case kind+"." == prefixHook || kind+"." == prefixListen: // numbered otherwise
		case kind == nameServe || kind == nameAccepting || kind == nameGone || kind == nameCounters:
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
