package master

import (
	"fmt"
	"os"

	"example.com/handover/signals"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// openLog opens a file or a device. A named pipe would block whoever writes into
// it, or opens it, for as long as nobody reads.
func openLog(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0o640)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	var stat unix.Stat_t
	var fs unix.Statfs_t
	// An anonymous pipe, such as /dev/stdout may lead to, has a reader.
	named := unix.Fstatfs(fd, &fs) != nil || fs.Type != unix.PIPEFS_MAGIC
	if err := unix.Fstat(fd, &stat); err == nil && stat.Mode&unix.S_IFMT == unix.S_IFIFO && named {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("found a named pipe at %q, expected a file", path)
	}
	_ = unix.SetNonblock(fd, false)
	return os.NewFile(uintptr(fd), path), nil
}

// logFiles are the two files of a config, opened together so that a reopening
// that fails leaves both as they were.
type logFiles struct{ log, access *os.File }

// openLogs opens what the config names: standard error where it names no log, and
// no access log where it names none.
func openLogs(log, access string) (logFiles, error) {
	files := logFiles{log: os.Stderr}
	var err error
	if log != "" {
		if files.log, err = openLog(log); err != nil {
			return logFiles{}, fmt.Errorf("open log file: %w", err)
		}
	}
	switch access {
	case "":
	case "-":
		files.access = os.Stdout
	default:
		if files.access, err = openLog(access); err != nil {
			closeOwn(files.log)
			return logFiles{}, fmt.Errorf("open access log: %w", err)
		}
	}
	return files, nil
}

// closeOwn closes a file that was opened here, and not what this process was
// started with.
func closeOwn(f *os.File) {
	if f != nil && f != os.Stderr && f != os.Stdout {
		_ = f.Close()
	}
}

// beginLog begins to log as the config says, and to pass on what workers write.
func (m *master) beginLog() error {
	err := m.output.configure(m.config)
	restarted := m.hold.files[nameConfig] != nil
	if err != nil && restarted {
		// In place of a killed master: the service must not fall for its logs. What can
		// still be opened is.
		rest := *m.config
		rest.Log.Access = ""
		_ = m.output.configure(&rest)
	}
	m.log = m.output.logger(m.config).With("generation", m.generation)
	m.logging = true
	m.steps.write(reportLine{Relays: true})
	m.adoptRelays()
	if err == nil {
		return nil
	}
	if !restarted {
		return status.Failed(status.ExitConfig, "create the folder, or choose another file in [log]", "%v", err)
	}
	m.log.Error("logging to what could be opened", "error", err)
	return nil
}

// reopen opens the log files anew and passes the access log to every worker. A
// successor that boots may have opened the old ones already, and is told as well.
func (m *master) reopen() error {
	if code, ok := signals.Reopen.Byte(); ok && m.successor != nil {
		_, _ = m.mailbox.write.Write([]byte{code})
	}
	if err := m.output.open(m.config); err != nil {
		m.log.Error("log files not reopened", "error", err)
		return err
	}
	for _, w := range m.workers {
		m.passAccess(w)
	}
	if f := m.output.files.access; f != nil && f != os.Stdout {
		m.passOn(wire.KindAccess, f)
	}
	m.log.Info("log files reopened")
	return nil
}

// passAccess gives a worker the access log that is written now, if it has another
// one. Before "go" a worker of the release before would take it for the end.
func (m *master) passAccess(w *worker) {
	f := m.output.files.access
	if !w.released || w.access == f || f == nil || f == os.Stdout {
		return
	}
	w.access = f
	w.say(wire.KindAccess, f)
}
