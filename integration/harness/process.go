package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Process is one process as /proc shows it.
type Process struct {
	Pid, Parent, Session int
	State                string // R, S, D, T, Z …
	Name                 string
}

func (p Process) String() string {
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.Pid))
	return fmt.Sprintf("pid %d (parent %d, %s) %s", p.Pid, p.Parent, p.State, strings.ReplaceAll(string(line), "\x00", " "))
}

// Session returns the processes of a session. A zombie whose parent is not of
// the session is left out: to reap it is somebody else's business.
func Session(id int) []Process {
	members := map[int]Process{}
	for _, p := range processes() {
		if p.Session == id {
			members[p.Pid] = p
		}
	}
	var found []Process
	for _, p := range members {
		if _, ours := members[p.Parent]; p.State != "Z" || ours {
			found = append(found, p)
		}
	}
	return found
}

// Children returns the children of a process, zombies too.
func Children(pid int) []Process {
	var found []Process
	for _, p := range processes() {
		if p.Parent == pid {
			found = append(found, p)
		}
	}
	return found
}

// Find returns the process of that number.
func Find(pid int) (Process, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, false
	}
	return parse(string(b))
}

// Alive says whether a process exists and is no zombie.
func Alive(pid int) bool {
	p, ok := Find(pid)
	return ok && p.State != "Z"
}

func processes() []Process {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	var found []Process
	for _, path := range paths {
		if b, err := os.ReadFile(path); err == nil {
			if p, ok := parse(string(b)); ok {
				found = append(found, p)
			}
		}
	}
	return found
}

// parse reads a line of proc_pid_stat(5). The name may hold spaces and
// parentheses, so the other fields are counted after the last one.
func parse(text string) (Process, bool) {
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return Process{}, false
	}
	fields := strings.Fields(text[end+1:])
	if len(fields) < 4 {
		return Process{}, false
	}
	number := func(s string) int {
		n, _ := strconv.Atoi(s)
		return n
	}
	return Process{
		Pid: number(strings.TrimSpace(text[:open])), Name: text[open+1 : end],
		State: fields[0], Parent: number(fields[1]), Session: number(fields[3]),
	}, true
}

// Idle says whether a process has no signal left to take and no thread at work:
// each sleeps, and has done so since it was looked at a moment ago.
func Idle(pid int) bool {
	first, asleep := restful(pid)
	After(time.Millisecond)
	again, still := restful(pid)
	return asleep && still && first == again
}

// restful returns how often the threads of a process have been switched to and
// fro, and whether all of them sleep with no signal waiting.
func restful(pid int) (switches string, asleep bool) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*/status", pid))
	var b strings.Builder
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
			switch key {
			case "State":
				asleep = (asleep || b.Len() == 0) && strings.HasPrefix(value, "S")
			case "SigPnd", "ShdPnd":
				asleep = asleep && strings.Trim(value, "0") == ""
			case "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches":
				fmt.Fprintln(&b, task, value)
			}
		}
	}
	return b.String(), asleep
}

// Descriptors returns what each open descriptor of a process links to.
func Descriptors(pid int) map[int]string {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, _ := os.ReadDir(dir)
	found := make(map[int]string, len(entries))
	for _, e := range entries {
		link, err := os.Readlink(filepath.Join(dir, e.Name()))
		n, numErr := strconv.Atoi(e.Name())
		if err == nil && numErr == nil {
			found[n] = link
		}
	}
	return found
}

// Environ returns the environment a process was started with.
func Environ(pid int) []string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == 0 })
}

// Memory is what a process costs, in bytes.
type Memory struct{ PSS, Private int64 }

// MemoryOf reads the memory of a process.
func MemoryOf(pid int) (Memory, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return Memory{}, err
	}
	var m Memory
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[2] != "kB" {
			continue
		}
		n, _ := strconv.ParseInt(fields[1], 10, 64)
		switch fields[0] {
		case "Pss:":
			m.PSS += n << 10
		case "Private_Clean:", "Private_Dirty:":
			m.Private += n << 10
		}
	}
	return m, nil
}
