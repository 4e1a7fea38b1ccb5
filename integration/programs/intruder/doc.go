// Intruder is a worker program that somebody has taken over: asked to, it says
// what it is, and tries what it must not be able to do to the other processes.
package main
