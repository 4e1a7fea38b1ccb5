package page

import (
	"io"
	"strings"
)

// Greeting begins a stream. When it ends a browser comes back after so many
// milliseconds: a master that hands over has a successor by then.
const Greeting = "retry: 250\n\n"

// Stream sends one reader what has changed (https://html.spec.whatwg.org/#server-sent-events).
type Stream struct {
	w    io.Writer
	sent map[string]string
}

// NewStream returns a stream that has sent nothing.
func NewStream(w io.Writer) *Stream { return &Stream{w, map[string]string{}} }

// Send sends the sections of v that are not as they were sent last, or nothing in
// its place if all are: either side notices when the other is gone.
func (s *Stream) Send(v *View) error {
	sections, err := v.sections()
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, section := range sections {
		if s.sent[section.ID] == section.HTML {
			continue
		}
		s.sent[section.ID] = section.HTML
		// Each way to end a line ends one here too: none may begin a field of its own.
		text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(section.HTML)
		for line := range strings.SplitSeq(text, "\n") {
			b.WriteString("data: " + line + "\n")
		}
	}
	if b.Len() == 0 {
		b.WriteString("data:\n")
	}
	_, err = io.WriteString(s.w, b.String()+"\n")
	return err
}
