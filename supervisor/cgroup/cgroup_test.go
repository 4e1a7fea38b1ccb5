package cgroup

import (
	"os"
	"path/filepath"
	"testing"
)

const (
	twoMounts = "30 23 0:26 / /cg rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
	oneMounts = "31 23 0:28 / /cg rw - tmpfs tmpfs rw\n35 31 0:32 / /cg/memory rw - cgroup cgroup rw,memory\n41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n"
	container = "35 31 0:32 /docker/c1 /cg/memory ro - cgroup cgroup rw,memory\n"
	unlimited = "9223372036854771712\n"
)

func TestTheMemoryOfAControlGroup(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, cgroup, mounts string
		files                map[string]string
		limit                int64 // 0: unknown
		kills                int   // -1: unknown
	}{
		{"version 2", "0::/a.slice/b.service\n", twoMounts, map[string]string{
			"cg/a.slice/b.service/memory.max": "1000\n", "cg/a.slice/memory.max": "max\n",
			"cg/a.slice/b.service/memory.events": "low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\noom_group_kill 1\n",
		}, 1000, 3},
		{"a limit above is one too", "0::/a.slice/b.service\n", twoMounts, map[string]string{
			"cg/a.slice/b.service/memory.max": "1000\n", "cg/a.slice/memory.max": "900\n",
		}, 900, -1},
		{"no limit", "0::/a\n", twoMounts, map[string]string{"cg/a/memory.max": "max\n", "cg/a/memory.events": "oom_kill 0\n"}, 0, 0},
		{"at the top", "0::/\n", twoMounts, map[string]string{"cg/cgroup.procs": ""}, 0, -1},
		{"version 1 beside version 2", "4:memory:/a/b\n3:cpu,cpuacct:/\n0::/\n", oneMounts, map[string]string{
			"cg/memory/a/b/memory.limit_in_bytes": unlimited, "cg/memory/a/memory.limit_in_bytes": "5000\n", "cg/memory/memory.limit_in_bytes": unlimited,
			"cg/memory/a/b/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n",
		}, 5000, 7},
		{"version 1 without limit", "4:memory:/a\n", oneMounts, map[string]string{
			"cg/memory/a/memory.limit_in_bytes": unlimited, "cg/memory/a/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\n",
		}, 0, -1},
		{"a container that is told the machine's path", "4:memory:/docker/c1\n", container, map[string]string{
			"cg/memory/memory.limit_in_bytes": "700\n", "cg/memory/memory.oom_control": "oom_kill 1\n",
		}, 700, 1},
		{"a container with a namespace", "4:memory:/\n", container, map[string]string{"cg/memory/memory.limit_in_bytes": "700\n"}, 700, -1},
		{"a group that is not mounted here", "0::/../elsewhere\n", twoMounts, map[string]string{"cg/memory.max": "800\n"}, 800, -1},
		{"nothing mounted", "0::/a\n", "", nil, 0, -1},
		{"damaged", "4:memory\n0:\nx\n", "30 23\n30 23 0:26 / - cgroup2\n", nil, 0, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := tree(t, c.cgroup, c.mounts, c.files)
			g, _ := v.memory()
			limit, ok := g.memoryLimit()
			if limit = only(limit, ok); limit != c.limit {
				t.Errorf("limit: got %d (known: %v), want %d", limit, ok, c.limit)
			}
			kills, ok := g.oomKills()
			if ok != (c.kills >= 0) || ok && kills != uint64(c.kills) {
				t.Errorf("kills: got %d (known: %v), want %d", kills, ok, c.kills)
			}
		})
	}
}

func only(n int64, ok bool) int64 {
	if !ok {
		return 0
	}
	return n
}

// tree makes a folder that stands for the machine.
func tree(t *testing.T, cgroup, mounts string, files map[string]string) view {
	t.Helper()
	root := t.TempDir()
	all := map[string]string{"self/cgroup": cgroup, "self/mountinfo": mounts}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return view{proc: filepath.Join(root, "self"), root: root}
}

func TestWithoutProcNothingIsKnown(t *testing.T) {
	t.Parallel()
	v := view{proc: filepath.Join(t.TempDir(), "none")}
	if g, ok := v.memory(); ok {
		t.Errorf("got %+v, want nothing", g)
	}
}

func TestAShareLeavesATenthAndIsNeverAboveTheMost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limit     int64
		processes int
		most      int64
		want      int64
	}{
		{1000, 1, 0, 900},
		{1000, 3, 0, 300},
		{1000, 3, 200, 200},
		{1000, 3, 400, 300},
		{1000, 0, 0, 900},
		{0, 3, 400, 400},
		{0, 3, 0, 0},
		{1 << 61, 1, 0, 1 << 61 / 10 * 9},
	} {
		if got := Share(c.limit, c.processes, c.most); got != c.want {
			t.Errorf("share of %d for %d, at most %d: got %d, want %d", c.limit, c.processes, c.most, got, c.want)
		}
	}
}
