package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/handover/integration/harness"
)

// mistake is a config that a user may well write, and what the answer must name.
type mistake struct {
	name  string
	spoil func(text string, i *harness.Instance) string
	says  []string
}

func edit(old, changed string) func(string, *harness.Instance) string {
	return func(text string, _ *harness.Instance) string { return strings.Replace(text, old, changed, 1) }
}

var mistakes = []mistake{
	{"UnknownKey", edit("workers = 1", "workerz = 1"), []string{"line 1", `"workerz"`, "workers"}},
	{"WrongType", edit("workers = 1", `workers = "one"`), []string{"line 1", "workers"}},
	{"NotTOML", edit("workers = 1", "workers = ["), []string{"config.toml"}},
	{"TwoProblemsAtOnce", edit("workers = 1", "workerz = 1\nkeepalive_grase = 2"), []string{"workerz", "keepalive_grase"}},
	{"NoDuration", edit(`boot_timeout = "20s"`, `boot_timeout = "soon"`), []string{"boot_timeout", "soon"}},
	{"SameAddressTwice", func(text string, i *harness.Instance) string {
		return text + fmt.Sprintf("\n[[listen]]\naddress = %q\ntls = true\n", i.Addr)
	}, []string{"address"}},
	{"WordThatIsNone", edit("workers = 1", "workers = 1\non_bad_start = \"last-good\""), []string{"line 2", `"last-good"`, `did you mean "last_good"?`}},
	{"LastGoodOfNothing", edit("workers = 1", "workers = 1\non_bad_start = \"last_good\""), []string{"line 2", "state_dir"}},
	{"StateAmongTheCertificates", func(text string, i *harness.Instance) string {
		return fmt.Sprintf("state_dir = %q\n", i.Dir) + text
	}, []string{"line 1", "state_dir", "a folder of its own"}},
	{"FolderWithAName", func(text string, _ *harness.Instance) string {
		return text + "\n[[certificate]]\ndir = \"pairs\"\nname = \"all\"\n"
	}, []string{"certificate[1].name", `"all"`, "leave it out"}},
	{"EmptyHook", func(text string, _ *harness.Instance) string { return text + "\n[hooks]\nrefused = [\"\"]\n" }, []string{"hooks.refused[0]", "command line"}},
	{"CommandNotFound", func(text string, i *harness.Instance) string {
		return strings.Replace(text, "[app]\ncommand = [", "[app]\ncommand = [\""+i.Dir+"/nowhere\", ", 1)
	}, []string{"nowhere"}},
	{"KeyTwice", edit("workers = 1", "workers = 1\nworkers = 2"), []string{"line 2", "leave one of them out"}},
	{"YAML", func(string, *harness.Instance) string { return "workers: 2\n" }, []string{"line 1", "write key = value"}},
	{"JSON", func(string, *harness.Instance) string { return "{\"workers\": 2}\n" }, []string{"line 1", "write key = value"}},
	{"Binary", func(string, *harness.Instance) string { return "\x7fELF\x02\x01" }, []string{"line 1", "a text file in TOML"}},
	{"AddressWithoutTable", func(string, *harness.Instance) string { return "listen = \"127.0.0.1:80\"\n" }, []string{"line 1", "write [[listen]]"}},
	{"CommandNotExecutable", func(text string, i *harness.Instance) string {
		return strings.Replace(text, "[app]\ncommand = [", "[app]\ncommand = [\""+i.ConfigFile()+"\", ", 1)
	}, []string{"config.toml"}},
}

func TestABrokenConfigEndsTheStartAndTheCheckWith78(t *testing.T) {
	t.Parallel()
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			i := harness.Prepare(t, harness.Config{Workers: 1})
			i.WriteConfig(m.spoil(i.ConfigText(), i))
			i.Launch()
			if got := i.WaitExit(within); got != 78 {
				t.Errorf("run: exit %d, want 78", got)
			}
			said(t, "run", i.Output(), m.says)
			got := i.Do("check")
			if got.Exit != 78 {
				t.Errorf("check: %v, want exit 78", got)
			}
			said(t, "check", got.Stdout+got.Stderr, m.says)
		})
	}
}

func said(t *testing.T, command, output string, words []string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(output, w) {
			t.Errorf("%s says %q, want %q in it", command, output, w)
		}
	}
	if strings.Contains(output, "goroutine ") || strings.Contains(output, "panic:") {
		t.Errorf("%s says %q, want no stack", command, output)
	}
}

