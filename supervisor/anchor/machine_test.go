package anchor

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"example.com/handover/signals"
	"example.com/handover/supervisor/notify"
)

// beat is one event at a time and what must follow from it.
type beat struct {
	at   float64 // seconds since the start
	see  seen
	e    event
	want []action
	due  float64 // the deadline afterwards; 0: none
}

var (
	serving = seen{living: true}
	alone   = seen{childless: true}
	feed    = notify.Message{Watchdog: true}
)

func ready(pid int) said { return said{pid, notify.Message{Ready: true, MainPID: pid}} }

func tell(m notify.Message) relay {
	return relay{m}
}

var tellReady, tellStopping = tell(notify.Message{Ready: true}), tell(notify.Message{Stopping: true})

// stories are what an anchor may live through, from its first start on.
var stories = map[string][]beat{
	"a first boot that fails ends with its status": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, silenced{}, nil, 3},
		{1.1, alone, exited{10, 78}, []action{empty{}, exit{78}}, 0},
	},
	"a stop ends well although a successor that was ready was ended by its predecessor": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, ready(10), []action{tellReady}, 5},
		{2, serving, said{10, feed}, nil, 7},
		{3, serving, asked{intent: signals.Stop}, []action{tellStopping, endStop{}}, 7},
		{3, serving, ready(11), nil, 5},
		{3.1, serving, silenced{}, nil, 5.1},
		{3.2, serving, exited{10, 0}, []action{empty{}}, 43},
		{3.3, alone, elapsed{}, []action{exit{0}}, 0},
	},
	"a first boot that a signal to the whole group has hit is no failure": {
		{0, seen{}, started{10}, nil, 5},
		{0.1, seen{}, struck{10}, nil, 5},
		{0.1, alone, exited{10, 1}, nil, 5.1},
		{0.1, alone, silenced{}, []action{start{}}, 0},
		{0.1, seen{}, started{11}, nil, 5.1},
		{0.2, seen{}, silenced{}, nil, 2.2},
		{0.2, alone, exited{11, 70}, []action{empty{}, exit{70}}, 0},
	},
	"a first boot that fails waits for what it left behind, 2 s": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, exited{10, 70}, nil, 6},
		{1, seen{}, silenced{}, []action{empty{}}, 3},
		{3, seen{}, elapsed{}, []action{sweep{}}, 5},
		{3.1, seen{}, exited{11, 1}, []action{sweep{}}, 5},
		{3.2, alone, exited{12, 1}, []action{sweep{}, exit{70}}, 0},
	},
	"a killed descendant that does not end is not waited for": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, exited{10, 70}, nil, 6},
		{1, seen{}, silenced{}, []action{empty{}}, 3},
		{3, seen{}, elapsed{}, []action{sweep{}}, 5},
		{5, seen{}, elapsed{}, []action{exit{70}}, 0},
	},
	"a start that cannot be carried out at first is the end": {
		{0, alone, refused{}, []action{empty{}, exit{1}}, 0},
	},
	"a lost master is replaced at once, then ever later, and again at once after a steady one": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, ready(10), []action{tellReady}, 5},
		{2, serving, silenced{}, []action{start{}}, 0},
		{2, serving, started{11}, nil, 7},
		{2.1, serving, exited{10, 1}, nil, 7},
		{3, serving, silenced{}, nil, 3.1},
		{3.1, serving, elapsed{}, []action{start{own: true}}, 0},
		{3.1, serving, started{12}, nil, 8.1},
		{4, serving, silenced{}, nil, 4.2},
		{4.2, serving, elapsed{}, []action{start{}}, 0},
		{4.2, serving, refused{}, nil, 4.6},
		{4.6, serving, elapsed{}, []action{start{own: true}}, 0},
		{4.6, serving, started{13}, nil, 9.6},
		{5, serving, ready(13), []action{tellReady}, 9.6},
		{35, serving, silenced{}, []action{start{}}, 0},
	},
	"while a generation lives the anchor never gives up": failing(serving, 9, nil),
	"if none lives five failed starts in a row are the end": failing(alone, 5,
		[]action{empty{}, exit{3}}),
	"a master that does not feed its watchdog is killed": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, ready(10), []action{tellReady}, 5},
		{4, seen{}, said{10, feed}, nil, 9},
		{9, serving, elapsed{}, []action{kill{10, "no sign of life"}}, 14},
		{9.1, serving, silenced{}, []action{start{}}, 0},
	},
	"masters that never spoke and hold the pair are hung up on": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, ready(10), []action{tellReady}, 5},
		{2, serving, exited{10, 1}, nil, 7},
		{7, serving, elapsed{}, []action{hangUp{}}, 0},
		{7, serving, silenced{}, []action{start{}}, 0},
	},
	"an anchor that was itself stopped forgives": {
		{0, seen{}, started{10}, nil, 5},
		{60, seen{}, elapsed{}, nil, 65},
		{65, seen{}, elapsed{}, []action{kill{10, "no sign of life"}}, 70},
	},
	"a predecessor has 2 s to leave, its successor's successor does not": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, ready(10), []action{tellReady}, 5},
		{4, seen{}, said{10, feed}, nil, 9},
		{4, seen{}, said{11, feed}, nil, 9},
		{4, seen{}, ready(11), []action{tellReady}, 6},
		{5, seen{}, said{12, feed}, nil, 6},
		{6, seen{}, elapsed{}, []action{kill{10, "still there after its successor was ready"}}, 9},
	},
	"a predecessor that leaves is not killed": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, ready(10), []action{tellReady}, 5},
		{4, seen{}, ready(11), []action{tellReady}, 5},
		{4.1, seen{}, exited{10, 0}, nil, 9},
	},
	"systemd hears READY=1 when the reload is done, not when a successor is ready": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, ready(10), []action{tellReady}, 5},
		{2, seen{}, said{10, notify.Message{Reloading: true}}, []action{tell(notify.Message{Reloading: true})}, 5},
		{4, seen{}, said{11, notify.Message{Ready: true, MainPID: 11, Pending: true}}, nil, 5},
		{4.1, seen{}, exited{10, 0}, nil, 9},
		{4.2, seen{}, said{11, notify.Message{Ready: true, Status: "serves"}}, []action{tell(notify.Message{Ready: true, Status: "serves"})}, 9},
	},
	"a refused reload is told to systemd and changes nothing": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, ready(10), []action{tellReady}, 5},
		{2, seen{}, said{10, notify.Message{Reloading: true}}, []action{tell(notify.Message{Reloading: true})}, 5},
		{3, seen{}, said{11, feed}, nil, 5},
		{4, seen{}, said{10, notify.Message{Ready: true, Status: "refused"}}, []action{tell(notify.Message{Ready: true, Status: "refused"})}, 5},
	},
	"only listening sockets reach systemd's store": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, said{10, notify.Message{Store: "bundle"}}, []action{keep{"bundle"}}, 5},
		{1, seen{}, said{10, notify.Message{Store: "listen.a"}}, []action{keep{"listen.a"}, tell(notify.Message{Store: "listen.a"})}, 5},
		{1, seen{}, said{10, notify.Message{Remove: "bundle"}}, []action{forget{"bundle"}}, 5},
		{1, seen{}, said{10, notify.Message{Remove: "listen.a"}}, []action{forget{"listen.a"}, tell(notify.Message{Remove: "listen.a"})}, 5},
	},
	"STOPPING=1 empties the store, which stays empty": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, said{10, notify.Message{Stopping: true}}, []action{endStop{}, empty{}, tellStopping}, 5},
		{2, seen{}, said{10, notify.Message{Store: "gone.1", Watchdog: true}}, nil, 7},
		{3, seen{}, silenced{}, nil, 5},
		{3, alone, exited{10, 0}, []action{exit{0}}, 0},
	},
	"a graceful stop takes as long as the master said": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, said{10, notify.Message{Ready: true, MainPID: 10, StopTimeout: 3 * time.Second}}, []action{tellReady}, 5},
		{1, seen{}, asked{signals.Stop, ""}, []action{tellStopping, endStop{}}, 4},
		{2, seen{}, said{10, notify.Message{Stopping: true}}, []action{empty{}}, 4},
		{4, seen{}, elapsed{}, []action{sweep{}}, 6},
		{4, alone, exited{10, 1}, []action{sweep{}, exit{1}}, 0},
	},
	"how long a stop may take can also be said during it": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, asked{signals.Stop, ""}, []action{tellStopping, endStop{}}, 5},
		{2, seen{}, said{10, notify.Message{StopTimeout: 3 * time.Second}}, nil, 4},
	},
	"descendants may drain after a stopping master": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, ready(10), []action{tellReady}, 5},
		{1, seen{}, asked{signals.Stop, ""}, []action{tellStopping, endStop{}}, 5},
		{2, seen{}, exited{10, 9}, nil, 7},
		{2, seen{}, silenced{}, []action{empty{}}, 41},
		{30, alone, exited{11, 0}, []action{exit{0}}, 0},
	},
	"a stop without a master drains the workers and is a success": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, ready(10), []action{tellReady}, 5},
		{2, serving, silenced{}, []action{start{}}, 0},
		{2, serving, refused{}, nil, 2.1},
		{2, serving, asked{signals.Stop, ""}, []action{tellStopping, endStop{}, empty{}}, 42},
		{9, alone, elapsed{}, []action{exit{0}}, 0},
	},
	"a second request makes a stop quick, a third ends it": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, ready(10), []action{tellReady}, 5},
		{2, seen{}, asked{signals.Stop, ""}, []action{tellStopping, endStop{}}, 5},
		{3, seen{}, asked{signals.Stop, ""}, []action{quit{}}, 5},
		{4, seen{}, asked{signals.QuickStop, ""}, []action{empty{}, sweep{}}, 6},
		{4.1, alone, exited{10, 1}, []action{sweep{}, exit{0}}, 0},
	},
	"the signal that follows a command to stop is no second request, in whatever order they are heard": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, ready(10), []action{tellReady}, 5},
		{2, seen{}, asked{signals.Stop, ""}, []action{tellStopping, endStop{}}, 5},
		{2, seen{}, said{10, notify.Message{Command: true}}, nil, 5},
		{3, seen{}, asked{signals.Stop, ""}, nil, 5},
		{4, seen{}, asked{signals.Stop, ""}, []action{quit{}}, 5},
	},
	"a signal is the first request although a master has said STOPPING=1 before": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, ready(10), []action{tellReady}, 5},
		{2, seen{}, said{10, notify.Message{Stopping: true}}, []action{endStop{}, empty{}, tellStopping}, 5},
		{3, seen{}, asked{signals.Stop, ""}, nil, 5},
		{4, seen{}, asked{signals.Stop, ""}, []action{quit{}}, 5},
	},
	"a signal for a quick stop hurries a stop of the master's own": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, ready(10), []action{tellReady}, 5},
		{2, seen{}, said{10, notify.Message{Stopping: true}}, []action{endStop{}, empty{}, tellStopping}, 5},
		{3, seen{}, asked{signals.QuickStop, ""}, []action{quit{}}, 5},
	},
	"after a quick stop descendants have 2 s": {
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, ready(10), []action{tellReady}, 5},
		{2, seen{}, asked{signals.QuickStop, ""}, []action{tellStopping, endStop{quick: true}}, 5},
		{2, seen{}, exited{10, 0}, nil, 7},
		{2, seen{}, silenced{}, []action{empty{}}, 4},
		{4, seen{}, elapsed{}, []action{sweep{}}, 6},
	},
	"intents that count are posted 64 times, the others once until read": {
		{0, seen{}, started{10}, nil, 5},
		{0, seen{}, asked{signals.Reload, ""}, []action{post{'r'}}, 5},
		{0, seen{}, asked{signals.Reload, "+r-"}, nil, 5},
		{0, seen{}, asked{signals.Reload, "+oq"}, []action{post{'r'}}, 5},
		{0, seen{}, asked{signals.Grow, "++r"}, []action{post{'+'}}, 5},
		{0, seen{}, asked{signals.Shrink, fmt.Sprintf("%064d", 0)}, []action{post{'-'}}, 5},
		{0, seen{}, asked{signals.None, ""}, nil, 5},
		{0, seen{}, asked{signals.Stop, ""}, []action{tellStopping, endStop{}}, 5},
		{0, seen{}, asked{signals.Reload, ""}, nil, 5},
	},
}

