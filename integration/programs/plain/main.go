package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/handover/integration/bench/site"
)

func main() {
	address := flag.String("listen", "127.0.0.1:8443", "`address`")
	dir := flag.String("dir", ".", "`folder` of NAME.crt and NAME.key")
	open := flag.Bool("http", false, "without TLS")
	flag.Parse()
	if err := serve(*address, *dir, *open); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}

func serve(address, dir string, open bool) error {
	server := http.Server{Handler: site.Handler}
	if !open {
		var err error
		if server.TLSConfig, err = site.TLS(dir); err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	ended := shutdown(&server)
	if open {
		err = server.Serve(listener)
	} else {
		err = server.ServeTLS(listener, "", "")
	}
	if errors.Is(err, http.ErrServerClosed) {
		<-ended // Serve returns when Shutdown begins
	}
	return err
}

// shutdown ends a server by SIGTERM; what it returns is closed when that is done.
func shutdown(server *http.Server) <-chan struct{} {
	term, ended := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(term, syscall.SIGTERM)
	go func() { // ends with the process, at the latest
		defer close(ended)
		<-term
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
	}()
	return ended
}
