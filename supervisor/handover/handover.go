package handover

import (
	"slices"

	"example.com/handover/supervisor/machine"
)

// State is where a master stands between its birth and its end.
type State string

// The states, in the order of a master's life.
const (
	Booting   State = "booting"   // reads, checks, starts and proves its workers
	Waiting   State = "waiting"   // has declared itself ready; the predecessor ends
	Cutover   State = "cutover"   // its workers accept; older ones are about to stop
	Active    State = "active"    // its workers alone accept
	Checking  State = "checking"  // judges what lies on disk for a reload
	Upgrading State = "upgrading" // a successor boots
	Rotating  State = "rotating"  // certificates are exchanged in place
	Lingering State = "lingering" // told to stop; clients are still accepted for a while, and nothing new is begun
	Stopping  State = "stopping"  // nothing accepts; the last requests end
	Left      State = "left"      // over
)

// Event is something that happened.
type Event string

// The events.
const (
	Proved        Event = "proved"         // every worker is ready and has proved itself
	BootFailed    Event = "boot failed"    // a check, a worker or a proof said no
	ParentGone    Event = "parent gone"    // the predecessor has ended, or there was none
	CutOver       Event = "cut over"       // no other generation accepts any more
	ReloadAsked   Event = "reload asked"   // by signal or on the control socket
	Accepted      Event = "accepted"       // config and certificates on disk are good
	Refused       Event = "refused"        // they are not
	Upgraded      Event = "upgraded"       // the successor declared itself ready
	UpgradeFailed Event = "upgrade failed" // it did not
	RotateAsked   Event = "rotate asked"   // a rotation in place has its turn
	Rotated       Event = "rotated"        // it has ended, one way or the other
	StopAsked     Event = "stop asked"     // by the anchor, its death, or a signal; or the time to linger is over
	LeaveAsked    Event = "leave asked"    // a stop, but not before the world has had time to look elsewhere
	Drained       Event = "drained"        // no worker of any generation is left
)

// Action is something the master shall do.
type Action string

// The actions.
const (
	DeclareReady Action = "declare ready"  // tableflip's Ready, then READY=1 to the anchor
	Release      Action = "release"        // own workers accept, all others retire
	Abandon      Action = "abandon"        // end the own workers, report why, exit
	Check        Action = "check"          // begin to judge what lies on disk
	Remember     Action = "remember"       // one more reload after this one
	Upgrade      Action = "upgrade"        // start the successor
	Rotate       Action = "rotate"         // begin to judge certificates, then have the workers take them
	Conclude     Action = "conclude"       // tell whoever asked how it ended, and look who is next
	HandOn       Action = "hand on"        // leave what is pending to the successor and exit
	Cancel       Action = "cancel upgrade" // end the successor
	Linger       Action = "linger"         // say that it stops, begin nothing more, and serve on until it is time
	Drain        Action = "drain"          // close everything that accepts
	Hasten       Action = "hasten"         // a stop asked for again: the quicker one counts
	Exit         Action = "exit"
)

type cell = machine.Cell[State, Action]

// stays is the cell of an event that means nothing more in its state.
func stays(s State) cell {
	return cell{Next: s}
}

// never marks an event that cannot happen in its state.
var never = cell{}

