// Package control lets the commands talk to a running instance: HTTP with JSON
// on a unix socket.
//
// It owns the socket file, the requests and their answers, and both ends of the
// conversation. It promises that only root and the user the instance runs as
// are heard, that a live instance never loses its socket to a second one, and
// that a client which waits for a reload learns its outcome although the
// process that it asked is replaced, or killed, on the way. It refuses to
// decide anything: each request is put to a Backend.
//
//	GET  /status                        a status.Status
//	POST /reload       {"allow":[...]}  a stream of status.Event
//	POST /rotate       RotateRequest    the same of a rotation
//	POST /rollback     RollbackRequest  the same of a rollback
//	GET  /reload/{id}?after=N           the same of any of them, from its step N+1 on
//	POST /scale        {"workers":N}    a status.Status
//	POST /reopen                        {}
//	POST /stop         {"quick":bool}   {}
//
// Both sides say their version in the header Handover-Version. A command of a
// distant release is refused before it does anything; a neighbour's is answered,
// and what this release does not know of it is refused by name.
//
// A stream is a line of JSON an event (application/x-ndjson). What goes wrong
// is answered with {"error":..., "hint":...}.
//
// # How a client outlives a master
//
// All masters of an instance share one listening socket, so that connecting
// succeeds while none of them is there: the client waits in the queue for the
// next one. A stream that ends without an outcome, be it with "moved" or in the
// middle of a line, is taken up again by the id of the reload and the number of
// steps already seen. If not even the id was seen the reload is asked for once
// more: one too many is harmless, one too few is an old certificate. So it is
// with a rotation, which finds nothing new the second time. A rollback would go
// back further, so it is asked for once more only if nobody has heard of it.
package control