func TestABrokenConfigLeavesTheServingGenerationUntouched(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1})
	before := i.Until(t, "settled", within, harness.Settled)
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			i.WriteConfig(m.spoil(i.ConfigText(), i))
			got := i.Do("reload")
			if got.Exit != 78 {
				t.Errorf("reload: %v, want exit 78", got)
			}
			said(t, "reload", got.Stderr, m.says)
			served(t, i, i.First)
		})
	}
	after := i.Until(t, "settled", within, harness.Settled)
	if after.Generation != before.Generation || after.Workers[0].Pid != before.Workers[0].Pid {
		t.Errorf("generation %d, worker %d; want %d, %d untouched", after.Generation, after.Workers[0].Pid, before.Generation, before.Workers[0].Pid)
	}
	exactly(t, i)
	i.Configure(i.Config)
	reloadWorks(t, i)
}

func TestAnAddressInUseIsAConfigurationErrorAtStartAndOnReload(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", harness.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	tables := fmt.Sprintf("[[listen]]\naddress = %q\ntls = true", taken.Addr())
	first := harness.Prepare(t, harness.Config{Workers: 1, Tables: tables})
	first.Launch()
	if got := first.WaitExit(within); got != 78 || !strings.Contains(first.Output(), taken.Addr().String()) {
		t.Errorf("run: exit %d, want 78 and the address\n%s", got, first.Output())
	}
	i := harness.Start(t, harness.Config{Workers: 1})
	config := i.Config
	config.Tables = tables
	i.Configure(config)
	if got := i.Do("reload"); got.Exit != 78 || !strings.Contains(got.Stderr, taken.Addr().String()) {
		t.Errorf("reload: %v, want exit 78 and the address", got)
	}
	served(t, i, i.First)
	config.Tables = ""
	i.Configure(config)
	reloadWorks(t, i)
}

func TestAFolderInPlaceOfAConfigIsToldFromTheFileInIt(t *testing.T) {
	t.Parallel()
	folder := harness.Folder(t)
	complaint(t, "check of a folder", typed(t, "/", "check", "-c", folder), 78, "found a directory, expected a file")
	inside := filepath.Join(folder, "config.toml")
	if err := os.WriteFile(inside, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	complaint(t, "check of a folder with a config", typed(t, "/", "check", "-c", folder), 78, fmt.Sprintf("did you mean %q?", inside))
}

func TestWhatARunCannotOpenIsNamedWithAWayOut(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"[[listen]]\naddress = \"192.0.2.1:8443\"\n":                   "no interface of this machine has the address",
		"pidfile = \"/proc/none/pid\"\n[[listen]]\naddress = %q\n":     "pidfile must be in a folder that is there",
		"[log]\nfile = \"/proc/none/log\"\n[[listen]]\naddress = %q\n": "create the folder",
	} {
		file := filepath.Join(harness.Folder(t), "config.toml")
		if strings.Contains(text, "%q") {
			text = fmt.Sprintf(text, harness.FreeAddress(t))
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		complaint(t, text, typed(t, "/", "run", "-c", file), 78, says)
	}
}

// TestACommandThatFindsNothingNamesWhatRunsHere needs default control sockets,
// whose folder is this test's own unless it is root's.
func TestACommandThatFindsNothingNamesWhatRunsHere(t *testing.T) {
	t.Parallel()
	i := harness.Prepare(t, harness.Config{Workers: 1})
	i.Config.Env = []string{"XDG_RUNTIME_DIR=" + i.Dir}
	text, _, _ := strings.Cut(i.ConfigText(), "[control]")
	i.WriteConfig(text)
	i.Launch()
	harness.Until(t, "serving", within, func() error {
		got := typed(t, i.Dir, "status")
		return harness.Unless(got.Exit == 0 && strings.Contains(got.Stdout, "serving"), "%v", got)
	})
	other := filepath.Join(i.Dir, "other.toml")
	if err := os.WriteFile(other, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"status", "reload", "certs", "stop"} {
		got := typed(t, i.Dir, name, "-c", other)
		complaint(t, name+" of another config", got, 69, "here runs ")
		said(t, name, got.Stderr, []string{"handover run -c " + other, "-c " + i.ConfigFile()})
	}
	got := typedWith(t, "/", []string{"XDG_RUNTIME_DIR=" + i.Dir}, "status")
	complaint(t, "status without a config", got, 69, "the instance with built-in defaults; here runs ")
}

func TestAConfigThatIsNotThereExits78(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(harness.Folder(t), "none.toml")
	if got := harness.Do(t, harness.Binary(t), "check", "-c", missing); got.Exit != 78 || !strings.Contains(got.Stderr, missing) {
		t.Errorf("check of a missing file: %v, want exit 78 and its path", got)
	}
}
