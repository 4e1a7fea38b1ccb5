package wire

import (
	"encoding/json"
	"fmt"
)

// AppVariable is the environment variable that tells a built-in worker what to
// serve. A program of the user's does not get it.
const AppVariable = "HANDOVER_APP"

// AppKind names a built-in worker.
type AppKind string

// The built-in workers.
const (
	AppWelcome AppKind = "welcome" // a page about the worker itself; no argument
	AppFiles   AppKind = "files"   // static files; the argument is their folder
	AppProxy   AppKind = "proxy"   // a reverse proxy; the argument is its target
)

// App is what a built-in worker serves.
type App struct {
	Version  int     `json:"v"`
	Kind     AppKind `json:"kind"`
	Argument string  `json:"argument,omitempty"`
}

// EncodeApp returns the value of AppVariable for a; the version is filled in.
func EncodeApp(a App) (string, error) {
	a.Version = Version
	b, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("encode app %q: %w", a.Kind, err)
	}
	return string(b), nil
}

// DecodeApp reads the value of AppVariable; an empty one means the welcome page.
// It refuses the version of a release that is no neighbour, a missing argument,
// and a kind that it does not know: what a neighbour has added to serve is not to
// be passed over.
func DecodeApp(value string) (App, error) {
	if value == "" {
		return App{Version: Version, Kind: AppWelcome}, nil
	}
	var a App
	if err := json.Unmarshal([]byte(value), &a); err != nil {
		return App{}, fmt.Errorf("decode %s: %v", AppVariable, err)
	}
	if err := Judge(AppVariable, a.Version, HintRestart); err != nil {
		return App{}, err
	}
	switch a.Kind {
	case AppWelcome:
	case AppFiles, AppProxy:
		if a.Argument == "" {
			return App{}, fmt.Errorf("decode %s: kind %q without an argument", AppVariable, a.Kind)
		}
	default:
		return App{}, fmt.Errorf("decode %s: unknown kind %q", AppVariable, a.Kind)
	}
	return a, nil
}
