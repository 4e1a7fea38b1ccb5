// Package outline is the definition of the commands without the parser: what
// the manual page and the completions of shells are written from.
//
// It owns what a command, a flag and the words after them are. It promises
// nothing about how they are parsed, and refuses to know any command.
package outline
