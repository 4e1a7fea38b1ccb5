package machine_test

import (
	"slices"
	"testing"

	"example.com/handover/supervisor/machine"
)

type word string

var lamp = machine.Table[word, word, word]{
	States: []word{"dark", "lit"},
	Events: []word{"pressed", "burnt"},
	Cells: map[word]map[word]machine.Cell[word, word]{
		"dark": {"pressed": {Next: "lit", Do: []word{"glow"}}, "burnt": {}},
		"lit":  {"pressed": {Next: "dark"}},
	},
}

func TestStepFollowsTheTableAndRefusesWhatCannotHappen(t *testing.T) {
	t.Parallel()
	next, do, ok := lamp.Step("dark", "pressed")
	if next != "lit" || !slices.Equal(do, []word{"glow"}) || !ok {
		t.Errorf("dark × pressed: got %s %v %v, want lit [glow] true", next, do, ok)
	}
	if next, _, ok := lamp.Step("dark", "burnt"); next != "dark" || ok {
		t.Errorf("dark × burnt: got %s %v, want dark false", next, ok)
	}
}

func TestMissingNamesTheUndeclaredCells(t *testing.T) {
	t.Parallel()
	if got, want := lamp.Missing(), []string{"lit × burnt"}; !slices.Equal(got, want) {
		t.Errorf("missing cells: got %q, want %q", got, want)
	}
}

func TestDiagramShowsEachCellThatDoesSomething(t *testing.T) {
	t.Parallel()
	want := "dark       pressed          → lit        glow\nlit        pressed          → dark\n"
	if got := lamp.Diagram(); got != want {
		t.Errorf("diagram: got\n%swant\n%s", got, want)
	}
}
