package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, written with a unit: "512MiB".
type Size int64

// units are the multiples of 1024 that a size may be written in, largest first.
var units = []struct {
	name  string
	bytes Size
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String returns the size in the largest unit that it is a multiple of.
func (s Size) String() string {
	for _, u := range units {
		if s >= u.bytes && s%u.bytes == 0 {
			return fmt.Sprintf("%d%s", s/u.bytes, u.name)
		}
	}
	return fmt.Sprintf("%dB", int64(s))
}

// parseSize reads a whole number with its unit; an empty text is 0.
func parseSize(text string) (Size, bool) {
	if text == "" {
		return 0, true
	}
	for _, u := range units {
		number, found := strings.CutSuffix(text, u.name)
		if !found {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/int64(u.bytes) {
			return 0, false
		}
		return Size(n) * u.bytes, true
	}
	return 0, false
}

// mendedSize is the hint for a text that is no size.
func mendedSize(text string) string {
	trimmed := strings.TrimSpace(text)
	for _, u := range units[:len(units)-1] {
		short := u.name[:1]
		for _, wrong := range []string{short, short + "B", strings.ToLower(short), strings.ToLower(u.name), strings.ToLower(short) + "b"} {
			number, found := strings.CutSuffix(trimmed, wrong)
			if _, err := strconv.ParseInt(number, 10, 64); found && err == nil {
				return fmt.Sprintf("did you mean %q?", number+u.name)
			}
		}
	}
	if _, err := strconv.ParseInt(trimmed, 10, 64); err == nil {
		return fmt.Sprintf("did you mean %q?", trimmed+"MiB")
	}
	return `a whole number and a unit: "64KiB", "512MiB" or "2GiB"`
}
