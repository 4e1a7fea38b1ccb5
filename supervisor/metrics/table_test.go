package metrics_test

import (
	"bufio"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/status"
)

// full is a status in which everything has happened.
func full() *status.Status {
	at := time.Unix(1_790_000_000, 0)
	h := status.NewHistogram(0.1, 1)
	return &status.Status{
		Generation: 4, Requests: 1000, Started: at, Wanted: 2, Booting: 5, State: "reloading",
		Master:       status.Master{Version: "v1", Go: "go1.26"},
		Workers:      []status.Worker{{State: "serving", Connections: 3}},
		Draining:     []status.Draining{{Generation: 3, Workers: []status.DrainingWorker{{Connections: 2}}}},
		Certificates: []status.Certificate{{Name: "example.org", NotBefore: at, NotAfter: at.Add(90 * 24 * time.Hour), Serial: "0a", Issuer: "CN=x", Fingerprint: "ab", Disk: "changed"}},
		Counts: status.Counts{
			Boots: h, ReloadSeconds: map[string]status.Histogram{"reload": h, "rotate": h, "rollback": h},
			Findings: status.Tally{"pair.mismatch": {"refuse": 1}},
		},
		Traffic:    status.Traffic{Duration: h},
		TicketKeys: []string{"ab", "cd"},
	}
}

// rows returns what is exposed, a family each, as the table in doc.go has it.
func rows(text string) []string {
	label := regexp.MustCompile(`([a-z_0-9]+)="(?:[^"\\]|\\.)*"`)
	help, kinds, labels, names := map[string]string{}, map[string]string{}, map[string][]string{}, []string{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		words := strings.SplitN(lines.Text(), " ", 4)
		if words[0] == "#" && words[1] == "HELP" {
			help[words[2]] = words[3]
			names = append(names, words[2])
			continue
		}
		if words[0] == "#" {
			kinds[words[2]] = words[3]
			continue
		}
		family := names[len(names)-1] // its series follow
		for _, found := range label.FindAllStringSubmatch(lines.Text(), -1) {
			if found[1] != "le" && !slices.Contains(labels[family], found[1]) {
				labels[family] = append(labels[family], found[1])
			}
		}
	}
	var table []string
	for _, name := range names {
		row := name
		if len(labels[name]) > 0 {
			row += "{" + strings.Join(labels[name], ",") + "}"
		}
		table = append(table, row+" "+kinds[name], "    "+help[name])
	}
	return table
}

func TestTheDocumentedMetricsAreThoseExposed(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for line := range strings.Lines(string(source)) {
		if text, ok := strings.CutPrefix(line, "//\t"); ok {
			documented = append(documented, strings.TrimRight(text, "\n"))
		}
	}
	if exposed := rows(text(t, full())); !slices.Equal(documented, exposed) {
		t.Errorf("doc.go has\n%s\nwant\n//\t%s", strings.Join(documented, "\n"), strings.Join(exposed, "\n//\t"))
	}
}
