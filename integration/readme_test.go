package integration

import (
	"io/fs"
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

func TestTheReadmeNamesNoTestThatIsNotThere(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	err = filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(b, -1) {
			have = append(have, string(m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test\\w+)(…?)`").FindAllStringSubmatch(string(readme), -1)
	if len(named) < 100 {
		t.Errorf("got %d names of tests, want those of all that is claimed", len(named))
	}
	for _, m := range named {
		is := func(name string) bool { return name == m[1] || m[2] != "" && strings.HasPrefix(name, m[1]) }
		if !slices.ContainsFunc(have, is) {
			t.Errorf("README names %q, and no test is called that", m[1]+m[2])
		}
	}
}
