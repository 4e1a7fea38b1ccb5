package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cloudflare/tableflip"

	"example.com/handover/integration/bench/site"
)

func main() {
	address := flag.String("listen", "127.0.0.1:8443", "`address`")
	dir := flag.String("dir", ".", "`folder` of NAME.crt and NAME.key")
	pidFile := flag.String("pid-file", "", "`file` to write the pid to")
	flag.Parse()
	if err := serve(*address, *dir, *pidFile); err != nil {
		log.Fatal(err)
	}
}

func serve(address, dir, pidFile string) error {
	upgrader, err := tableflip.New(tableflip.Options{PIDFile: pidFile})
	if err != nil {
		return err
	}
	defer upgrader.Stop()
	go func() { // ends with the process
		hup := make(chan os.Signal, 1)
		signal.Notify(hup, syscall.SIGHUP)
		for range hup {
			if err := upgrader.Upgrade(); err != nil {
				log.Println("upgrade:", err)
			}
		}
	}()
	listener, err := upgrader.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := http.Server{Handler: site.Handler}
	if server.TLSConfig, err = site.TLS(dir); err != nil {
		return err
	}
	go func() { // ends at Shutdown
		if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			log.Println("serve:", err)
		}
	}()
	if err := upgrader.Ready(); err != nil {
		return err
	}
	<-upgrader.Exit()
	// No upgrade is possible before the parent has exited.
	time.AfterFunc(30*time.Second, func() { log.Fatal("shutdown timed out") })
	return server.Shutdown(context.Background())
}
