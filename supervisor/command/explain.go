package command

import (
	"fmt"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/status"
)

// everyCheck stands for all names of checks.
const everyCheck = "all"

// explanation is what "handover check --explain NAME --json" prints.
type explanation struct {
	status.CheckEntry
	Explanation string `json:"explanation"`
}

// ExplainCheck prints what a check means, why, and how to mend what it finds; of
// "all" a line for each.
func ExplainCheck(name string, out Output) error {
	entries := make([]status.CheckEntry, 0, 64)
	for _, e := range cert.Catalogue() {
		entries = append(entries, status.CheckEntry(e))
	}
	if name == everyCheck {
		if out.JSON {
			return printJSON(out, entries)
		}
		status.WriteCatalogue(out, entries, out.look())
		return nil
	}
	text, err := cert.Explain(name)
	if err != nil {
		return status.Failed(status.ExitUsage, `"handover check --explain all" lists the checks`, "%v", err)
	}
	if !out.JSON {
		_, err := fmt.Fprintln(out, text)
		return err
	}
	result := explanation{Explanation: text}
	for _, e := range entries {
		if e.Name == name {
			result.CheckEntry = e
		}
	}
	return printJSON(out, result)
}