// Table is the one declaration of the machine.
var Table = machine.Table[State, Event, Action]{
	States: []State{Booting, Waiting, Cutover, Active, Checking, Upgrading, Rotating, Lingering, Stopping, Left},
	Events: []Event{Proved, BootFailed, ParentGone, CutOver, ReloadAsked, Accepted, Refused, Upgraded, UpgradeFailed, RotateAsked, Rotated, StopAsked, LeaveAsked, Drained},
	Cells: map[State]map[Event]cell{
		Booting: {
			Proved:     {Next: Waiting, Do: []Action{DeclareReady}},
			BootFailed: {Next: Left, Do: []Action{Abandon}},
			StopAsked:  {Next: Left, Do: []Action{Abandon}},
			LeaveAsked: {Next: Left, Do: []Action{Abandon}}, // it serves nobody yet
			ParentGone: stays(Booting),                      // killed: the boot goes on, and its workers will serve
			CutOver:    never, ReloadAsked: never, Accepted: never, Refused: never, Upgraded: never, UpgradeFailed: never, Drained: never, RotateAsked: never, Rotated: never,
		},
		Waiting: {
			ParentGone: {Next: Cutover, Do: []Action{Release}},
			StopAsked:  {Next: Stopping, Do: []Action{Drain}},
			LeaveAsked: {Next: Lingering, Do: []Action{Linger}},
			BootFailed: stays(Waiting), // a worker lost after its proof is respawned by the pool
			Proved:     stays(Waiting),
			CutOver:    never, ReloadAsked: never, Accepted: never, Refused: never, Upgraded: never, UpgradeFailed: never, Drained: never, RotateAsked: never, Rotated: never,
		},
		Cutover: {
			CutOver:     {Next: Active, Do: []Action{Conclude}},
			ReloadAsked: {Next: Cutover, Do: []Action{Remember}},
			StopAsked:   {Next: Stopping, Do: []Action{Drain}},
			LeaveAsked:  {Next: Lingering, Do: []Action{Linger}},
			Proved:      stays(Cutover),
			BootFailed:  never, ParentGone: never, Accepted: never, Refused: never, Upgraded: never, UpgradeFailed: never, Drained: never, RotateAsked: never, Rotated: never,
		},
		Active: {
			ReloadAsked: {Next: Checking, Do: []Action{Check}},
			RotateAsked: {Next: Rotating, Do: []Action{Rotate}},
			StopAsked:   {Next: Stopping, Do: []Action{Drain}},
			LeaveAsked:  {Next: Lingering, Do: []Action{Linger}},
			Proved:      stays(Active),
			CutOver:     never, BootFailed: never, ParentGone: never, Accepted: never, Refused: never, Upgraded: never, UpgradeFailed: never, Drained: never, Rotated: never,
		},
		Checking: {
			Accepted:    {Next: Upgrading, Do: []Action{Upgrade}},
			Refused:     {Next: Active, Do: []Action{Conclude}},
			ReloadAsked: {Next: Checking, Do: []Action{Remember}},
			StopAsked:   {Next: Stopping, Do: []Action{Drain}},
			LeaveAsked:  {Next: Lingering, Do: []Action{Linger}},
			Proved:      stays(Checking),
			CutOver:     never, BootFailed: never, ParentGone: never, Upgraded: never, UpgradeFailed: never, Drained: never, RotateAsked: never, Rotated: never,
		},
		Upgrading: {
			Upgraded:      {Next: Left, Do: []Action{HandOn}},
			UpgradeFailed: {Next: Active, Do: []Action{Conclude}},
			ReloadAsked:   {Next: Upgrading, Do: []Action{Remember}},
			StopAsked:     {Next: Stopping, Do: []Action{Cancel, Drain}},
			LeaveAsked:    {Next: Lingering, Do: []Action{Cancel, Linger}},
			Proved:        stays(Upgrading),
			CutOver:       never, BootFailed: never, ParentGone: never, Accepted: never, Refused: never, Drained: never, RotateAsked: never, Rotated: never,
		},
		Rotating: {
			Rotated:     {Next: Active, Do: []Action{Conclude}},
			ReloadAsked: {Next: Rotating, Do: []Action{Remember}},
			StopAsked:   {Next: Stopping, Do: []Action{Drain}},
			LeaveAsked:  {Next: Lingering, Do: []Action{Linger}},
			Proved:      stays(Rotating),
			RotateAsked: never, CutOver: never, BootFailed: never, ParentGone: never, Accepted: never, Refused: never, Upgraded: never, UpgradeFailed: never, Drained: never,
		},
		Lingering: {
			StopAsked:     {Next: Stopping, Do: []Action{Drain}},
			ParentGone:    {Next: Lingering, Do: []Action{Release, Linger}}, // it was told while it waited: who else would serve now
			Upgraded:      {Next: Left, Do: []Action{HandOn}},               // it won the race, and lingers in turn
			LeaveAsked:    stays(Lingering),
			UpgradeFailed: stays(Lingering),
			CutOver:       stays(Lingering),
			Accepted:      stays(Lingering),
			Refused:       stays(Lingering),
			Rotated:       stays(Lingering),
			RotateAsked:   stays(Lingering),
			ReloadAsked:   stays(Lingering),
			Proved:        stays(Lingering),
			BootFailed:    stays(Lingering),
			Drained:       never,
		},
		Stopping: {
			Drained:       {Next: Left, Do: []Action{Exit}},
			StopAsked:     {Next: Stopping, Do: []Action{Hasten}},
			LeaveAsked:    stays(Stopping),
			Upgraded:      {Next: Left, Do: []Action{HandOn}}, // it won the race, and sees the same stop
			UpgradeFailed: stays(Stopping),
			CutOver:       stays(Stopping),
			Accepted:      stays(Stopping),
			Refused:       stays(Stopping),
			RotateAsked:   stays(Stopping),
			Rotated:       stays(Stopping),
			ReloadAsked:   stays(Stopping),
			ParentGone:    stays(Stopping),
			Proved:        stays(Stopping),
			BootFailed:    stays(Stopping),
		},
		Left: {
			Proved: stays(Left), BootFailed: stays(Left), ParentGone: stays(Left), CutOver: stays(Left), ReloadAsked: stays(Left), Accepted: stays(Left),
			Refused: stays(Left), Upgraded: stays(Left), UpgradeFailed: stays(Left), RotateAsked: stays(Left), Rotated: stays(Left), StopAsked: stays(Left), LeaveAsked: stays(Left), Drained: stays(Left),
		},
	},
}

// Machine is one master's way through the table. It has no clock and no side
// effects; the loop that owns it carries out the actions.
type Machine struct {
	state   State
	orphan  bool // no predecessor is left
	pending bool // one more reload was asked for while one ran
}

// New returns a machine that boots, under a predecessor or without one.
func New(hasParent bool) *Machine { return &Machine{state: Booting, orphan: !hasParent} }

// State returns where the master stands.
func (m *Machine) State() State { return m.state }

// Pending says whether another reload follows the running one.
func (m *Machine) Pending() bool { return m.pending }

// Step takes an event and returns what to do, in order. It returns false for an
// event that cannot happen in the present state; the state is kept then, and
// the caller says so loudly.
func (m *Machine) Step(e Event) ([]Action, bool) {
	next, actions, ok := Table.Step(m.state, e)
	if !ok {
		return nil, false
	}
	m.state = next
	m.orphan = m.orphan || e == ParentGone
	for _, a := range actions {
		if a == Remember {
			m.pending = true
		}
	}
	if m.state == Waiting && e == Proved && m.orphan {
		return m.follow(actions, ParentGone)
	}
	if m.state == Active && m.pending {
		m.pending = false
		return m.follow(actions, ReloadAsked)
	}
	return actions, true
}

// follow takes an event that happened earlier and counts only now.
func (m *Machine) follow(actions []Action, e Event) ([]Action, bool) {
	more, ok := m.Step(e)
	return append(slices.Clone(actions), more...), ok
}
