package main

import (
	"log"

	"example.com/handover/integration/bench/site"
	"example.com/handover/worker"
)

func main() { log.Fatal(worker.Serve(site.Handler)) }
