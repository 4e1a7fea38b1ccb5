// Kinds is the worker program of the drain tests: it holds connections in every
// way that a program can, and says on each when it is told of a drain.
package main
