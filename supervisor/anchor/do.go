package anchor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"

	"example.com/handover/supervisor/notify"
	"example.com/handover/supervisor/process"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// heard is what came over a notify pair.
type heard struct {
	pid     int
	message notify.Message
	files   []*os.File
	ended   bool
	err     error
}

func (l *loop) carryOut(actions []action) {
	for _, a := range actions {
		switch a := a.(type) {
		case start:
			l.start(a.own)
		case post:
			if err := l.mailbox.post(a.code); err != nil {
				l.log.Error("mailbox full: intent dropped", "error", err)
			}
		case kill:
			l.kill(a)
		case endStop:
			l.endStop(a.quick)
		case quit:
			for _, p := range l.masters {
				_ = p.Signal(syscall.SIGQUIT)
			}
		case hangUp:
			l.log.Warn("masters are silent", "action", "hang up")
			l.hangUp()
		case keep:
			l.keep(a.name)
		case forget:
			l.store.drop(a.name)
			delete(l.leftovers, a.name)
		case empty:
			l.store.empty()
		case relay:
			l.relay(a.Message)
		case sweep:
			for _, pid := range sweepDescendants() {
				l.log.Warn("descendant killed", "pid", pid)
			}
		case exit:
			l.exited, l.code = true, a.code
		}
	}
}

// start starts a master with a notify pair of its own and everything that is
// stored but the serve ends: those of a dead master's generation must end when
// its successor says so, not when its successor dies.
func (l *loop) start(own bool) {
	p, err := l.tryStart(own)
	if err != nil {
		l.log.Error("master not started", "error", err)
		if l.starts == 0 {
			l.err = err
		}
		l.happened(refused{})
		return
	}
	l.starts++
	l.childless = false
	l.masters[p.Pid] = p
	level := slog.LevelDebug
	if l.starts > 1 {
		level = slog.LevelWarn // one was lost
	}
	l.log.Log(context.Background(), level, "master started", "pid", p.Pid, "start", l.starts)
	l.happened(started{p.Pid})
}

func (l *loop) tryStart(own bool) (*process.Process, error) {
	mine, masters, err := wire.Socketpair(unix.SOCK_SEQPACKET, wire.DescriptorNotify)
	if err != nil {
		return nil, err
	}
	// Once the masters alone have it, their end is its end.
	defer func() { _ = masters.Close() }()
	packets, err := wire.NewPackets(mine)
	if err != nil {
		return nil, err
	}
	err = packets.WantCredentials()
	var p *process.Process
	if err == nil {
		p, err = l.exec(masters, own)
	}
	if err != nil {
		_ = packets.Close()
		return nil, err
	}
	l.packets = packets
	l.receiver.Go(func() { l.receive(packets) })
	return p, nil
}

// exec starts argv[0], or the anchor's own binary where that is asked for or
// argv[0] cannot be executed: it was deleted, or replaced by garbage.
func (l *loop) exec(masters *os.File, own bool) (*process.Process, error) {
	stored, done, err := l.store.files("serve.")
	defer done()
	if err != nil {
		return nil, err
	}
	spec := process.Spec{
		Path: l.path, Args: l.args, Env: l.env.masters, Role: wire.RoleMaster,
		Files: append([]process.Named{
			{Name: wire.DescriptorStop, File: l.stopR},
			{Name: wire.DescriptorMailboxRead, File: l.mailbox.r},
			{Name: wire.DescriptorMailboxWrite, File: l.mailbox.w},
			{Name: wire.DescriptorNotify, File: masters},
		}, stored...),
	}
	if !own {
		p, err := process.Start(spec)
		if err == nil || l.starts == 0 {
			return p, err
		}
		l.log.Warn("binary cannot be executed: the running one is used", "error", err)
	}
	spec.Path = "/proc/self/exe"
	return process.Start(spec)
}

// receive reads a notify pair until it ends or is closed.
func (l *loop) receive(packets *wire.Packets) {
	for {
		packet, err := packets.Receive()
		h := heard{pid: packet.Pid, files: packet.Files}
		var network *net.OpError
		switch {
		case errors.Is(err, io.EOF):
			h.ended = true
		case errors.As(err, &network):
			h.ended, h.err = true, err // what fails once may fail for ever
		case err != nil:
			h.err = err // a datagram of somebody's other release
		default:
			h.message, h.err = notify.Decode(packet.Data)
		}
		select {
		case l.heard <- h:
		case <-l.done:
			packet.Close()
			return
		}
		if h.ended {
			return
		}
	}
}

func (l *loop) kill(k kill) {
	p, known := l.masters[k.pid]
	if !known {
		return
	}
	err := p.Signal(syscall.SIGKILL)
	if err == nil {
		l.log.Error("master killed", "pid", k.pid, "reason", k.reason)
	} else if !errors.Is(err, os.ErrProcessDone) {
		l.log.Error("master not killed", "pid", k.pid, "reason", k.reason, "error", err)
	}
	l.releaseUnlessChild(k.pid)
}

// endStop ends the stop pipe. A byte left lying in it says that it is urgent.
func (l *loop) endStop(quick bool) {
	if quick {
		_, _ = l.stopW.Write([]byte{'q'})
	}
	_ = l.stopW.Close()
}

func (l *loop) keep(name string) {
	if len(l.passed) == 0 {
		l.log.Warn("notification refused", "error", fmt.Errorf("FDSTORE=1 %q without a descriptor", name))
		return
	}
	fd, err := duplicate(wire.Descriptor(l.passed[0]))
	if err != nil {
		l.log.Error("descriptor not stored", "name", name, "error", err)
		return
	}
	l.store.put(name, fd)
	l.leftovers.note(name, fd)
}

func (l *loop) relay(message notify.Message) {
	fd := -1
	if message.Store != "" {
		stored, ok := l.store[message.Store]
		if !ok {
			message.Store = ""
		} else {
			fd = stored
		}
	}
	if err := l.systemd.send(message, fd); err != nil {
		l.log.Warn("systemd not told", "error", err)
	}
}
