package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// reader collects the problems of one file while it fills a Config.
type reader struct {
	file     string
	dir      string // relative paths start here
	lines    map[string]int
	problems []Problem
	unread   int // how many of the problems kept a value from being read
}

// report notes that a value is not allowed. A key that was not read, or that
// holds or lies in such a one, is passed over: it has a value that nobody wrote.
func (r *reader) report(key, hint, format string, args ...any) {
	if !r.broken(key) {
		r.add(key, hint, fmt.Sprintf(format, args...))
	}
}

func (r *reader) add(key, hint, message string) {
	r.problems = append(r.problems, Problem{
		File: r.file, Line: r.lineOf(key), Key: key, Message: message, Hint: hint,
	})
}

// broken says whether key, something around it or something in it was not read.
func (r *reader) broken(key string) bool {
	return slices.ContainsFunc(r.problems[:r.unread], func(p Problem) bool {
		return within(key, p.Key) || within(p.Key, key)
	})
}

// within says whether path is outer or lies in it.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// lineOf returns the line of a key, or that of the table it is missing from.
func (r *reader) lineOf(key string) int { return lineIn(r.lines, key) }

// decode parses text and fills c. It returns false if the text is no TOML, and
// so nothing else can be said about it.
func (r *reader) decode(text string, c *Config) bool {
	var tables map[string]any
	_, err := toml.Decode(text, &tables)
	var syntax toml.ParseError
	switch {
	case errors.As(err, &syntax):
		r.problems = append(r.problems, Problem{
			File: r.file, Line: max(syntax.Position.Line, 1), Key: syntax.LastKey,
			Message: "invalid TOML: " + strings.TrimSuffix(syntax.Message, "."), Hint: syntaxHint(text, syntax),
		})
		return false
	case err != nil:
		r.problems = append(r.problems, Problem{File: r.file, Line: 1, Message: "invalid TOML: " + err.Error()})
		return false
	}
	r.lines = locate(text)
	r.table("", tables, reflect.ValueOf(c).Elem())
	r.unread = len(r.problems)
	return true
}

// fields maps the keys of a table to the fields of its struct.
func fields(t reflect.Type) map[string]int {
	keys := map[string]int{}
	for i := range t.NumField() {
		if tag := t.Field(i).Tag.Get("toml"); tag != "-" {
			keys[tag] = i
		}
	}
	return keys
}

func (r *reader) table(path string, in map[string]any, out reflect.Value) {
	known := fields(out.Type())
	for _, key := range slices.Sorted(maps.Keys(in)) {
		if i, ok := known[key]; ok {
			r.value(join(path, key), in[key], out.Field(i))
			continue
		}
		hint := meant(key, slices.Sorted(maps.Keys(known)))
		if hint == "" {
			hint = elsewhere(key)
		}
		r.add(join(path, key), hint, fmt.Sprintf("unknown key %q", join(path, key)))
	}
}

// elsewhere is the hint for a key that exists, but in another table. Most often
// it was written at the end of the file, below a table header.
func elsewhere(key string) string {
	top := reflect.TypeFor[Config]()
	if _, ok := fields(top)[key]; ok {
		return fmt.Sprintf("%q belongs at the top of the file, above the first [table]", key)
	}
	for i := range top.NumField() {
		t, header := top.Field(i).Type, "[%s]"
		if t.Kind() == reflect.Slice {
			t, header = t.Elem(), "[[%s]]"
		}
		if t.Kind() != reflect.Struct {
			continue
		}
		if _, ok := fields(t)[key]; ok {
			return fmt.Sprintf("%q belongs under "+header, key, top.Field(i).Tag.Get("toml"))
		}
	}
	return ""
}

