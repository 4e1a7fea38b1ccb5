// Package bench measures Handover beside the servers that people run now: one
// run, one machine, the same certificates, raw clients, interleaved rounds.
//
// A [Peer] starts a [Server] for a [Setup]. The measurements take a Server, know
// nothing of who it is, and add samples to a [Report]. A Report prints itself as a
// table in Markdown, as JSON and as plots. Figures of different machines are not to
// be compared; the ratios of one run are.
//
// What counts from when to when is said where it is measured. Common to all is that a
// reload is timed from just before the server is asked, with the files in place and
// prepared; that a handshake counts when it has ended, but which certificates are
// served at once is judged by when the connections were begun; and that the clients
// share the cores with the servers, and so do as little as they can.
//
// It refuses to help a server along: nothing is asked twice, and one that fails a
// measurement is left out of it, with the reason. Of Handover that fails the test.
package bench
