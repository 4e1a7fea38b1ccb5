package footprint

import (
	"bufio"
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Trim gives back what it can, once the start is over. It takes a few
// milliseconds and collects garbage. Where /proc is not to be had it does less.
func Trim() {
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	executable, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for _, m := range parse(text) {
		if m.path == executable && m.clean() {
			// Safe for what is only ever read: the next access maps the file's page again.
			_ = unix.Madvise(memory(m.start, m.end), unix.MADV_DONTNEED)
		}
	}
}

// mapping is an entry of proc_pid_smaps(5).
type mapping struct {
	start, end  uintptr
	permissions string
	path        string
	anonymous   int // kB that are no longer the file's: they would be lost
}

// clean says whether every page of the mapping is still the file's own and
// cannot have been written.
func (m mapping) clean() bool {
	return m.permissions[0] == 'r' && m.permissions[1] == '-' && m.permissions[3] == 'p' && m.anonymous == 0
}

func parse(smaps []byte) []mapping {
	var list []mapping
	lines := bufio.NewScanner(bytes.NewReader(smaps))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && strings.HasSuffix(fields[0], ":") {
			if fields[0] == "Anonymous:" && len(list) > 0 {
				n, err := strconv.Atoi(fields[1])
				if err != nil {
					n = 1 // unreadable: better kept
				}
				list[len(list)-1].anonymous = n
			}
			continue
		}
		if m, ok := parseHead(fields); ok {
			list = append(list, m)
		}
	}
	return list
}

// parseHead reads "start-end perms offset device inode path".
func parseHead(fields []string) (mapping, bool) {
	if len(fields) < 6 || len(fields[1]) != 4 {
		return mapping{}, false
	}
	from, to, ok := strings.Cut(fields[0], "-")
	start, err1 := strconv.ParseUint(from, 16, 64)
	end, err2 := strconv.ParseUint(to, 16, 64)
	if !ok || err1 != nil || err2 != nil || end <= start {
		return mapping{}, false
	}
	return mapping{
		start: uintptr(start), end: uintptr(end), permissions: fields[1],
		path: strings.Join(fields[5:], " "), anonymous: 1,
	}, true
}
