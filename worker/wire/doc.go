// Package wire is everything that crosses the border between a supervisor and
// its workers: the environment variable that names a process's role, the
// inherited descriptors and their names, the messages on the control
// socketpair, the sealed certificate bundle and the shared counters.
//
// It owns the formats and promises that each carries a version, so that a
// worker program built against a neighbouring release is understood, and any other
// refused before a client notices. It refuses to decide anything: what a message
// leads to is the business of the two sides.
//
// # Neighbouring releases
//
// A HUP takes a new binary under an old anchor, a killed master is replaced by
// whatever lies on disk, and a worker program embeds the library that it was built
// with. So each side may meet the release before its own or the one after, and
// for every format the rule is the same:
//
//   - A release understands the versions from one below its own Version to one
//     above. Two apart it refuses, naming both versions and what to do.
//   - What is only added does not count the version up: a field, a kind of message,
//     a descriptor, a byte in the mailbox, a line in a notification. A receiver
//     passes over what it does not know; so whoever adds something gets along
//     without it, and a missing field has its default and never a zero that would
//     mean something else.
//   - What changes its meaning counts it up by one, and both meanings are
//     understood for one release.
//   - A release before this one took an unknown kind of message for a failure. So a
//     kind that is new here is said only to a side that has shown, by a field of
//     its own, that it knows it.
//   - What a neighbour must not pass over, such as another thing to serve, counts
//     it up by two.
//
// A bundle has one layout only, so what is added to it goes into its notes; what
// is added to the counters and meters, into the free room of their slots. The
// counters have room for 12 numbers more and can never be larger, since a release
// maps them at the size it knows: so the meters, with room for 64, are a descriptor
// of their own, which a release without them hands on and nobody there writes to.
//
// The whole conversation on the ctl socketpair, a datagram a message:
//
//	master                     worker
//	settings ────────────────▶ builds handler, TLS and listeners; the sealed
//	                           bundle, if there is one, comes along as a descriptor
//	         ◀──────────────── ready (or failed, with the reason)
//	(proof over the probe socketpair)
//	go       ────────────────▶ accepts clients
//	reopen   ────────────────▶ reopens its log files
//	tickets  ────────────────▶ has other session ticket keys
//	quit     ────────────────▶ ends at once
//	         ◀──────────────── spent: has answered as many requests as it should
//	         ◀──────────────── leaving: accepts no more
//
// Certificates change under a running worker in two phases, for all workers of
// a generation swap or none does. Each phase carries the number of the rotation:
//
//	prepare  ────────────────▶ builds TLS from the sealed bundle that comes along
//	         ◀──────────────── prepared (or failed, with the reason)
//	(proof over the probe socketpair, of what is next)
//	swap     ────────────────▶ serves every later handshake from it
//	         ◀──────────────── swapped (or failed: it has not prepared that)
//	forget   ────────────────▶ drops what it prepared; no answer
//
// They come at any time from settings on, and are answered in their order: not
// before ready, which the worker says first, and while it drains as well.
//
// The end of the socketpair before "go" ends the worker; after it the worker
// serves on until the serve pipe ends.
//
// A bundle of thousands of pairs is mapped, not read: its layout needs no
// decoding, so that what it costs a worker does not grow with it (see OpenBundle).
package wire
