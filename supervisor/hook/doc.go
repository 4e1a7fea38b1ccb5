// Package hook runs the commands that users attach to events: shell command
// lines that get the outcome as JSON on standard input.
//
// It owns a hook from its start to its end, with its time limit and its output.
// It promises that a hook can hold nobody up and fill no memory, that its output
// comes back as bounded text that is safe to print, that it inherits nothing but
// its three descriptors, and that it outlives the process that started it: what
// is needed to attend to it goes to a successor as a Record and a descriptor. It
// refuses to judge: what a failed hook means is the caller's business.
//
// # Why a process group
//
// A command line is rarely one process. The shell leads a group of its own, the
// signals at the time limit go to all of it, and what the shell has left behind
// in it is killed: a renewal every week must not leave a process every week. A
// hook that wants to start something that stays uses setsid(1).
//
// # Why sealed memory for standard input
//
// A pipe holds 64 KiB: a larger outcome would need somebody who writes for as
// long as the hook does not read, in a process that may be replaced meanwhile.
//
// # Why a pipe for the output
//
// A file would be without bounds. The reading end of a pipe can be handed to a
// successor; as long as either has it, the hook is not killed by SIGPIPE, and
// what it writes in between waits there.
package hook
