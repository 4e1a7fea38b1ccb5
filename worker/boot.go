package worker

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"example.com/handover/worker/footprint"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// boot is what a worker builds from its settings and inherited descriptors
// before it says ready. It is not changed afterwards, but for what the rotation
// serves.
type boot struct {
	settings wire.Settings
	sockets  []socket
	rotation *rotation   // nil without TLS
	tls      *tls.Config // the rotation's front; nil without TLS
	crowd    crowd
	slot     *wire.Slot
	meter    *wire.Meter   // nil: the master has none
	packets  *wire.Packets // on which the probes come
	log      *slog.Logger
	access   *accessLog // nil: there is none
}

// socket is this worker's copy of one listening socket.
type socket struct {
	net.Listener
	tls bool
}

// assignment is what the master wants of this worker.
type assignment struct {
	settings wire.Settings
	bundle   *os.File // sealed certificates and keys; nil: none
}

func (a assignment) close() {
	if a.bundle != nil {
		_ = a.bundle.Close()
	}
}

func newBoot(a assignment) (*boot, error) {
	defer a.close()
	b := &boot{settings: a.settings, log: newLogger(a.settings)}
	if f := wire.Take(wire.DescriptorAccess); f != nil {
		b.access = newAccessLog(f, a.settings, b.log)
	}
	steps := []func() error{b.mapCounters, b.mapMeters, b.takeProbes, func() error { return b.readBundle(a.bundle) }, b.takeSockets}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func newLogger(settings wire.Settings) *slog.Logger {
	var level slog.Level // info
	_ = level.UnmarshalText([]byte(settings.LogLevel))
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler = slog.NewTextHandler(os.Stderr, options)
	if settings.LogFormat == "json" {
		handler = slog.NewJSONHandler(os.Stderr, options)
	}
	return slog.New(handler).With("worker", settings.Slot, "gen", settings.Generation)
}

func (b *boot) mapCounters() error {
	f, err := take(wire.DescriptorCounters)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	counters, err := wire.MapCounters(f)
	if err != nil {
		return err
	}
	// An earlier worker of this slot may have been killed with clients connected.
	b.slot, b.crowd = counters.Slot(b.settings.Slot), crowd{counters, b.settings.Slot}
	b.slot.Requests.Store(0)
	b.slot.Connections.Store(0)
	b.slot.Heartbeat.Store(0)
	b.slot.Accepting.Store(0)
	return nil
}

// mapMeters does without if the master is of a release that has none.
func (b *boot) mapMeters() error {
	f := wire.Take(wire.DescriptorMeters)
	if f == nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	meters, err := wire.MapMeters(f)
	if err != nil {
		return err
	}
	b.meter = meters.Slot(b.settings.Slot)
	b.meter.Reset()
	if b.access != nil {
		b.access.meter = b.meter
	}
	return nil
}

func (b *boot) takeProbes() error {
	f, err := take(wire.DescriptorProbe)
	if err != nil {
		return err
	}
	b.packets, err = wire.NewPackets(f)
	return err
}

// readBundle builds the TLS configuration, if there are certificates.
func (b *boot) readBundle(f *os.File) error {
	if f == nil {
		return nil
	}
	mapped, err := wire.OpenBundle(f)
	if err != nil {
		return err
	}
	if mapped.Len() == 0 {
		return mapped.Close()
	}
	if b.rotation, err = newRotation(b.settings, mapped); err != nil {
		return err
	}
	b.tls = b.rotation.front
	return nil
}

func (b *boot) takeSockets() error {
	for _, setting := range b.settings.Listeners {
		if setting.TLS && b.tls == nil {
			return fmt.Errorf("listen on %q: tls without a certificate", setting.Address)
		}
		f, err := take(setting.Descriptor)
		if err != nil {
			return fmt.Errorf("listen on %q: %v", setting.Address, err)
		}
		// FileListener duplicates the descriptor and leaves it non-blocking: f was
		// made by wire.NewFile, so its Fd does not change the mode.
		listener, err := net.FileListener(f)
		_ = f.Close()
		if err != nil {
			return fmt.Errorf("listen on %q: %v", setting.Address, err)
		}
		b.sockets = append(b.sockets, socket{Listener: listener, tls: setting.TLS})
	}
	return nil
}

// take returns an inherited descriptor that has to be there.
func take(name string) (*os.File, error) {
	f := wire.Take(name)
	if f == nil {
		return nil, fmt.Errorf("take descriptor %q: not among the inherited (%s)", name, strings.Join(wire.Inherited(), ", "))
	}
	return f, nil
}

// beat writes the heartbeat once a second until the process ends. It takes part
// in nothing else: a worker that does not get to it is hung. Once it has served
// for a second it gives back what its start took.
func (b *boot) beat(started <-chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	trimmed := false
	for {
		var now unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err == nil {
			b.slot.Heartbeat.Store(now.Nano())
		}
		<-ticker.C
		select {
		case <-started:
			if !trimmed {
				trimmed = true
				footprint.Trim()
			}
		default:
		}
	}
}
