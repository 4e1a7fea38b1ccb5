package status

import (
	"fmt"
	"strings"
)

// Crop cuts a text to what a terminal shows at once. Where lines are missing the
// last one says how many. The result ends in no newline, which would scroll.
func Crop(text string, size Size) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if most := size.Rows; most > 0 && len(lines) > most {
		missing := len(lines) - most + 1
		lines = append(lines[:most-1], fmt.Sprintf("… %d more lines: \"handover status\" shows all", missing))
	}
	if size.Columns > 0 {
		for n, line := range lines {
			lines[n] = cropLine(line, size.Columns)
		}
	}
	return strings.Join(lines, "\n")
}

// cropLine cuts a line that may have colours, which take no room.
func cropLine(line string, most int) string {
	sum, cut, code := 0, len(line), false
	for at, r := range line {
		switch {
		case r == '\x1b':
			code = true
		case code:
			code = r != 'm'
		default:
			sum += columnsOf(r)
			if sum > most-1 && cut == len(line) {
				cut = at
			}
		}
	}
	switch {
	case sum <= most:
		return line
	case strings.Contains(line[:cut], "\x1b"):
		return line[:cut] + "…" + ending
	default:
		return line[:cut] + "…"
	}
}
