package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/control"
	"example.com/handover/supervisor/status"
)

// patience is how long the instance may take for an answer.
const patience = 10 * time.Second

// Output is where a command prints its outcome, and how.
type Output struct {
	*os.File
	JSON bool
}

func (o Output) look() status.Look { return status.LookOf(o.File) }

func (o Output) coloured() bool { return o.look().Colour }

// Instance returns a client of the instance that runs with the config at path,
// as config.Find returns it. A config that is broken on disk does not hide the
// instance, which goes on with the one it accepted, if its socket is where it
// is by default.
func Instance(path string) (*control.Client, error) {
	c, err := config.Load(path)
	if err == nil {
		return control.Dial(c.ControlSocket()), nil
	}
	file, absent := filepath.Abs(path)
	socket := (&config.Config{Path: file}).ControlSocket()
	if absent == nil {
		_, absent = os.Lstat(socket)
	}
	if absent != nil {
		return nil, err
	}
	return control.Dial(socket), nil
}

// Explain says how a command that met err ends.
func Explain(err error) *status.Failure {
	var failure *status.Failure
	var problems *config.Error
	var refusal *cert.Refusal
	var answer *control.Error
	switch {
	case errors.As(err, &failure):
		return failure
	case errors.As(err, &problems):
		return problems.Failure()
	case errors.As(err, &refusal):
		return status.Refused(refusal.Checks)
	case errors.Is(err, control.ErrNotRunning):
		return status.Failed(status.ExitNotRunning, `"handover run" with the same -c starts it`, "%v", err)
	case errors.Is(err, control.ErrTimeout):
		return status.Failed(status.ExitTimeout, `what was asked for may still happen: see "handover status"`, "%v", err)
	case errors.Is(err, control.ErrUnknownOutcome):
		return status.Failed(status.ExitTimeout, `it may or may not happen: see "handover certs"`, "%v", err)
	case errors.Is(err, control.ErrInUse):
		return status.Failed(status.ExitConfig, `"handover status" shows the instance, "handover stop" ends it`, "%v", err)
	case errors.As(err, &answer) && answer.Code == http.StatusBadRequest:
		return status.Failed(status.ExitUsage, answer.Hint, "%v", answer)
	case errors.As(err, &answer):
		return status.Failed(status.ExitFailed, answer.Hint, "%v", answer)
	default:
		return status.Failed(status.ExitFailed, "", "%v", err)
	}
}

// printJSON is for programs, but read by people as well.
func printJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, inert(b.String()))
	return err
}

// inert escapes in JSON what steers a terminal, or turns its writing around, and
// which the encoder leaves as it is: U+009B begins a sequence as ESC [ does.
func inert(text string) string {
	acts := func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }
	if !strings.ContainsFunc(text, acts) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if !acts(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}
