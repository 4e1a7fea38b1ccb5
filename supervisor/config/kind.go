package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// mismatch reports a value of the wrong type.
func (r *reader) mismatch(path string, in any, want reflect.Type) {
	r.add(path, mend(path, in, want), fmt.Sprintf("key %q: found %s, expected %s", path, found(in), expected(want)))
}

// found names a TOML value: its type, and itself if it is short.
func found(in any) string {
	switch v := in.(type) {
	case string:
		return fmt.Sprintf("string %q", v)
	case int64:
		return fmt.Sprintf("integer %d", v)
	case float64:
		return fmt.Sprintf("float %v", v)
	case bool:
		return fmt.Sprintf("boolean %t", v)
	case time.Time:
		return "date or time"
	case map[string]any:
		return "table"
	case []map[string]any:
		return "array of tables"
	default:
		return "array"
	}
}

// expected names the TOML type that a Go type is written as.
func expected(t reflect.Type) string {
	if t == reflect.TypeFor[time.Duration]() {
		return `duration such as "30s"`
	}
	if t == reflect.TypeFor[Size]() {
		return `size such as "512MiB"`
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Int:
		return "integer"
	case reflect.Bool:
		return "boolean"
	case reflect.Slice:
		return "array of " + expected(t.Elem()) + "s"
	default:
		return "table"
	}
}

// mend is the hint for the wrong types that people write.
func mend(path string, in any, want reflect.Type) string {
	switch v := in.(type) {
	case string:
		if strings.HasPrefix(path, "hooks.") {
			return fmt.Sprintf("write [%q]", v) // a line for the shell, not words
		}
		return mendString(v, want)
	case map[string]any:
		if want.Kind() == reflect.Slice && want.Elem().Kind() == reflect.Struct {
			return fmt.Sprintf("write [[%s]]", path)
		}
	case []map[string]any:
		if want.Kind() == reflect.Struct {
			return fmt.Sprintf("write [%s]", path)
		}
	case int64, float64, bool:
		if want.Kind() == reflect.String {
			return fmt.Sprintf(`write "%v"`, v)
		}
	}
	return ""
}

func mendString(text string, want reflect.Type) string {
	_, errInt := strconv.Atoi(text)
	_, errBool := strconv.ParseBool(text)
	switch {
	case want.Kind() == reflect.Slice && want.Elem().Kind() == reflect.String:
		quoted := make([]string, 0, 4)
		for _, word := range strings.Fields(text) {
			quoted = append(quoted, strconv.Quote(word))
		}
		return "write [" + strings.Join(quoted, ", ") + "]"
	case want == reflect.TypeFor[[]Listen]():
		return fmt.Sprintf("write [[listen]] on a line of its own, and below it address = %q", text)
	case want.Kind() == reflect.Int && errInt == nil, want.Kind() == reflect.Bool && errBool == nil:
		return "leave out the quotes"
	}
	return ""
}

// syntaxHint is the hint for what people take for TOML.
func syntaxHint(text string, e toml.ParseError) string {
	start := strings.TrimSpace(text)
	switch {
	case strings.Contains(e.Message, "control characters"), strings.Contains(e.Message, "NULL bytes"), !utf8.ValidString(text):
		return "-c takes a text file in TOML, in UTF-8"
	case strings.HasPrefix(start, "{"), strings.HasPrefix(start, "---"), strings.Contains(e.Message, "got ':'"):
		return "TOML has neither braces nor colons around its keys: write key = value"
	case strings.Contains(e.Message, "already been defined"):
		return "leave one of them out"
	default:
		return ""
	}
}
