// Package process starts, watches and signals processes.
//
// It promises that a descriptor is passed on without changing its mode (os/exec
// turns shared sockets blocking), that a process is signalled only through a
// pidfd (pidfd_open(2)) and so never by a number that was used again, and that
// waiting costs no thread. It refuses to wait for processes that are not this
// one's children: those are only watched and signalled.
package process
