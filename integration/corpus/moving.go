package corpus

import (
	"os"
	"path/filepath"
	"time"

	"example.com/handover/integration/harness"
)

// moving are files that somebody writes while they are judged. Their layout is
// good or broken and old; Meddle is what happens then.
func moving() []Input {
	return []Input{
		{
			ID: "moving/growing", What: "a file that a writer appends to without an end", Layout: holds(certFile, padded(mebibyte)),
			Meddle: writer(func(f *os.File) error { _, err := f.WriteString("# one line more\n"); return err }), Wants: refuse("file.too_large"),
		},
		{
			ID: "moving/never-done", What: "half a file that a writer never completes", Layout: holds(certFile, func(_ *Kit, was []byte) []byte { return harness.Torn(was) }),
			Meddle: writer(func(f *os.File) error { return os.Chtimes(f.Name(), time.Time{}, time.Now()) }), Refused: true, Mays: []string{"pem.undecoded_block", "file.unreadable"}, // as it was, or changing, at the last look
		},
		{
			ID: "moving/young-mismatch", What: "another key, written just now", Layout: holds(keyFile, otherKey),
			Meddle: now(keyFile), Wants: refuse("pair.mismatch"),
		},
		{
			ID: "moving/young-leaf-only", What: "the leaf alone, written just now", Layout: holds(certFile, first(1)),
			Meddle: now(certFile), Wants: refuse("chain.incomplete"),
		},
		{
			ID: "moving/completed", What: "a chain whose second half is written a moment later", Layout: func(k *Kit) {
				k.Renew()
				k.Put("whole.pem", k.read(certFile))
			},
			Meddle: completed,
		},
	}
}

// now writes a file once more, with what it holds: it is young then.
func now(name string) func(string) func() {
	return func(dir string) func() {
		path := filepath.Join(dir, name)
		b, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, b, 0o600)
		}
		return func() {
			if err != nil {
				panic("BUG: write again: " + err.Error())
			}
		}
	}
}

// writer does something to the certificate file, then again and again.
func writer(act func(f *os.File) error) func(string) func() {
	return func(dir string) func() {
		f, err := os.OpenFile(filepath.Join(dir, certFile), os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			err = act(f)
		}
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() { // ends with stop
			defer close(stopped)
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for err == nil {
				select {
				case <-tick.C:
					err = act(f)
				case <-stop:
					_ = f.Close()
					return
				}
			}
		}()
		return func() {
			close(stop)
			<-stopped
			if err != nil {
				panic("BUG: write while it is judged: " + err.Error())
			}
		}
	}
}

// completed cuts the certificate in the middle and completes it later, as a
// writer in place does.
func completed(dir string) func() {
	path := filepath.Join(dir, certFile)
	whole, err := os.ReadFile(filepath.Join(dir, "whole.pem"))
	if err == nil {
		err = os.WriteFile(path, harness.Torn(whole), 0o600)
	}
	written := make(chan error, 1)
	go func() { // ends after one write
		harness.After(300 * time.Millisecond)
		written <- os.WriteFile(path, whole, 0o600)
	}()
	return func() {
		if late := <-written; err != nil || late != nil {
			panic("BUG: complete the file")
		}
	}
}
