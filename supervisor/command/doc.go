// Package command is what the commands of the command line do, apart from the
// command line: package commandline declares their words and flags and hands over
// here.
//
// It owns how a command finds its instance, what becomes of its outcome, and
// which exit code an error has. It promises that every error is one that the
// table of exit codes knows. It refuses to parse arguments and to end the
// process.
package command
