package app

import (
	"net/http"
	"os"

	"example.com/handover/worker"
	"example.com/handover/worker/wire"
)

// Serve serves what wire.AppVariable asks for, as worker.Serve does.
func Serve() error {
	value := os.Getenv(wire.AppVariable)
	_ = os.Unsetenv(wire.AppVariable)
	a, err := wire.DecodeApp(value)
	if err != nil {
		return err
	}
	handler, err := newHandler(a)
	if err != nil {
		return err
	}
	return worker.Serve(handler)
}

func newHandler(a wire.App) (http.Handler, error) {
	switch a.Kind {
	case wire.AppFiles:
		return newFiles(a.Argument)
	case wire.AppProxy:
		return newProxy(a.Argument)
	default:
		return welcome{identify: worker.Identify}, nil
	}
}
