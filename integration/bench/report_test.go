package bench

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// hostile is a name that means something to Markdown, XML, HTML and a terminal.
const hostile = "a|b <script>alert(1)</script> & \"`*_[x](y)\n\x01\xff"

// example is a report with a bit of everything.
func example() *Report {
	first := &Figure{
		Name: "HUP to first new certificate, 2 workers", Section: "Reload", Unit: "ms", Against: "nginx",
		Goal: "≤ 0.5 × nginx", Bound: 0.5, OfRatio: true,
		Samples: map[string][]float64{"handover": {19, 22, 24}, "nginx": {41, 48, 60}, "HAProxy": {44, 51, 61}, "Apache": {24, 30, 1016}},
	}
	lost := &Figure{
		Name: "lost over 200 reloads", Section: "Reload", Goal: "0", Every: true,
		Samples: map[string][]float64{"handover": {0, 0, 0}, "nginx": {80, 90, 120}},
	}
	rate := &Figure{
		Name: "new connections", Section: "Throughput", Unit: "1/s", Against: "net/http", More: true,
		Goal: "≥ 1.05 × net/http", Bound: 1.05, OfRatio: true,
		Samples: map[string][]float64{"handover": {2400, 2450, 2500}, "net/http": {2350, 2433, 2500}, "nginx": {2800, 2858, 2900}},
	}
	return &Report{
		Date: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC), Machine: "some processor, 2 cores", Commit: "1f06c58",
		Versions: map[string]string{"handover": "1f06c58", "nginx": "1.22.1"}, Figures: []*Figure{first, lost, rate},
	}
}

// written writes a report and returns its files by name.
func written(t *testing.T, r *Report) map[string]string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run", "today")
	if err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	return content(t, dir)
}

func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(text)
	}
	return files
}

func TestAReportReadsBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := example()
	if err := want.Write(dir); err != nil {
		t.Fatal(err)
	}
	got, err := Read(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAReportThatIsNoJSONIsNamed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(path, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error with %s", err, path)
	}
	if _, err := Read(path + ".not"); err == nil {
		t.Error("got no error for a file that is not there")
	}
}

func TestASampleThatIsNoNumberCostsItsPeerTheFigureAndNotTheRun(t *testing.T) {
	t.Parallel()
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		r := example()
		r.Figures[1].Add("handover", bad)
		dir := t.TempDir()
		err := r.Write(dir)
		if err == nil || !strings.Contains(err.Error(), `round 4 of "handover"`) || !strings.Contains(err.Error(), r.Figures[1].Name) {
			t.Errorf("%v: got error %v, want the figure, the round and the peer", bad, err)
		}
		got, err := Read(filepath.Join(dir, "report.json"))
		if err != nil {
			t.Fatal(err)
		}
		if v := got.Figures[1].Verdict(); v != Unknown || len(got.Figures[1].Samples["nginx"]) != 3 || len(got.Figures[0].Samples) != 4 {
			t.Errorf("%v: got %v and %v, want the goal unknown and the others' samples", bad, v, got.Figures)
		}
		if n := len(r.Figures[1].Samples["handover"]); n != 4 {
			t.Errorf("%v: the report itself has %d samples, want all 4", bad, n)
		}
	}
}

func TestEachSectionHasItsFilesAndNoNameLeavesTheFolder(t *testing.T) {
	t.Parallel()
	r := &Report{}
	for _, name := range []string{"../../etc/passwd", "etc passwd", "", "…", hostile, strings.Repeat("x", 300)} {
		r.Figures = append(r.Figures, &Figure{Name: "f", Section: name, Samples: map[string][]float64{"p": {1}}})
	}
	files := written(t, r)
	if len(files) != len(r.Figures)+2 {
		t.Errorf("got %d files, want a plot for each of %d sections and two more", len(files), len(r.Figures))
	}
	for name := range files {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "." && name != "report.json" && name != "README.md" || len(name) > 70 {
			t.Errorf("got a file %q, want small letters, digits and dashes", name)
		}
		if strings.HasSuffix(name, ".svg") && !strings.Contains(files["README.md"], "("+name+")") {
			t.Errorf("the page does not show %s", name)
		}
	}
}

func TestAFigureAddsSamplesInTheOrderOfTheRounds(t *testing.T) {
	t.Parallel()
	f := &Figure{}
	f.Add("a", 3)
	f.Add("b", 5)
	f.Add("a", 1)
	if !slices.Equal(f.Samples["a"], []float64{3, 1}) || !slices.Equal(f.Samples["b"], []float64{5}) {
		t.Errorf("got %v", f.Samples)
	}
}

func TestANewReportSaysWhereAndWhenItWasMeasured(t *testing.T) {
	t.Parallel()
	r := NewReport()
	for _, part := range []string{"cores", "GiB", "Linux ", "load average "} {
		if !strings.Contains(r.Machine, part) {
			t.Errorf("got the machine %q, want %q in it", r.Machine, part)
		}
	}
	if r.Commit == "" || strings.ContainsAny(r.Commit, " \n") || r.Date.IsZero() || r.Versions == nil {
		t.Errorf("got %+v, want a commit in one word, a date and a place for versions", r)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}
