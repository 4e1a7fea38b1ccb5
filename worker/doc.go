// Package worker turns an http.Handler into a worker of a Handover supervisor:
// a process that inherits the listening sockets and the checked certificates,
// proves that it serves before it meets a client, and leaves without losing a
// request.
//
// A program calls Serve with its handler and is done:
//
//	func main() {
//		if err := worker.Serve(handler); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// and is started by the supervisor: handover run -- ./program. A handler that
// holds connections (websockets, long polls) listens to Draining; a program with
// a server of its own (gRPC) takes Listeners in place of Serve.
//
// # What it owns
//
// The life of one worker, from the descriptors and settings that its master
// passes (package wire has the conversation) to the end of its last connection:
//
//	start   watch the master, ignore SIGHUP and SIGINT; before any user code of main
//	ready   certificates, sockets and handler are built; only probes are served
//	go      clients are accepted
//	drain   the serve pipe ended, or SIGTERM
//	end     nothing is left, or graceful_timeout is over
//
// # What it promises
//
// A request written to a connection that the kernel accepted is answered. So a
// drain does not begin with http.Server.Shutdown, which drops a request whose
// header it reads after it began, closes idle connections under their next
// request, and ends a connection after an answer that did not say so. The order is:
//
//  1. The copies of the listening sockets are closed; the sockets themselves live on
//     in the next generation, and so do the clients that wait there.
//  2. For keepalive_grace every HTTP/1 response says "Connection: close" and idle
//     connections stay open: their clients learn it from an answer, not from a
//     reset. An HTTP/2 client is told GOAWAY with stream 2^31-1 at once: open no
//     more, while what is on its way is still served (RFC 9113, section 6.8).
//  3. An HTTP/2 client is sent the GOAWAY with the real last stream; one that came
//     as late as in the drain, a whole grace after its own first one.
//  4. Requests that are still arriving are waited for, on new connections and on
//     kept-alive ones, unless they fall silent. So are the HTTP/1 clients whose last
//     answer had its header sent before the drain, and so could not say close: until
//     they have been idle for keepalive_grace after it.
//  5. Shutdown.
//  6. Hijacked connections are waited for, and handlers that have closed theirs.
//     At graceful_timeout what is left is cut, and 5 seconds later the process ends,
//     whatever a function given to AtExit is doing.
//
// The promise ends at pipelining: HTTP/1.1 requests sent behind one whose answer
// says "Connection: close" are not answered, and their client is to send them
// again (RFC 9112, section 9.6). It is a promise of Serve; what Listeners can
// promise stands there.
//
// # Certificates
//
// A bundle is mapped and its pairs are parsed when a client asks for them, so a
// worker costs the same with one pair and with thousands. It changes in place:
// the master's Prepare has the next one built beside the one in service, probes
// see it, and Swap sets one pointer. A handshake reads that pointer once, when its
// client has spoken, and takes from it all that it needs: configuration and
// certificate. So there is no moment at which a client could meet half of each;
// connections that are open are not touched, and none of them, however long it
// lives, keeps the bundle of its day in memory: a count of the handshakes that
// are choosing says when it can be unmapped. The garbage collector could say it
// too, but not when.
//
// Whether a client is served at all is decided at the same place, and not in
// tls.Config.GetCertificate, which is not asked for a session that is resumed: the
// sni policy holds for those as well. Ticket keys are the master's, the same in
// all workers and generations. After a change of the authorities that clients'
// certificates must lead to, crypto/tls resumes only what they still vouch for.
//
// Probes are asked for no certificate and get no ticket; one that names a pair is
// served whatever the policy.
//
// # Access log
//
// Where the configuration asks for one, Serve writes a line for each client's
// request when its handler returns, or takes the connection over. A request that
// net/http itself refuses reaches no handler and has none, nor has one that is cut
// at graceful_timeout. Of a program that uses Listeners there is no access log. A
// killed worker loses the lines that came while one write was under way.
//
// # Limits
//
// Every client has a time for its handshake, beneath TLS, so that it holds for a
// server that came by Listeners as well; of Serve, for its header, for the pauses
// in its body and for its silence between requests, and a size for its header. Only as
// many handshakes are computed at once as there are CPUs, and no more clients are
// accepted than descriptors allow: the next one waits in the socket, where another
// worker finds it. Probes wait for none of this.
//
// A handler that sets a read deadline, also none, sees to the pauses in its body
// itself. So does one in a conversation, which may be silent for hours: that has
// flushed an answer before the body was read to its end, over HTTP/1 in full duplex.
//
// A client that does not read its answer is bounded where it holds up others: over
// HTTP/2, where it has a minute to take something, and in a drain, by graceful_timeout.
// Else it costs one connection, which counts, and what the kernel keeps for it.
//
// # What it refuses
//
// It does not serve a process that no supervisor started, never turns a listening
// socket blocking (the mode is shared with every other process that has it), reads
// no certificate file, and imports nothing of the supervisor.
package worker
