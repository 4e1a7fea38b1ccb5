package master

import (
	"errors"
	"strings"
	"testing"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/handover"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// cuttingOver is a master whose workers accept, and the other end of its notify pair.
func cuttingOver(t *testing.T) (*master, *wire.Packets) {
	t.Helper()
	a, b, err := wire.Socketpair(unix.SOCK_SEQPACKET, nameNotify)
	if err != nil {
		t.Fatal(err)
	}
	own, errOwn := wire.NewPackets(a)
	anchor, err := wire.NewPackets(b)
	if err := errors.Join(err, errOwn); err != nil {
		t.Fatal(err)
	}
	m := &master{
		options: Options{Load: func() (*config.Config, error) { return nil, errors.New("no config") }},
		config:  config.Default(), bundle: &cert.Bundle{}, anchor: &anchorLink{packets: own},
		machine: handover.New(false), events: make(chan func()), over: make(chan struct{}),
	}
	close(m.over)
	m.machine.Step(handover.Proved)
	t.Cleanup(func() { _, _ = own.Close(), anchor.Close() })
	return m, anchor
}

func TestAKilledMastersReloadIsNotOverForTheServiceManagerBeforeItBeginsAgain(t *testing.T) {
	t.Parallel()
	m, anchor := cuttingOver(t)
	m.next = newReload(bySignal, nil)
	m.step(handover.ReloadAsked)
	m.lookCutOver()
	packet, err := anchor.Receive()
	if got := string(packet.Data); err != nil || !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("got %q, %v, want RELOADING=1 with its time and no READY=1 before it", got, err)
	}
}

func TestAStartIsOverForTheServiceManagerAtTheCutover(t *testing.T) {
	t.Parallel()
	m, anchor := cuttingOver(t)
	m.lookCutOver()
	packet, err := anchor.Receive()
	if got := string(packet.Data); err != nil || !strings.HasPrefix(got, "READY=1\n") {
		t.Errorf("got %q, %v, want READY=1", got, err)
	}
}

func TestOfAReloadTheEndIsToldThoughNobodyWaitsForIt(t *testing.T) {
	t.Parallel()
	again := status.Reload{Kind: status.KindReload, AskedBy: byDeferral, Outcome: status.OutcomeRefused, Error: "read config: no"}
	m := &master{ended: []*ended{{reload: &reload{Record: again}}}}
	if m.idle(again) {
		t.Error("a reload that is refused as before: got idle, want told: RELOADING=1 was said")
	}
	again.Kind = status.KindRotate
	if !m.idle(again) {
		t.Error("a rotation that is refused as before: got told, want idle")
	}
}
