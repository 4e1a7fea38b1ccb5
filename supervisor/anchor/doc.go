// Package anchor is the process whose PID never changes.
//
// It owns what must outlive every master: the signals, the stop pipe, the
// mailbox and the store of descriptors that masters leave with it. It is to a
// master what systemd is to a service, and says what concerns a real systemd
// there. It promises that no signal is lost on its way to a master, that a
// master which dies or hangs is replaced from the store, that no zombie stays,
// and that nothing it started outlives a stop. It refuses to read a config or a
// certificate, to listen, and to speak HTTP: what is immortal is kept tiny.
//
// # Decide and do
//
// The machine (decide.go, phases.go) is given an event and the time and returns
// actions; it knows no process, no descriptor and no clock. The loop (loop.go)
// is one goroutine with one select that owns everything else: it turns signals,
// notifications and exits into events, and carries the actions out.
//
//	phase      one or more masters ...                    left by
//	up         hold the notify pair                       its end
//	last       have ended, a status is awaited            the status, 2 s
//	down       will be started again                      the backoff
//	finishing  are no more; descendants end by themselves the last one, a limit
//	killing    are no more; descendants were killed       the last one, 2 s
//
// # Why
//
// Masters are not counted: one that fails to boot as another's child is reaped
// there and never seen here. The end of all is the end of the notify pair.
//
// The process-wide wait4(-1) belongs to this process alone. It runs in the
// goroutine that also starts masters, so it cannot take the exit of a start
// that failed.
//
// Stored descriptors are kept as bare numbers. As *os.File they would be closed
// by a finalizer once unreachable, and stored listeners would stand in the
// runtime's epoll set: every client would wake the anchor.
//
// What systemd passes is stored like the rest and handed to every master, with the
// name that systemd has for it: whether it is a socket, which address it has and
// who wants it, masters decide. It is never sent back to systemd, whose socket unit
// holds it. What came back from systemd's store has the name that a master gave it.
//
// A coalesced signal must not be lost: whether a byte in the mailbox is still
// unread is seen by looking into it with tee(2), not concluded from a count.
//
// WINCH is what a terminal sends when its window changes. The anchor ignores it
// while it is in the foreground of one.
package anchor
