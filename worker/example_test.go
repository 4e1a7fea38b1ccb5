package worker_test

import (
	"context"
	"log"
	"net/http"

	"example.com/handover/worker"
	"google.golang.org/grpc"
)

// A whole program.
func ExampleServe() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello\n")) })
	log.Fatal(worker.Serve(nil))
}

// A program with a server of its own. The drain makes the server's Serve return
// while requests are still being answered: what ends the program is Draining, and
// then the end of Shutdown.
func ExampleListeners() {
	listeners, err := worker.Listeners()
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.DefaultServeMux}
	for _, l := range listeners {
		go func() { _ = server.Serve(l) }()
	}
	<-worker.Draining()
	if err := server.Shutdown(context.Background()); err != nil {
		log.Print(err)
	}
}

// A gRPC server. GracefulStop on Draining tells every client to go elsewhere and
// waits for what runs: calls are answered, a stream lives until its client ends it
// or until graceful_timeout, which ends the process. A stream whose handler listens
// to Draining can tell its client in words of its own. The listeners have applied
// TLS already, so the server gets no credentials.
func ExampleListeners_grpc() {
	listeners, err := worker.Listeners()
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	// Register the services here.
	for _, l := range listeners {
		go func() { _ = server.Serve(l) }()
	}
	<-worker.Draining()
	server.GracefulStop()
}
