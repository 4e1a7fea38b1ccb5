// Package master is one generation at work: it reads config and certificates,
// holds the listening sockets, starts, proves and releases its workers, hands
// over to its successor through tableflip and sees the end of what its
// predecessors left behind.
//
// It owns every effect and decides nothing: package handover knows what follows
// what, package pool which workers there are. One goroutine owns all state; the
// others wait for something to happen and send it as a function to that one.
//
// It promises that nothing is told to a client or to the old generation before
// every new worker has proved itself, and that whatever fails before that
// leaves no trace. It refuses to reap processes that are not its own children:
// that is the anchor's work.
//
// Why a worker's environment is everything but a list, and not only a list:
// programs are configured through theirs, and one that loses DATABASE_URL
// behind a supervisor does not work. What is taken out is what would mislead
// it: tableflip's sentinel, systemd's protocol variables and our own.
//
// Why tableflip's own timeout is a day: it is fixed before the next config is
// known, whose boot_timeout may be longer. The loop keeps the real deadline and
// ends the successor itself.
package master
