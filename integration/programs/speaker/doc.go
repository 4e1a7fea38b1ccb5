// Speaker is a worker program that writes to its standard output and error as it
// is asked to. It answers a POST with its body.
package main
