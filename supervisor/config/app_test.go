package config

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"
)

// executable makes a file that may be executed.
func executable(t *testing.T, file string) {
	t.Helper()
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestACommandIsFoundInPATHOrBesideTheFile(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, "[app]\ncommand = [\"sh\", \"./x\"]")
	c, err := Load(file)
	if want := []string{sh, "./x"}; err != nil || !reflect.DeepEqual(c.App.Command, want) {
		t.Errorf("got %+v and %v, want %q", c, err, want)
	}
	file = write(t, "[app]\ncommand = [\"./app\"]")
	app := filepath.Join(filepath.Dir(file), "app")
	executable(t, app)
	c, err = Load(file)
	if want := []string{app}; err != nil || !reflect.DeepEqual(c.App.Command, want) {
		t.Errorf("got %+v and %v, want %q", c, err, want)
	}
}

func TestAProxyIsKeptInItsPlainForm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"http://127.0.0.1:8080":      "http://127.0.0.1:8080",
		"https://[::1]:8443/base":    "https://[::1]:8443/base",
		"http://backend.example.org": "http://backend.example.org",
		"unix:/run/app.sock":         "unix:/run/app.sock",
		"unix:///run/app.sock":       "unix:/run/app.sock",
	} {
		if c := accept(t, "[app]\nproxy = \""+text+"\""); c.App.Proxy != want {
			t.Errorf("%s: got %q, want %q", text, c.App.Proxy, want)
		}
	}
}

func TestWithCommandReplacesTheApp(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir) // so not parallel
	executable(t, filepath.Join(dir, "myapp"))
	c := accept(t, "workers = 3\n[app]\nfiles = \"/\"\nenv = [\"PATH\", \"LANG=C\"]")
	before := *c
	command := []string{"./myapp", "-v"}
	got, err := WithCommand(c, command)
	if err != nil {
		t.Fatal(err)
	}
	want := before
	want.App = App{Command: []string{filepath.Join(dir, "myapp"), "-v"}, Env: []string{"PATH", "LANG=C"}}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v, want %+v", *got, want)
	}
	if !reflect.DeepEqual(*c, before) || command[0] != "./myapp" {
		t.Errorf("got %+v and %q afterwards, want the arguments unchanged", *c, command)
	}
}

func TestWithCommandRefusesWhatCannotBeStarted(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir) // so not parallel
	if err := os.WriteFile("plain", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	executable(t, filepath.Join(dir, "myapp"))
	for _, tt := range []struct {
		command    []string
		want, hint string
	}{
		{nil, "found no command, expected a program", ""},
		{[]string{""}, `command "": the name of the program is empty`, ""},
		{[]string{"./none"}, `command "./none": no such file or directory`, fmt.Sprintf("%q is where it was looked for", dir+"/none")},
		{[]string{"./plain"}, `command "./plain": not executable`, "chmod +x " + dir + "/plain"},
		{[]string{"no-such-program"}, `command "no-such-program": not found in PATH`, `a program elsewhere is named by its path, such as "./myapp"`},
		{[]string{"myapp"}, `command "myapp": not found in PATH`, `did you mean "./myapp"?`},
		{[]string{"/"}, `command "/": a directory`, ""},
	} {
		_, err := WithCommand(Default(), tt.command)
		var all *Error
		if !errors.As(err, &all) || err.Error() != tt.want || all.Problems[0].Hint != tt.hint {
			t.Errorf("%q: got %#v, want %s, hint %q", tt.command, err, tt.want, tt.hint)
		}
	}
}

func TestAProgramInTheWorkingDirectoryOfPATHIsNotTaken(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)            // so not parallel
	t.Setenv("PATH", ".:/") // a relative entry would mean another program elsewhere
	executable(t, filepath.Join(dir, "myapp"))
	_, err := WithCommand(Default(), []string{"myapp"})
	if want := `command "myapp": not found in PATH`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
