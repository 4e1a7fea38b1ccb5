package worker

import (
	"fmt"
	"strings"
	"testing"

	"example.com/handover/worker/wire"
)

// sayRaw sends a datagram as another release would.
func (m *master) sayRaw(format string, args ...any) {
	m.t.Helper()
	check(m.t, m.ctl.Send(fmt.Appendf(nil, format, args...)))
}

func TestAKindOfMessageThatANeighbourAddedIsPassedOverBeforeAndAfterGo(t *testing.T) {
	t.Parallel()
	s := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{s}})
	dance := func() {
		m.sayRaw(`{"v":%d,"kind":"dance","text":{"steps":[1,2]},"settings":5}`, wire.Version+1)
		m.sayRaw(`{"v":%d,"kind":"sing"}`, wire.Version)
	}
	dance()
	m.admit()
	dance()
	mustPost(t, dial(t, s), 10)
	m.drain()
	m.awaitExit(0)
}

func TestAMasterOfANeighbouringReleaseIsObeyed(t *testing.T) {
	t.Parallel()
	for _, version := range []int{wire.Version - 1, wire.Version + 1} {
		s := listenTLS(t)
		m := start(t, plan{sockets: []testSocket{s}})
		if got := m.hear(); got.Kind != wire.KindReady {
			t.Fatalf("first message: got %q %q, want ready", got.Kind, got.Text)
		}
		m.sayRaw(`{"v":%d,"kind":"go","gently":true}`, version)
		mustPost(t, dial(t, s), 10)
		m.drain()
		m.awaitExit(0)
	}
}

func TestAMasterOfADistantReleaseIsRefusedBeforeAClientIsMet(t *testing.T) {
	t.Parallel()
	for _, version := range []int{wire.Version - 2, wire.Version + 2} {
		s := listenTLS(t)
		m := start(t, plan{sockets: []testSocket{s}})
		if got := m.hear(); got.Kind != wire.KindReady {
			t.Fatalf("first message: got %q %q, want ready", got.Kind, got.Text)
		}
		m.sayRaw(`{"v":%d,"kind":"go"}`, version)
		got := m.hear()
		for _, want := range []string{fmt.Sprint("version ", version), fmt.Sprint("speaks ", wire.Version), wire.HintBuild} {
			if got.Kind != wire.KindFailed || !strings.Contains(got.Text, want) {
				t.Errorf("answer: got %q %q, want failed with %q", got.Kind, got.Text, want)
			}
		}
		m.awaitExit(1)
	}
}
