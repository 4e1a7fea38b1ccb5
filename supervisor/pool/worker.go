package pool

import (
	"time"

	"example.com/handover/supervisor/machine"
)

// State is where a worker stands.
type State string

// The states of a worker.
const (
	Starting State = "starting" // the process runs and builds its handler
	Proving  State = "proving"  // ready; its private connection is being tried
	Proved   State = "proved"   // passed, and waits for the generation's release
	Serving  State = "serving"  // was told "go"
	Spent    State = "spent"    // serves on, until another has taken its place
	Hung     State = "hung"     // showed no life; writes its goroutine dump, if it can
	Draining State = "draining" // was told to stop accepting
	Ending   State = "ending"   // failed or was cut; the process is being killed
	Vacant   State = "vacant"   // no process
)

// Trigger is what can happen to one worker.
type Trigger string

// The triggers.
const (
	Ready    Trigger = "ready"
	Passed   Trigger = "passed"
	Failed   Trigger = "failed" // said so itself, failed its proof, or ran out of time
	Released Trigger = "released"
	Retired  Trigger = "retired"
	Used     Trigger = "used"    // its time has come to be recycled
	Silent   Trigger = "silent"  // no sign of life for too long
	Left     Trigger = "left"    // accepts no more, whoever told it to
	Expired  Trigger = "expired" // its deadline has passed
	Exited   Trigger = "exited"
)

// Order is something to do with one worker.
type Order string

// The orders.
const (
	Start  Order = "start"
	Prove  Order = "prove"
	Go     Order = "go"
	Retire Order = "retire"
	Dump   Order = "dump" // write down what every goroutine does, and end
	Kill   Order = "kill"
	blame  Order = "count a failure"
)

type cell = machine.Cell[State, Order]

func stays(s State) cell {
	return cell{Next: s}
}

var (
	never = cell{}
	fail  = cell{Next: Ending, Do: []Order{blame, Kill}}
	lost  = cell{Next: Vacant, Do: []Order{blame}}
	left  = cell{Next: Draining, Do: []Order{blame}}
	hang  = cell{Next: Hung, Do: []Order{blame, Dump}}
)

// Table is the one declaration of a worker's way.
var Table = machine.Table[State, Trigger, Order]{
	States: []State{Starting, Proving, Proved, Serving, Spent, Hung, Draining, Ending, Vacant},
	Events: []Trigger{Ready, Passed, Failed, Released, Retired, Used, Silent, Left, Expired, Exited},
	Cells: map[State]map[Trigger]cell{
		Starting: {
			Ready: {Next: Proving, Do: []Order{Prove}}, Passed: never, Failed: fail, Expired: fail, Exited: lost,
			Released: stays(Starting), Retired: {Next: Ending, Do: []Order{Kill}},
			Used: never, Silent: never, Left: never,
		},
		Proving: {
			Ready: stays(Proving), Passed: {Next: Proved}, Failed: fail, Expired: fail, Exited: lost,
			Released: stays(Proving), Retired: {Next: Ending, Do: []Order{Kill}},
			Used: never, Silent: never, Left: never,
		},
		Proved: {
			Ready: stays(Proved), Passed: stays(Proved), Failed: fail, Expired: stays(Proved), Exited: lost,
			Released: {Next: Serving, Do: []Order{Go}}, Retired: {Next: Ending, Do: []Order{Kill}},
			Used: never, Silent: never, Left: never,
		},
		Serving: {
			Ready: stays(Serving), Passed: stays(Serving), Failed: stays(Serving), Expired: stays(Serving), Exited: lost,
			Released: stays(Serving), Retired: {Next: Draining, Do: []Order{Retire}},
			Used: {Next: Spent}, Silent: hang, Left: left,
		},
		Spent: {
			Ready: stays(Spent), Passed: stays(Spent), Failed: stays(Spent), Expired: stays(Spent), Exited: lost,
			Released: stays(Spent), Retired: {Next: Draining, Do: []Order{Retire}},
			Used: stays(Spent), Silent: hang, Left: left,
		},
		Hung: {
			Ready: stays(Hung), Passed: stays(Hung), Failed: stays(Hung), Exited: {Next: Vacant},
			Released: stays(Hung), Retired: {Next: Ending, Do: []Order{Kill}}, Expired: {Next: Ending, Do: []Order{Kill}},
			Used: never, Silent: never, Left: stays(Hung),
		},
		Draining: {
			Ready: stays(Draining), Passed: stays(Draining), Failed: stays(Draining), Exited: {Next: Vacant},
			Released: stays(Draining), Retired: stays(Draining), Expired: {Next: Ending, Do: []Order{Kill}},
			Used: never, Silent: never, Left: stays(Draining),
		},
		Ending: {
			Ready: stays(Ending), Passed: stays(Ending), Failed: stays(Ending), Expired: {Next: Ending, Do: []Order{Kill}},
			Released: stays(Ending), Retired: stays(Ending), Exited: {Next: Vacant},
			Used: never, Silent: never, Left: stays(Ending),
		},
		Vacant: {
			Ready: never, Passed: never, Failed: never, Expired: never, Exited: never,
			Released: stays(Vacant), Retired: stays(Vacant),
			Used: never, Silent: never, Left: never,
		},
	},
}

// Worker is one slot as the pool sees it.
type Worker struct {
	Slot     int
	State    State
	Restarts int       // how often the slot was filled again after an end that nobody asked for
	Since    time.Time // when it began to serve

	failures int       // in a row
	reason   string    // of the last one
	deadline time.Time // of the state; zero: none
	again    time.Time // when a vacant slot may be filled; zero: at once
	looked   time.Time // when it was last looked at
	alive    time.Time // its last sign of life
	used     bool      // is to be recycled
	recycled bool      // it drains because it was
	silent   bool      // it ends because it was
	stuck    bool      // it has outlived SIGKILL
	left     bool      // it drains, and nobody here asked it to
}
