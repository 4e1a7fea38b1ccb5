package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"example.com/handover/worker/wire"
)

// The bounds of what a request may hold.
const (
	maxBody        = 64 << 10
	maxAllow       = 64
	maxName        = 64
	maxCertificate = 255 // the name of one, as config has it
)

type reloadRequest struct {
	Allow []string `json:"allow"`
}

// RotateRequest asks for a rotation in place.
type RotateRequest struct {
	Allow      []string `json:"allow,omitempty"`       // checks that only warn, this once
	NewTickets bool     `json:"new_tickets,omitempty"` // sessions of before are not resumed
}

// RollbackRequest asks for previous certificates.
type RollbackRequest struct {
	Name  string   `json:"name,omitempty"` // of one certificate; empty: of all
	Undo  bool     `json:"undo,omitempty"` // serve what lies on disk again
	Allow []string `json:"allow,omitempty"`
}

type scaleRequest struct {
	Workers *int `json:"workers"`
}

type stopRequest struct {
	Quick bool `json:"quick"`
}

// body reads a request's body, which is at most maxBody long.
func body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		return nil, &Error{Code: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("body longer than %d bytes", maxBody)}
	}
	if err != nil {
		return nil, bad("read body: %v", err)
	}
	return b, nil
}

func bad(format string, args ...any) *Error {
	return &Error{Code: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

// decode reads one JSON value and nothing after it. No body stands for {}.
func decode(b []byte, into any) error {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return bad("decode body: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return bad("decode body: more than one JSON value")
	}
	return nil
}

func decodeReload(b []byte) (allow []string, err error) {
	var r reloadRequest
	if err := decode(b, &r); err != nil {
		return nil, err
	}
	return r.Allow, namesOfChecks(r.Allow)
}

func decodeRotate(b []byte) (r RotateRequest, err error) {
	if err := decode(b, &r); err != nil {
		return RotateRequest{}, err
	}
	return r, namesOfChecks(r.Allow)
}

func decodeRollback(b []byte) (r RollbackRequest, err error) {
	if err := decode(b, &r); err != nil {
		return RollbackRequest{}, err
	}
	if !printable(r.Name) {
		return RollbackRequest{}, &Error{
			Code: http.StatusBadRequest, Message: fmt.Sprintf("%.80q is not the name of a certificate", r.Name),
			Hint: `"handover certs" shows the names`,
		}
	}
	return r, namesOfChecks(r.Allow)
}

func namesOfChecks(allow []string) error {
	if len(allow) > maxAllow {
		return bad("%d checks to allow, at most %d", len(allow), maxAllow)
	}
	for _, name := range allow {
		if !wellFormed(name) {
			return &Error{Code: http.StatusBadRequest, Message: fmt.Sprintf("%.80q is not the name of a check", name), Hint: `names are like "time.remaining"`}
		}
	}
	return nil
}

func decodeScale(b []byte) (workers int, err error) {
	var r scaleRequest
	if err := decode(b, &r); err != nil {
		return 0, err
	}
	if r.Workers == nil || *r.Workers < 1 || *r.Workers > wire.MaxSlots {
		return 0, &Error{
			Code: http.StatusBadRequest, Message: fmt.Sprintf("expected a number of workers from 1 to %d", wire.MaxSlots),
			Hint: `{"workers":4}`,
		}
	}
	return *r.Workers, nil
}

func decodeStop(b []byte) (quick bool, err error) {
	var r stopRequest
	err = decode(b, &r)
	return r.Quick, err
}

// decodeFollow reads the id of a reload and how many of its steps were seen.
func decodeFollow(id string, query url.Values) (after int, err error) {
	if !wellFormed(id) {
		return 0, bad("%.80q is not the id of a reload", id)
	}
	text := query.Get("after")
	if text == "" {
		return 0, nil
	}
	after, err = strconv.Atoi(text)
	if err != nil || after < 0 {
		return 0, bad("after=%.80q is not a number of steps", text)
	}
	return after, nil
}

// wellFormed tells names of checks and ids of reloads from everything else that
// could turn up in a log or a terminal.
func wellFormed(name string) bool {
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return name != "" && len(name) <= maxName
}

// printable says whether a certificate may be called so. The name is the user's
// own and may hold spaces and letters of any script.
func printable(name string) bool {
	return len(name) <= maxCertificate && utf8.ValidString(name) && !strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) })
}
