package harness

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// screen is what a terminal would show: the sequences of ECMA-48 that programs
// here use, and no other. One it does not know is kept for the test to see.
type screen struct {
	rows, cols int
	grid       [][]rune
	main       [][]rune // what the page of its own hides; nil: it is not shown
	row, col   int
	hidden     bool // the cursor
	nowrap     bool
	unknown    []string
	pending    string // the beginning of a sequence, or of a letter
}

func newScreen(rows, cols int) *screen {
	s := &screen{rows: rows, cols: cols}
	s.grid = s.blank()
	return s
}

func (s *screen) blank() [][]rune {
	grid := make([][]rune, s.rows)
	for n := range grid {
		grid[n] = []rune(strings.Repeat(" ", s.cols))
	}
	return grid
}

// resize keeps nothing: a program redraws.
func (s *screen) resize(rows, cols int) {
	s.rows, s.cols = rows, cols
	s.grid = s.blank()
	if s.main != nil {
		s.main = s.blank()
	}
	s.row, s.col = 0, 0
}

func (s *screen) String() string {
	lines := make([]string, 0, len(s.grid))
	for _, line := range s.grid {
		lines = append(lines, strings.TrimRight(string(line), " "))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// write takes what a program has written.
func (s *screen) write(text string) {
	text, s.pending = s.pending+text, ""
	for text != "" {
		if text[0] == 0x1b {
			end := strings.IndexFunc(text[1:], func(r rune) bool { return r >= '@' && r <= '~' && r != '[' })
			if end < 0 {
				s.pending = text
				return
			}
			s.sequence(text[1 : end+2])
			text = text[end+2:]
			continue
		}
		if !utf8.FullRuneInString(text) {
			s.pending = text
			return
		}
		r, size := utf8.DecodeRuneInString(text)
		s.put(r)
		text = text[size:]
	}
}

func (s *screen) put(r rune) {
	switch r {
	case '\r':
		s.col = 0
	case '\n':
		if s.row++; s.row == s.rows {
			s.row--
			s.grid = append(s.grid[1:], []rune(strings.Repeat(" ", s.cols)))
		}
	default:
		if s.col == s.cols && s.nowrap {
			s.col--
		} else if s.col == s.cols {
			s.put('\r')
			s.put('\n')
		}
		s.grid[s.row][s.col] = r
		s.col++
	}
}

func (s *screen) sequence(code string) {
	switch code {
	case "[H":
		s.row, s.col = 0, 0
	case "[K":
		s.clear(s.row, s.col, s.row+1)
	case "[J":
		s.clear(s.row, s.col, s.rows)
	case "[2J":
		s.grid = s.blank()
	case "[?25l", "[?25h":
		s.hidden = code == "[?25l"
	case "[?7l", "[?7h":
		s.nowrap = code == "[?7l"
	case "[?1049h":
		s.main, s.grid = s.grid, s.blank()
	case "[?1049l":
		s.grid, s.main = s.main, nil
		s.row, s.col = 0, 0
	default:
		colour, found := strings.CutSuffix(strings.TrimPrefix(code, "["), "m")
		if _, err := strconv.Atoi(colour); !found || colour != "" && err != nil {
			s.unknown = append(s.unknown, code)
		}
	}
}

func (s *screen) clear(row, col, end int) {
	for ; row < end; row, col = row+1, 0 {
		for ; col < s.cols; col++ {
			s.grid[row][col] = ' '
		}
	}
}
