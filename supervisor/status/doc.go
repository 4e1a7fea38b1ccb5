// Package status holds what the supervisor says about itself: the JSON of
// "handover status", of "handover reload --json" and its kin, and of the control socket,
// the exit codes, and how the commands show all of it to a person.
//
// Others script against the JSON and the exit codes: fields and codes are only
// ever added. What is shown to a person may change with any release. The
// package refuses to find anything out; it only shows what it is handed.
package status
