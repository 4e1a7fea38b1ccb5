package command

import (
	"io"
	"os"
	"strings"

	"example.com/handover/supervisor/status"
)

// What a terminal is told. A text that is redrawn goes to the page of its own
// that terminals have for that, so that what was there before comes back; lines
// are not continued on the next one, whatever the terminal thinks of their width.
const (
	enterPage = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
	leavePage = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	home      = "\x1b[H"
	clearLine = "\x1b[K"
	clearRest = "\x1b[J"
)

// screen is a terminal on which a text is redrawn in place.
type screen struct{ *os.File }

func (s screen) enter() { _, _ = io.WriteString(s, enterPage) }

func (s screen) leave() { _, _ = io.WriteString(s, leavePage) }

// draw shows as much of a text as there is room for, in one write: a terminal
// may show what it has at any time.
func (s screen) draw(text string) error {
	size, _ := status.Terminal(s.File)
	lines := strings.ReplaceAll(status.Crop(text, size), "\n", clearLine+"\n")
	_, err := io.WriteString(s, home+lines+clearLine+clearRest)
	return err
}

// redraws says whether a text can be redrawn on f.
func redraws(f *os.File) bool {
	_, terminal := status.Terminal(f)
	return terminal && os.Getenv("TERM") != "dumb"
}
