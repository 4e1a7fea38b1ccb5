// Package journal writes log lines as journald wants them where it is the one
// that reads: each begins with its priority, as in "<4>text" (sd-daemon(3)), and
// has no time of its own, for the journal has one.
//
// It owns no descriptor and no configuration. It does not speak the journal's
// native protocol: what is passed through standard error is kept in order with
// what a crashing process writes there, and needs no connection.
package journal
