// Package config turns a TOML file into an immutable Config.
//
// It owns the keys, their defaults and what is allowed in them. It promises
// that a Config is complete: every path in it is absolute, the command is found
// and executable, no two listeners want one address, and what is left out has
// its default. What is wrong is reported all at once, each with its line, what
// was found, what was expected and, where one is plain, a hint.
//
// An absent key of a [[listen]] has its default too, so a listener is
// encrypted unless it says tls = false: plaintext must be asked for.
//
// It refuses to read certificates (package cert does), to know their checks by
// name (whoever knows judges them with JudgeChecks), to bind or to create
// anything: a check changes nothing on the machine.
package config
