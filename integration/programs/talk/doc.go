// Talk is the gRPC server of the drain tests, over worker.Listeners: a call that
// echoes, and a stream that echoes until its client ends it and says when the
// drain has begun. Its service is described by hand: what is tested is the
// transport, and protoc would be one more thing to install.
package main