func TestTheMachineTellsEveryStory(t *testing.T) {
	t.Parallel()
	for name, beats := range stories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, newMachine(Limits{}.withDefaults(), 0), beats)
		})
	}
}

// failing is a master that was ready once and then starts that end before they
// are, until the last of them.
func failing(see seen, starts int, last []action) []beat {
	beats := []beat{
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, ready(10), []action{tellReady}, 5},
		{1, see, exited{10, 3}, nil, 6},
		{1, see, silenced{}, []action{start{}}, 0},
	}
	delay, at := 0.1, 1.0
	for i := 1; i <= starts; i++ {
		beats = append(beats, beat{at, see, started{10 + i}, nil, at + 5}, beat{at, see, exited{10 + i, 3}, nil, at + 5})
		if i == starts && last != nil {
			return append(beats, beat{at, see, silenced{}, last, 0})
		}
		beats = append(beats,
			beat{at, see, silenced{}, nil, at + delay},
			beat{at + delay, see, elapsed{}, []action{start{own: i%2 == 1}}, 0})
		at, delay = at+delay, min(2*delay, 5)
	}
	return beats
}

func play(t *testing.T, m *machine, beats []beat) {
	t.Helper()
	zero := time.Unix(1_000_000, 0)
	at := func(seconds float64) time.Time {
		return zero.Add(time.Duration(seconds * float64(time.Second)).Round(time.Millisecond))
	}
	for i, b := range beats {
		got := m.step(at(b.at), b.see, b.e)
		if !slices.Equal(got, b.want) {
			t.Fatalf("beat %d: %#v\n got %#v\nwant %#v", i, b.e, got, b.want)
		}
		due := time.Time{}
		if b.due != 0 {
			due = at(b.due)
		}
		if !m.deadline().Equal(due) {
			t.Fatalf("beat %d: %#v: got deadline %v, want %v", i, b.e, m.deadline().Sub(zero), due.Sub(zero))
		}
	}
}

func TestSystemdHearsTheWatchdogOnlyWhileTheCurrentMasterFeeds(t *testing.T) {
	t.Parallel()
	told := tell(feed)
	play(t, newMachine(Limits{}.withDefaults(), 3*time.Second), []beat{
		{0, seen{}, started{10}, nil, 5},
		{1, seen{}, said{10, feed}, []action{told}, 6},
		{2, seen{}, said{10, feed}, nil, 7},
		{3, seen{}, said{11, feed}, nil, 7},
		{3, seen{}, said{10, feed}, []action{told}, 8},
		{6, seen{}, said{11, notify.Message{Ready: true, MainPID: 11, Watchdog: true}}, []action{tellReady}, 8},
		{7, seen{}, said{10, feed}, nil, 8},
		{7, seen{}, said{11, feed}, []action{told}, 8},
	})
}
