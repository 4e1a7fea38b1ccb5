// Package commandline is what a person types: the words and flags of each
// command, their help, and what is said when they were mistaken.
//
// It owns the one definition of the commands, from which help and everything
// else that describes them derive. It promises that a mistake is answered with
// what was meant, as far as that can be told. It refuses to do anything itself:
// what a command does is in package command.
package commandline
