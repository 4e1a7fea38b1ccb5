// Silent is a worker program that never calls worker.Serve.
package main
