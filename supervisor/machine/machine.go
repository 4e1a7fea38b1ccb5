package machine

import (
	"fmt"
	"strings"
)

// Cell is what one event does in one state. The zero Cell marks an event that
// cannot happen there.
type Cell[S, A ~string] struct {
	Next S
	Do   []A
}

// Table is a state machine as data.
type Table[S, E, A ~string] struct {
	States []S
	Events []E
	Cells  map[S]map[E]Cell[S, A]
}

// Step returns the next state and the actions. An event that cannot happen in
// the state keeps the state and returns false.
func (t Table[S, E, A]) Step(state S, event E) (S, []A, bool) {
	cell, ok := t.Cells[state][event]
	if !ok || cell.Next == "" {
		return state, nil, false
	}
	return cell.Next, cell.Do, true
}

// Missing lists the cells that were not declared, as "state × event".
func (t Table[S, E, A]) Missing() []string {
	var missing []string
	for _, s := range t.States {
		for _, e := range t.Events {
			if _, ok := t.Cells[s][e]; !ok {
				missing = append(missing, fmt.Sprintf("%s × %s", s, e))
			}
		}
	}
	return missing
}

// Diagram draws the table, a line for each cell that does something.
func (t Table[S, E, A]) Diagram() string {
	var b strings.Builder
	for _, s := range t.States {
		for _, e := range t.Events {
			cell := t.Cells[s][e]
			if cell.Next == "" || (cell.Next == s && len(cell.Do) == 0) {
				continue
			}
			actions := make([]string, len(cell.Do))
			for i, a := range cell.Do {
				actions[i] = string(a)
			}
			line := fmt.Sprintf("%-10s %-16s → %-10s %s", s, e, cell.Next, strings.Join(actions, ", "))
			b.WriteString(strings.TrimRight(line, " ") + "\n")
		}
	}
	return b.String()
}

// Comment returns the diagram as the lines of a Go comment, indented so that
// documentation tools keep it as it is.
func (t Table[S, E, A]) Comment() string {
	var b strings.Builder
	for line := range strings.Lines(t.Diagram()) {
		b.WriteString("//\t" + line)
	}
	return b.String()
}
