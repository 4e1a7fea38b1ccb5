// Answer is the worker program that is measured: it does as little as the
// programs that it is compared with.
package main
