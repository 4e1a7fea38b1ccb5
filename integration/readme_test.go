package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestTheReadmeNamesATestForEachGuarantee(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "# Guarantees")
	section, _, _ := strings.Cut(rest, "\n# ")
	named := regexp.MustCompile(`TestGuarantee_\w+`).FindAllString(section, -1)
	if numbered := regexp.MustCompile(`(?m)^\d+\. \*\*`).FindAllString(section, -1); len(numbered) != 8 {
		t.Errorf("got %d guarantees, want 8", len(numbered))
	}
	var have []string
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (TestGuarantee_\w+)`).FindAllSubmatch(b, -1) {
			have = append(have, string(m[1]))
		}
	}
	slices.Sort(named)
	slices.Sort(have)
	if !slices.Equal(named, have) {
		t.Errorf("README names %q, the tests are %q", named, have)
	}
}
