package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"example.com/handover/integration/harness"
)

// TestBench measures everything that is installed and keeps the results, in their
// folder and as the table of the README, about twenty minutes on two cores.
// HANDOVER_BENCH_ONLY and HANDOVER_BENCH_PEERS, regular expressions, select
// measurements and peers; what such a run found is printed and not kept.
// HANDOVER_BENCH_RELOADS is over how many reloads losses are counted.
func TestBench(t *testing.T) {
	if os.Getenv("HANDOVER_BENCH") == "" {
		t.Skip("takes twenty minutes and the whole machine; set HANDOVER_BENCH=1")
	}
	if harness.Race {
		t.Fatal("figures of clients with the race detector mean nothing")
	}
	only, who := regexp.MustCompile(os.Getenv("HANDOVER_BENCH_ONLY")), regexp.MustCompile(os.Getenv("HANDOVER_BENCH_PEERS"))
	e := full
	if n, err := strconv.Atoi(os.Getenv("HANDOVER_BENCH_RELOADS")); err == nil {
		e.reloads = n
	}
	b := newBench(os.Stderr, chosen(Peers, who), e)
	b.measure(t, only)
	fmt.Fprintln(os.Stderr, b.report.Summary())
	dir := harness.Folder(t)
	kept := only.String() == "" && who.String() == "" && !t.Failed()
	if kept {
		dir = filepath.Join("results", b.report.Date.Format("2006-01-02"))
	}
	if err := b.report.Write(dir); err != nil {
		t.Error(err)
	}
	if kept {
		root, err := harness.Module()
		if err == nil {
			err = PutInto(filepath.Join(root, "README.md"), b.report.Summary())
		}
		if err != nil {
			t.Error(err)
		}
	}
	page, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(os.Stderr, "%s\n", page)
}

func chosen(peers []Peer, who *regexp.Regexp) []Peer {
	var found []Peer
	for _, p := range peers {
		if who.MatchString(p.Name) {
			found = append(found, p)
		}
	}
	return found
}
