package control

import "errors"

var (
	// ErrInUse is the error of Listen when a live instance has the socket.
	ErrInUse = errors.New("in use by a running instance")

	// ErrNotRunning is a client's error when nobody listens on the socket.
	ErrNotRunning = errors.New("not running")

	// ErrTimeout is a client's error when its context ended before the answer.
	ErrTimeout = errors.New("no outcome within the time given")

	// ErrUnknownOutcome is a client's error when the instance broke off before it
	// said whether it does what was asked for, and asking again could do it twice.
	ErrUnknownOutcome = errors.New("the instance broke off before it answered")

	// ErrUnknownReload is what a Backend answers about a reload it has not heard of.
	ErrUnknownReload = errors.New("unknown reload")
)

// Error is an answer other than success. A Backend may return one to choose
// the HTTP status; any other error of a Backend is answered as 500.
type Error struct {
	Code    int    `json:"-"` // of HTTP
	Message string `json:"error"`
	Hint    string `json:"hint,omitempty"`
}

func (e *Error) Error() string { return e.Message }
