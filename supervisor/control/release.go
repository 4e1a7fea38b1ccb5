package control

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"example.com/handover/worker/wire"
)

// versionHeader is where either side says its version: a command may be of
// another release than the instance that it asks. Who says none is a person with
// curl, or the release that did not say it yet.
const versionHeader = "Handover-Version"

const (
	hintDistant = "use the command of the release that runs, or restart the service with this one"
	hintStrange = "the running instance is of another release: use the command of that one, or have the instance take this one by a reload"
)

// unknownRequest begins the answer to a request that there is none of, in every
// release.
const unknownRequest = "no request "

func sayVersion(h http.Header) { h.Set(versionHeader, strconv.Itoa(wire.Version)) }

// judgeVersion refuses what comes from a distant release.
func judgeVersion(who string, h http.Header) *Error {
	said := h.Get(versionHeader)
	if said == "" {
		return nil
	}
	version, err := strconv.Atoi(said)
	if err == nil && wire.Judge("request", version, "") == nil {
		return nil
	}
	return &Error{
		Code: http.StatusConflict, Hint: hintDistant,
		Message: fmt.Sprintf("the %s is of another release: it speaks version %.20q, here %d is spoken and %d to %d are understood", who, said, wire.Version, wire.Version-1, wire.Version+1),
	}
}

// onlyNeighbours refuses the commands of a distant release before they do
// anything.
func onlyNeighbours(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sayVersion(w.Header())
		if e := judgeVersion("command", r.Header); e != nil {
			refuse(w, e)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// estranged adds to an answer that only a neighbouring release gives what to do
// about it: it does not know the request, or something in it.
func estranged(e *Error) *Error {
	unknown := e.Code == http.StatusNotFound && strings.HasPrefix(e.Message, unknownRequest) ||
		e.Code == http.StatusBadRequest && strings.Contains(e.Message, "json: unknown field ")
	if unknown && e.Hint == "" {
		e.Hint = hintStrange
	}
	return e
}
