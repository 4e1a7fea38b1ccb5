package master

import (
	"testing"

	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
)

// passedOn is what has ended as the next master has it.
func passedOn(t *testing.T, all []*ended) []*ended {
	t.Helper()
	b, err := state{Version: wire.Version, Ended: all, Descriptors: []string{"a"}}.text()
	if err != nil {
		t.Fatal(err)
	}
	s, err := decodeState(b)
	if err != nil {
		t.Fatal(err)
	}
	return s.Ended
}

func TestWhatHasEndedPassesThroughStatesAsItWas(t *testing.T) {
	t.Parallel()
	m := &master{}
	for _, id := range []string{"a", "b", "c"} {
		r := newReload(bySignal, nil)
		r.Record.ID, r.Record.Outcome = id, status.OutcomeDone
		m.remember(r)
	}
	for range 3 { // from master to master
		m.ended = passedOn(t, m.ended)
	}
	m.last().Record.Confirmed = "yes" // after it was read, and before it is written again
	list := recent(passedOn(t, m.ended))
	if len(list) != 3 || list[0].ID != "c" || list[0].Confirmed != "yes" || list[2].ID != "a" || list[2].Outcome != status.OutcomeDone {
		t.Errorf("got %+v, want c, confirmed, then b and a", list)
	}
}

func TestAReloadThatIsConfirmedAfterTheNextHasEndedPassesOnThatItWas(t *testing.T) {
	t.Parallel()
	m := &master{}
	first, second := newReload(bySignal, nil), newReload(bySignal, nil)
	m.remember(first)
	m.remember(second)
	first.Record.Confirmed = "yes"
	m.rewrite(first)
	if list := recent(passedOn(t, m.ended)); len(list) != 2 || list[1].Confirmed != "yes" {
		t.Errorf("got %+v, want the older one confirmed", list)
	}
}

func TestAnEndThatIsNoneIsPassedOver(t *testing.T) {
	t.Parallel()
	s, err := decodeState([]byte(`{"v":2,"ended":[null,{"record":7},{"record":{"id":"a"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := recent(s.Ended); len(got) != 2 || got[0].ID != "a" {
		t.Errorf("got %+v, want what could be understood", got)
	}
}
