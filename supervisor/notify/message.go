package notify

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Message is one notification. The zero value of a field means that it was not
// said.
type Message struct {
	Ready       bool          // READY=1
	Reloading   bool          // RELOADING=1
	Since       time.Duration // MONOTONIC_USEC=: when it began to, by the clock of that name
	Stopping    bool          // STOPPING=1
	Watchdog    bool          // WATCHDOG=1: the sender makes progress
	Status      string        // STATUS=: one line for a human
	MainPID     int           // MAINPID=
	StopTimeout time.Duration // X_STOP_USEC=: how long a graceful stop may take
	Store       string        // FDSTORE=1 FDNAME=: keep the descriptor under this name
	Remove      string        // FDSTOREREMOVE=1 FDNAME=: forget the descriptor

	// Between master and anchor alone. An anchor that does not know them does
	// without: it tells systemd READY=1 twice, or takes a second stop for impatience.
	Pending bool // X_PENDING=1: this READY=1 concerns the anchor; for others another follows
	Command bool // X_COMMAND=1: the signal to stop that comes with it is a command's
}

// Encode returns the datagram.
func (m Message) Encode() []byte {
	var b strings.Builder
	flag := func(set bool, line string) {
		if set {
			b.WriteString(line + "\n")
		}
	}
	flag(m.Reloading, "RELOADING=1")
	if m.Since != 0 {
		fmt.Fprintf(&b, "MONOTONIC_USEC=%d\n", m.Since.Microseconds())
	}
	flag(m.Ready, "READY=1")
	flag(m.Stopping, "STOPPING=1")
	flag(m.Watchdog, "WATCHDOG=1")
	if m.Status != "" {
		fmt.Fprintf(&b, "STATUS=%s\n", strings.ReplaceAll(m.Status, "\n", " "))
	}
	flag(m.Pending, "X_PENDING=1")
	flag(m.Command, "X_COMMAND=1")
	if m.MainPID != 0 {
		fmt.Fprintf(&b, "MAINPID=%d\n", m.MainPID)
	}
	if m.StopTimeout != 0 {
		fmt.Fprintf(&b, "X_STOP_USEC=%d\n", m.StopTimeout.Microseconds())
	}
	if m.Store != "" {
		fmt.Fprintf(&b, "FDSTORE=1\nFDNAME=%s\n", m.Store)
	}
	if m.Remove != "" {
		fmt.Fprintf(&b, "FDSTOREREMOVE=1\nFDNAME=%s\n", m.Remove)
	}
	return []byte(b.String())
}

// Decode reads a datagram. Unknown names are passed over, as sd_notify(3)
// asks: a neighbouring release may say more. A value that cannot be what its
// name promises is an error.
func Decode(data []byte) (Message, error) {
	var m Message
	var name string
	var store, remove bool
	for line := range strings.Lines(string(data)) {
		key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok {
			return Message{}, fmt.Errorf("decode notification: line %q without =", line)
		}
		var err error
		switch key {
		case "READY":
			m.Ready = value == "1"
		case "RELOADING":
			m.Reloading = value == "1"
		case "MONOTONIC_USEC":
			m.Since, err = microseconds(value)
		case "STOPPING":
			m.Stopping = value == "1"
		case "WATCHDOG":
			m.Watchdog = value == "1"
		case "X_PENDING":
			m.Pending = value == "1"
		case "X_COMMAND":
			m.Command = value == "1"
		case "STATUS":
			m.Status = value
		case "MAINPID":
			m.MainPID, err = strconv.Atoi(value)
			if err == nil && m.MainPID < 1 {
				err = fmt.Errorf("no process number")
			}
		case "X_STOP_USEC":
			m.StopTimeout, err = microseconds(value)
		case "FDSTORE":
			store = value == "1"
		case "FDSTOREREMOVE":
			remove = value == "1"
		case "FDNAME":
			name, err = descriptorName(value)
		}
		if err != nil {
			return Message{}, fmt.Errorf("decode notification: %s=%q: %v", key, value, err)
		}
	}
	if (store || remove) && name == "" {
		return Message{}, fmt.Errorf("decode notification: descriptor without FDNAME=")
	}
	if store {
		m.Store = name
	}
	if remove {
		m.Remove = name
	}
	return m, nil
}

func microseconds(value string) (time.Duration, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, err
	}
	if n < 0 || n > int64(1<<62)/int64(time.Microsecond) {
		return 0, fmt.Errorf("%d microseconds is out of range", n)
	}
	return time.Duration(n) * time.Microsecond, nil
}

// descriptorName refuses what sd_notify(3) refuses: a colon would split the
// list of names, and 255 characters are the limit.
func descriptorName(value string) (string, error) {
	if value == "" || len(value) > 255 || strings.ContainsAny(value, ":\x00") {
		return "", fmt.Errorf("no name of 1 to 255 characters without a colon")
	}
	return value, nil
}