// value puts what was read into a field, if it is of the right type.
func (r *reader) value(path string, in any, out reflect.Value) {
	if out.Type() == reflect.TypeFor[time.Duration]() {
		r.duration(path, in, out)
		return
	}
	if out.Type() == reflect.TypeFor[Size]() {
		r.size(path, in, out)
		return
	}
	switch out.Kind() {
	case reflect.Struct:
		if m, ok := in.(map[string]any); ok {
			r.table(path, m, out)
			return
		}
	case reflect.Slice:
		if list, ok := elements(in); ok {
			r.slice(path, list, out)
			return
		}
	case reflect.Map:
		if m, ok := in.(map[string]any); ok {
			r.words(path, m, out)
			return
		}
	case reflect.Int:
		if n, ok := in.(int64); ok && !out.OverflowInt(n) {
			out.SetInt(n)
			return
		}
	default: // string and bool
		if v := reflect.ValueOf(in); v.Type() == out.Type() {
			out.Set(v)
			return
		}
	}
	r.mismatch(path, in, out.Type())
}

// elements returns the elements of an array, however it was written.
func elements(in any) ([]any, bool) {
	switch list := in.(type) {
	case []any:
		return list, true
	case []map[string]any: // [[header]]
		all := make([]any, 0, len(list))
		for _, m := range list {
			all = append(all, m)
		}
		return all, true
	}
	return nil, false
}

func (r *reader) slice(path string, list []any, out reflect.Value) {
	for i, in := range list {
		element := reflect.New(out.Type().Elem())
		if l, ok := element.Interface().(*Listen); ok {
			*l = blankListen()
		}
		r.value(index(path, i), in, element.Elem())
		out.Set(reflect.Append(out, element.Elem()))
	}
}

// words reads a table whose keys are free and whose values are strings.
func (r *reader) words(path string, m map[string]any, out reflect.Value) {
	words := make(map[string]string, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		switch v := m[key].(type) {
		case string:
			words[key] = v
		case map[string]any: // a dotted name without its quotes
			hint := "a name with a dot needs quotes"
			for _, rest := range slices.Sorted(maps.Keys(v)) {
				hint = fmt.Sprintf("write %q = %q", key+"."+rest, fmt.Sprint(v[rest]))
			}
			r.add(join(path, key), hint, fmt.Sprintf("key %q: found a table, expected a string", join(path, key)))
		default:
			r.mismatch(join(path, key), v, reflect.TypeFor[string]())
		}
	}
	if len(words) > 0 { // an empty table is none: the same after a trip through JSON
		out.Set(reflect.ValueOf(words))
	}
}

func (r *reader) duration(path string, in any, out reflect.Value) {
	switch v := in.(type) {
	case string:
		d, err := time.ParseDuration(v)
		if err == nil {
			out.SetInt(int64(d))
			return
		}
		hint := `a number and a unit: "500ms", "30s", "5m" or "1h30m"`
		if _, err := time.ParseDuration(v + "s"); err == nil {
			hint = fmt.Sprintf("did you mean %q?", v+"s")
		}
		r.add(path, hint, fmt.Sprintf(`key %q: found %q, expected a duration such as "30s"`, path, v))
	case int64:
		hint := fmt.Sprintf("did you mean %q?", fmt.Sprintf("%ds", v))
		r.add(path, hint, fmt.Sprintf(`key %q: found integer %d, expected a duration such as "30s"`, path, v))
	default:
		r.mismatch(path, in, out.Type())
	}
}

func (r *reader) size(path string, in any, out reflect.Value) {
	switch v := in.(type) {
	case string:
		n, ok := parseSize(v)
		if ok {
			out.SetInt(int64(n))
			return
		}
		r.add(path, mendedSize(v), fmt.Sprintf(`key %q: found %q, expected a size such as "512MiB"`, path, v))
	case int64:
		r.add(path, mendedSize(fmt.Sprint(v)), fmt.Sprintf(`key %q: found integer %d, expected a size such as "512MiB"`, path, v))
	default:
		r.mismatch(path, in, out.Type())
	}
}
