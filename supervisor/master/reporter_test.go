package master

import (
	"fmt"
	"os"
	"testing"

	"example.com/handover/supervisor/status"
)

func TestWhyASuccessorFailedIsHeardHoweverManyFindingsThereAre(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = read.Close() }()
	f := failure{Error: "refused", ExitCode: status.ExitRefused}
	for n := range 5000 {
		f.Checks = append(f.Checks, status.Check{Name: "file.symlink", Severity: "info", Certificate: fmt.Sprint("example-", n)})
	}
	f.Checks = append(f.Checks, status.Check{Name: "pair.mismatch", Severity: "refuse", Certificate: "example"})
	go func() { // ends when all is read
		(&reporter{file: write}).fail(f)
		_ = write.Close()
	}()
	m, s := &master{events: make(chan func(), 1), over: make(chan struct{})}, &successor{report: read}
	m.readReport(s)
	m.hear(s)
	if got := s.failure; got == nil || got.Error != f.Error || got.ExitCode != f.ExitCode || len(got.Checks) == 0 || got.Checks[0].Name != "pair.mismatch" {
		t.Errorf("got %+v, want the failure with what refused", got)
	}
}
