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
// # Why
//
// Why a worker's environment is everything but a list, and not only a list:
// programs are configured through theirs, and one that loses DATABASE_URL
// behind a supervisor does not work. What is taken out is what would mislead
// it: tableflip's sentinel, systemd's protocol variables and our own.
//
// Why tableflip's own timeout is a day: it is fixed before the next config is
// known, whose boot_timeout may be longer. The loop keeps the real deadline and
// ends the successor itself.
//
// Why a successor serves what its predecessor judged, and does not read the disk
// once more: the same program by the same config would find the same, some
// milliseconds later, and with thousands of certificates that is most of a
// reload. The bytes were checked once and are served from the memory in which
// they were sealed. If the config or the program has changed it judges anew.
//
// Why a rotation takes the accepted config and not the one on disk: a config is
// judged and taken as a whole, by a reload. Half of one would be a third state
// that nobody has tried.
//
// Why a worker shows at most sixteen pairs: all lie in the same sealed memory and
// are read by the same code. Those that are new come first.
//
// Why a ticket key is known to every worker for a whole period before it
// encrypts: workers hear of it one after the other, and a client that met one of
// the first would come to one that cannot decrypt yet.
//
// Why the keys of a file (ticket_keys) lie in the sealed bundle beside the
// certificates: so they go wherever those go, judged and proven together, to the
// successor and to the master after a killed one, and no second way has to be kept
// in step. They are never mixed with own ones, neither when the file comes nor when
// it goes: instances that share a file are compared by it, and who gives one up may
// do so because others know its keys.
//
// Why the delay before a stop ends with the anchor: its death is no stop. Whatever
// restarts the service waits for the end of this one, and clients with it.
//
// Why a command to stop becomes a signal to the anchor: what a stop is, and what a
// second one means, is decided there, and systemd hears of it at once.
//
// Why workers do not write to the log themselves: it would have them unnamed, as
// text among JSON, and without journald's priorities, and each reopening would
// have to reach every one of them, in all generations. So each slot has a pipe,
// whose read end outlives masters as the other descriptors of a generation do. A
// master that is killed takes along what it has read and not written: one read of
// each pipe, 16 KiB at most, and what waits for a log that is a pipe or a terminal
// itself and not read (see package outlet). To copy with tee(2) and consume afterwards would write
// those lines twice instead, and costs every line a second system call. A master
// that is stopped leaves its workers 1 MiB each (less where there are more than
// 16) before what they write blocks, as it would on any pipe.
//
// Why the access log is the workers' all the same: it is one write(2) a request to
// a file that they share, and nothing in it has to be said of who wrote it but
// what they know themselves.
//
// Why any answer to the health path is a sign of life, and not only a good one: a
// worker that answers 503, because a database is down, would be no better started
// anew, and to kill all of them for it makes an outage of it. Nor does a master
// count what it could not see: one that was stopped itself knows nothing of its
// workers.
//
// Why a worker that is used up serves on until another has taken its place: with
// one worker nobody would accept meanwhile, and with several the others are full
// when it happens to all of them at once. What it costs is its memory twice, which
// is why no more of them may drain at once than are wanted.
//
// Why a socket that systemd passes is matched by where it is bound, and never by its
// name: the address is in the config already, and a name that said something else
// would be a second truth. One that is bound to all addresses is not taken for a
// single one, for it would let in whom the config keeps out.
//
// Why such a socket is kept although no address of the config wants it: systemd
// listens there whether or not this process does, so its clients wait in any case,
// and no other socket could be bound in its place when a reload gains the address.
// Hence the warning, at each start and when a reload lets go of one. A stop closes it
// like the others: what waits in it is systemd's, for the next start.
//
// Why one that can never be served, a datagram socket or a single connection, ends
// the start instead: its clients would wait for an answer that no config can bring.
//
// Why its backlog, mode and path are left alone: the unit says what they are, and a
// path that were removed would leave systemd listening where nobody comes. For the
// same reason it is not sent to systemd's store: after a changed unit the store would
// bring back the socket of the old one.
//
// Why a unix socket from systemd's store must prove that its path leads to it:
// RuntimeDirectory= is removed at each stop, with the paths in it.
//
// Why the status page is shown by the loop and rendered by whoever reads it: the
// loop alone knows what has changed, and must not wait for a browser, nor for a
// template. A viewer has one view waiting, the newest, and 16 of the address' 64
// connections are the most that viewers get: a load balancer's probes come there
// too. What lies on disk the page has from the look of the last minute, which is
// one of the last seconds while somebody looks and the files are few: a page that
// anybody may load again and again must not make the master read them each time.
//
// Why a certificate that is not valid yet is refused and tried again later,
// rather than kept: by then the disk may hold a better one.
package master
