// Flip is the example of tableflip's own documentation, with certificates, to
// compare with: SIGHUP starts a successor that has the same socket, and this
// process shuts down. Its pid changes at each, and stands in a file.
package main
