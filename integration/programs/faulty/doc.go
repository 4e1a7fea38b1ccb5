// Faulty is a worker program whose requests make it hang, leak, crash or end.
package main
