// Package completion writes scripts that make a shell complete the commands.
//
// It owns what is peculiar to bash, zsh and fish. It promises that commands,
// flags and checks come from where they are defined, that only names of
// certificates are asked of a running instance, for two seconds at most, and
// that no such name, which is another's to choose, is ever evaluated by the shell.
// It needs nothing that does not come with the shell.
package completion
