package page

import (
	"cmp"
	"fmt"
	"time"

	"example.com/handover/supervisor/status"
)

// How something is: the class of its colour and the name of its sign, so that no
// meaning is in the colour alone.
const (
	well = "ok"
	busy = "busy"
	warn = "warn"
	bad  = "bad"
	idle = "idle"
)

// booting is the state in which nothing is served yet, or only by others.
const booting = "booting"

// model is the status in the words of the page.
type model struct {
	Title, Word string
	Level       string // of the worst that needs attention
	State       string
	Sign        string // of the state alone
	Summary     string
	Figures     []figure
	Attention   []notice
	Timeline    []entry
	Reloads     []reload
	Workers     []worker
	MoreWorkers string // how many are not shown; empty: none
	Failing     []failing
	Certificates
	Facts []figure
}

// figure is a number with its name.
type figure struct{ Name, Value, Note string }

// notice is something that somebody should look at.
type notice struct{ Level, Title, Text, Hint, Link string }

func describe(s *status.Status, now time.Time) *model {
	if s.LastReload != nil { // of which all is kept
		own, last := *s, s.LastReload.Brief()
		s, own.LastReload = &own, &last
	}
	m := &model{
		Timeline: timeline(s, now), Reloads: reloads(s, now), Workers: workers(s, now), Failing: failings(s, now),
		Certificates: certificates(s, now),
	}
	if more := len(s.Workers) - len(m.Workers); more > 0 {
		m.MoreWorkers = number(more)
	}
	m.Attention = attention(s, now)
	m.Sign, m.State = standing(s)
	m.Level = m.Sign
	if len(m.Attention) > 0 && s.State == "serving" {
		m.Level = m.Attention[0].Level
	}
	m.Word = word(s)
	m.Title = title(s, m)
	m.Summary = summary(s, now)
	m.Figures, m.Facts = figures(s, now), facts(s)
	return m
}

// standing says in what state the service is.
func standing(s *status.Status) (level, text string) {
	level = map[string]string{"serving": well, "reloading": busy, "booting": busy, "stopping": warn}[s.State]
	text = map[string]string{"serving": "Serving", "reloading": "Reloading", "booting": "Starting", "stopping": "Stopping"}[s.State]
	if s.State == "serving" && serving(s) == 0 {
		return bad, "Not serving"
	}
	return cmp.Or(level, idle), cmp.Or(text, s.State)
}

// word is the one sentence that is read aloud when it changes, so it has no
// number that ticks.
func word(s *status.Status) string {
	switch {
	case s.State == booting:
		if n := len(s.Draining); n > 0 && s.Draining[n-1].Since.IsZero() {
			return fmt.Sprintf("A new master is starting. Generation %d serves on.", s.Draining[n-1].Generation)
		}
		return "The service is starting."
	case s.State == "stopping" && serving(s) > 0:
		return "The service is stopping. Clients are served until it drains."
	case s.State == "stopping":
		return "The service is stopping."
	}
	text := fmt.Sprintf("Generation %d serves.", s.Generation)
	if serving(s) == 0 {
		text = "No worker serves."
	}
	if s.CurrentReload != nil {
		return fmt.Sprintf("A %s is under way. %s", noun(*s.CurrentReload), text)
	}
	r := s.LastReload
	switch {
	case r == nil:
		return text
	case r.Outcome == status.OutcomeDone:
		return text + fmt.Sprintf(" The last %s was done.", noun(*r))
	default:
		return text + fmt.Sprintf(" The last %s was %s: %s", noun(*r), verb(r.Outcome), sentence(reason(*r)))
	}
}

func title(s *status.Status, m *model) string {
	text := m.State
	if s.Generation > 0 && s.State != booting {
		text = fmt.Sprintf("%s, generation %d", m.State, s.Generation)
	}
	if n := len(m.Attention); n > 0 {
		text = fmt.Sprintf("(%d) %s", n, text)
	}
	return text + " – Handover"
}

func summary(s *status.Status, now time.Time) string {
	text := ""
	if !s.Started.IsZero() {
		text = "Up " + long(now.Sub(s.Started))
	}
	if n := len(s.Workers); n > 0 {
		text += fmt.Sprintf(", %d of %s serving", serving(s), count(n, "worker", "workers"))
	}
	return text
}

func serving(s *status.Status) (n int) {
	for _, w := range s.Workers {
		if w.State == "serving" {
			n++
		}
	}
	return n
}

func figures(s *status.Status, now time.Time) []figure {
	var open int64
	for _, w := range s.Workers {
		open += w.Connections
	}
	for _, d := range s.Draining {
		open += held(d)
	}
	list := []figure{{"Generation", generation(s), does(s)}, {"PID", fmt.Sprint(s.Pid), "never changes"}}
	if !s.Started.IsZero() {
		list = append(list, figure{"Uptime", long(now.Sub(s.Started)), "since " + s.Started.UTC().Format("02 Jan 15:04 MST")})
	}
	return append(
		list,
		figure{"Workers", fmt.Sprintf("%d / %d", serving(s), len(s.Workers)+len(s.Failing)), "serving"},
		figure{"Connections", number(open), "open now"},
		figure{"Requests", number(s.Requests), "answered so far"},
	)
}

func generation(s *status.Status) string {
	if s.Generation == 0 || s.State == booting {
		return "–"
	}
	return fmt.Sprint(s.Generation)
}

func does(s *status.Status) string {
	switch {
	case s.State == booting:
		return "starts"
	case serving(s) == 0:
		return "does not serve"
	default:
		return "serves"
	}
}

func facts(s *status.Status) []figure {
	list := []figure{
		{"Version", cmp.Or(s.Master.Version, "unknown"), ""},
		{"Master", master(s), ""},
		{"Config", cmp.Or(s.Config, "built-in defaults"), ""},
	}
	for _, l := range s.Listeners {
		list = append(list, figure{"Listens", map[bool]string{true: "https ", false: "http "}[l.TLS] + l.Address, ""})
	}
	return list
}

func master(s *status.Status) string {
	if s.Master.Pid == 0 {
		return "starting"
	}
	return fmt.Sprint("pid ", s.Master.Pid)
}
