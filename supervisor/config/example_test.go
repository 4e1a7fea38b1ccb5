package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

const exampleFile = "../../config.example.toml"

func example(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheExampleFileIsTheDefault(t *testing.T) {
	t.Parallel()
	got, err := Load(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Path, _ = filepath.Abs(exampleFile)
	if !reflect.DeepEqual(withoutLines(got), want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestTheExampleFileHasEveryKey(t *testing.T) {
	t.Parallel()
	text := example(t)
	want := func(pattern string) {
		if !regexp.MustCompile("(?m)^" + pattern).MatchString(text) {
			t.Errorf("got no line that begins with %q, want one", pattern)
		}
	}
	var walk func(table string, s reflect.Type)
	walk = func(table string, s reflect.Type) {
		for tag, i := range fields(s) {
			f := s.Field(i).Type
			switch {
			case f.Kind() == reflect.Struct:
				want(`\[` + tag + `\]`)
				walk(tag, f)
			case f.Kind() == reflect.Slice && f.Elem().Kind() == reflect.Struct:
				want(`\[\[` + tag + `\]\]`)
				walk(tag, f.Elem())
			case f.Kind() == reflect.Map:
				want(`\[` + table + `\.` + tag + `\]`)
			default:
				want("(# )?" + tag + " = ")
			}
		}
	}
	walk("", reflect.TypeFor[Config]())
}

func TestTheExampleFileHasNoCommentedKeyThatIsUnknown(t *testing.T) {
	t.Parallel()
	lines := strings.Split(example(t), "\n")
	key := regexp.MustCompile(`^# ["a-z_.]+ = `)
	tried := 0
	for i, line := range lines {
		if !key.MatchString(line) {
			continue
		}
		tried++
		changed := append([]string{}, lines...)
		changed[i] = line[2:]
		_, err := parse("/etc/config.toml", strings.Join(changed, "\n"))
		var all *Error
		if errors.As(err, &all) && strings.Contains(all.Error(), "unknown key") || err != nil && strings.Contains(err.Error(), "invalid TOML") {
			t.Errorf("with %q: got %v, want a known key", changed[i], err)
		}
	}
	if tried < 7 {
		t.Errorf("got %d commented keys, want 7 or more", tried)
	}
}
