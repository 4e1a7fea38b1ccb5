package status

import (
	"fmt"
	"io"
	"strings"
)

// Failure is an error as a command ends with it.
type Failure struct {
	Code       int // the exit code
	Complaints []Complaint
}

// Complaint is one thing that is wrong and, if it is known, how to mend it.
type Complaint struct {
	Message string
	Hint    string
}

// Failed returns a failure with a single complaint.
func Failed(code int, hint, format string, args ...any) *Failure {
	return &Failure{Code: code, Complaints: []Complaint{{Message: fmt.Sprintf(format, args...), Hint: hint}}}
}

// Refused returns the failure that the checks which refuse amount to.
func Refused(checks []Check) *Failure {
	f := &Failure{Code: ExitRefused}
	for _, c := range checks {
		if c.Severity == severityRefuse {
			f.Complaints = append(f.Complaints, Complaint{Message: c.String(), Hint: c.Hint})
		}
	}
	return f
}

func (f *Failure) Error() string {
	messages := make([]string, 0, len(f.Complaints))
	for _, c := range f.Complaints {
		messages = append(messages, c.Message)
	}
	return strings.Join(messages, "\n")
}

// Hint returns what mends it, a line for each complaint that knows.
func (f *Failure) Hint() string {
	var hints []string
	for _, c := range f.Complaints {
		if c.Hint != "" {
			hints = append(hints, c.Hint)
		}
	}
	return strings.Join(hints, "\n")
}

// Write shows the complaints, nothing if there are none.
func (f *Failure) Write(w io.Writer, colour bool) {
	look := Look{Colour: colour}
	for _, c := range f.Complaints {
		// Several problems may come as the lines of one message.
		for line := range strings.Lines(c.Message) {
			fmt.Fprintf(w, "%s %s\n", look.paint(red, "error:"), clean(strings.TrimSuffix(line, "\n")))
		}
		if c.Hint != "" {
			fmt.Fprintf(w, "%s %s\n", look.paint(bold, "hint:"), clean(c.Hint))
		}
	}
}
