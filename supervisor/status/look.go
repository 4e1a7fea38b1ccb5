package status

import (
	"os"

	"golang.org/x/sys/unix"
)

// Look is how a text is shown to a person.
type Look struct {
	Colour bool
	Width  int // columns that there are; 0: as many as it takes
}

// LookOf returns what suits f. Only a terminal gets colours, or is narrow. Those
// who set NO_COLOR (https://no-color.org), CLICOLOR=0 or TERM=dumb get no
// colours, and those who set CLICOLOR_FORCE (https://bixense.com/clicolors) get
// them everywhere.
func LookOf(f *os.File) Look {
	size, terminal := Terminal(f)
	set := func(name string) bool { return os.Getenv(name) != "" && os.Getenv(name) != "0" }
	wanted := terminal && os.Getenv("TERM") != "dumb" && os.Getenv("CLICOLOR") != "0"
	return Look{Colour: os.Getenv("NO_COLOR") == "" && (wanted || set("CLICOLOR_FORCE")), Width: size.Columns}
}

// Size is how much a terminal shows; zeros are unknown.
type Size struct{ Columns, Rows int }

// Terminal returns the size of f, and whether it is a terminal.
func Terminal(f *os.File) (size Size, terminal bool) {
	raw, err := f.SyscallConn()
	if err != nil {
		return Size{}, false
	}
	_ = raw.Control(func(fd uintptr) {
		if _, err := unix.IoctlGetTermios(int(fd), unix.TCGETS); err != nil {
			return
		}
		terminal = true
		if ws, err := unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ); err == nil {
			size = Size{Columns: int(ws.Col), Rows: int(ws.Row)}
		}
	})
	return size, terminal
}

// Coloured says whether what is written to f may have colours.
func Coloured(f *os.File) bool { return LookOf(f).Colour }
