// Package bench measures Handover beside the servers that people run now: one
// run, one machine, the same certificates, raw clients, interleaved rounds.
//
// A [Peer] starts a [Server] for a [Setup]. The measurements take a Server, know
// nothing of who it is, and add samples to a [Report]. A Report prints itself as a
// table in Markdown, as JSON and as plots. Figures of different machines are not to
// be compared; the ratios of one run are.
package bench
