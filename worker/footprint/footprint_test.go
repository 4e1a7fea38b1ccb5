package footprint

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

const sample = `00400000-00936000 r-xp 00000000 fe:00 42                      /opt/a service/bin
Size:               5336 kB
Rss:                5300 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
00936000-00ec0000 r--p 00536000 fe:00 42                      /opt/a service/bin
Anonymous:             4 kB
VmFlags: rd mr mw me
00ec0000-00f33000 rw-p 00ac0000 fe:00 42                      /opt/a service/bin
Anonymous:             0 kB
VmFlags: rd wr mr mw me
c000000000-c000400000 rw-p 00000000 00:00 0
Anonymous:           400 kB
VmFlags: rd wr
7ffd0000-7ffd1000 r-xp 00000000 00:00 0                       [vdso]
`

func TestOnlyMappingsWithoutAPrivatePageAreGivenBack(t *testing.T) {
	t.Parallel()
	var clean []uintptr
	for m := range mappings(strings.NewReader(sample)) {
		if m.path == "/opt/a service/bin" && m.clean() {
			clean = append(clean, m.start)
		}
	}
	if len(clean) != 1 || clean[0] != 0x400000 {
		t.Errorf("clean mappings: got %x, want the executable one at 400000", clean)
	}
}

func TestAProcessRunsOnAfterTrim(t *testing.T) {
	t.Parallel()
	Trim()
	if _, err := os.Hostname(); err != nil {
		t.Errorf("after trim: %v", err)
	}
	Trim()
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Fuzz(func(t *testing.T, b []byte) {
		for m := range mappings(bytes.NewReader(b)) {
			if m.end <= m.start {
				t.Errorf("mapping of no size: %x-%x", m.start, m.end)
			}
		}
	})
}
