package main

import (
	"context"
	"log"
	"sync"

	"example.com/handover/worker"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func main() {
	listeners, err := worker.Listeners()
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	server.RegisterService(&service, nil)
	for _, l := range listeners {
		go func() { _ = server.Serve(l) }()
	}
	<-worker.Draining()
	server.GracefulStop() // streams live on until graceful_timeout, which ends the process
}

var service = grpc.ServiceDesc{
	ServiceName: "talk.Talk",
	Methods: []grpc.MethodDesc{{
		MethodName: "Echo",
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			words := new(wrapperspb.BytesValue)
			return words, decode(words)
		},
	}},
	Streams: []grpc.StreamDesc{{StreamName: "Talk", ServerStreams: true, ClientStreams: true, Handler: talk}},
}

// talk echoes, and says "draining" once.
func talk(_ any, stream grpc.ServerStream) error {
	var mu sync.Mutex // one may send at a time
	send := func(words *wrapperspb.BytesValue) error {
		mu.Lock()
		defer mu.Unlock()
		return stream.SendMsg(words)
	}
	go func() { // ends with the stream
		select {
		case <-worker.Draining():
			_ = send(wrapperspb.Bytes([]byte("draining")))
		case <-stream.Context().Done():
		}
	}()
	for {
		words := new(wrapperspb.BytesValue)
		if err := stream.RecvMsg(words); err != nil {
			return nil // the client has ended it
		}
		if err := send(words); err != nil {
			return err
		}
	}
}
