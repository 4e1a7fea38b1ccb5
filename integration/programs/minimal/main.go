package main

import (
	"crypto/tls"
	"log"
	"net/http"
	"os"
)

func main() {
	address, certfile, keyfile := os.Args[1], os.Args[2], os.Args[3]
	pair, err := tls.LoadX509KeyPair(certfile, keyfile)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := tls.Listen("tcp", address, &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(listener, http.NotFoundHandler()))
}
