package command

import (
	"fmt"
	"io"
	"strings"
	"time"

	"example.com/handover/supervisor/status"
)

// blink is how often the line of what is under way is drawn anew.
const blink = 100 * time.Millisecond

// progress shows the steps of a change as they are done and, where a line can be
// redrawn, what is under way and for how long. One goroutine writes it all, until
// end.
type progress struct {
	out   Output
	asked time.Time
	steps chan status.Step
	ended chan struct{} // closed when nothing more is written
}

// begin shows nothing to a program: the outcome will say it all.
func begin(out Output, asked time.Time) *progress {
	p := &progress{out: out, asked: asked, steps: make(chan status.Step), ended: make(chan struct{})}
	go p.show()
	return p
}

func (p *progress) step(s status.Step) { p.steps <- s }

func (p *progress) end() {
	close(p.steps)
	<-p.ended
}

func (p *progress) show() {
	defer close(p.ended)
	var redraw <-chan time.Time
	if !p.out.JSON && redraws(p.out.File) {
		tick := time.NewTicker(blink)
		defer tick.Stop()
		redraw = tick.C
		defer io.WriteString(p.out, "\r"+clearLine)
	}
	last, since := "", p.asked
	for {
		select {
		case s, more := <-p.steps:
			if !more {
				return
			}
			last, since = s.Name, time.Now()
			if p.out.JSON {
				continue
			}
			if redraw != nil {
				_, _ = io.WriteString(p.out, "\r"+clearLine)
			}
			status.WriteStep(p.out, p.asked, s)
		case now := <-redraw:
			p.line(last, now.Sub(since), now)
		}
	}
}

// line draws what is under way. It stays shorter than the terminal is wide: a
// line that was continued on the next one cannot be taken back.
func (p *progress) line(last string, running time.Duration, now time.Time) {
	var b strings.Builder
	status.WriteStep(&b, p.asked, status.Step{Name: "…", At: now, Message: fmt.Sprintf("%s, for %.1f s", status.UnderWay(last), running.Seconds())})
	size, _ := status.Terminal(p.out.File)
	_, _ = io.WriteString(p.out, "\r"+status.Crop(b.String(), status.Size{Columns: max(size.Columns-1, 0), Rows: 1})+clearLine)
}
