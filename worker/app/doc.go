// Package app holds the built-in workers of the handover command: a welcome page,
// static files and a reverse proxy.
//
// It owns their handlers and promises that what they serve cannot lead out of the
// folder, or to another target, than the one configured. It refuses what belongs
// into a program of the user's: routes, authentication, caching.
package app
