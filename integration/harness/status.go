package harness

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// Status is what the contract says "status --json" prints. It is declared here
// once more, and not imported, so that a renamed field fails a test.
type Status struct {
	Counts struct {
		LogLost int `json:"log_lines_lost"`
	} `json:"counts"`
	Pid        int       `json:"pid"`
	Generation int       `json:"generation"`
	Since      time.Time `json:"serving_since"` // of the generation
	State      string    `json:"state"`
	Config     string    `json:"config"`
	Master     struct {
		Pid     int    `json:"pid"`
		Version string `json:"version"`
	} `json:"master"`
	Workers []struct {
		Slot        int    `json:"slot"`
		Pid         int    `json:"pid"`
		Generation  int    `json:"generation"`
		State       string `json:"state"`
		Requests    uint64 `json:"requests"`
		Connections int64  `json:"connections"`
		RSS         int64  `json:"rss_bytes"`
		Restarts    int    `json:"restarts"`
		Health      string `json:"health"`
		LastEnd     *End   `json:"last_end"`
	} `json:"workers"`
	Failing []struct {
		Slot     int       `json:"slot"`
		Failures int       `json:"failures"`
		Reason   string    `json:"reason"`
		Again    time.Time `json:"again"`
	} `json:"failing"`
	Exits    map[string]uint64 `json:"exits"`
	Draining []struct {
		Generation int `json:"generation"`
		Workers    []struct {
			Pid         int   `json:"pid"`
			Connections int64 `json:"connections"`
		} `json:"workers"`
	} `json:"draining"`
	Listeners []struct {
		Address string `json:"address"`
		TLS     bool   `json:"tls"`
	} `json:"listeners"`
	Certificates []struct {
		Name        string    `json:"name"`
		Fingerprint string    `json:"fingerprint_sha256"`
		NotAfter    time.Time `json:"not_after"`
		Disk        string    `json:"disk"`
		Held        bool      `json:"held"`
		OnDisk      *struct {
			Fingerprint string `json:"fingerprint_sha256"`
		} `json:"on_disk"`
		DiskSince *time.Time `json:"disk_since"`
	} `json:"certificates"`
	LastReload    *Reload    `json:"last_reload"`
	Recent        []Reload   `json:"recent"`
	CurrentReload *Reload    `json:"current_reload"`
	Degraded      string     `json:"degraded"`
	TicketKeys    []string   `json:"ticket_keys"`
	Deferred      *time.Time `json:"deferred_until"`
}

// End is how a worker ended.
type End struct {
	Reason string `json:"reason"`
	Text   string `json:"text"`
	Pid    int    `json:"pid"`
}

// Reload is how a reload ended, as "reload --json" prints it.
type Reload struct {
	ID         string    `json:"id"`
	Kind       string    `json:"kind"`
	Unchanged  bool      `json:"unchanged"`
	Confirmed  string    `json:"confirmed"`
	Error      string    `json:"error"`
	Outcome    string    `json:"outcome"`
	AskedBy    string    `json:"asked_by"`
	Started    time.Time `json:"started"`
	Finished   time.Time `json:"finished"`
	Generation int       `json:"generation"`
	Checks     []Check   `json:"checks"`
}

// Check is one finding.
type Check struct {
	Name     string `json:"name"`
	Severity string `json:"severity"`
	File     string `json:"file"`
	Message  string `json:"message"`
	Hint     string `json:"hint"`
}

// Verdict is what "check --json" prints.
type Verdict struct {
	Accepted bool    `json:"accepted"`
	Checks   []Check `json:"checks"`
}

// Refused says whether a check of that name refused.
func Refused(checks []Check, name string) bool {
	for _, c := range checks {
		if c.Name == name && c.Severity == "refuse" {
			return true
		}
	}
	return false
}

// Names lists the checks that were found.
func Names(checks []Check) []string {
	names := make([]string, len(checks))
	for n, c := range checks {
		names[n] = c.Name + "=" + c.Severity
	}
	return names
}

// Status asks the control socket.
func (i *Instance) Status() (Status, error) {
	conn, err := net.DialTimeout("unix", i.ControlSocket(), 2*time.Second)
	if err != nil {
		return Status{}, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintf(conn, "GET /status HTTP/1.1\r\nHost: control\r\nConnection: close\r\n\r\n"); err != nil {
		return Status{}, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return Status{}, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return Status{}, err
	}
	if answer.StatusCode != http.StatusOK {
		return Status{}, fmt.Errorf("status: %s: %s", answer.Status, body)
	}
	var s Status
	return s, json.Unmarshal(body, &s)
}

// Until waits for a status. The condition returns nil when it holds.
func (i *Instance) Until(t testing.TB, what string, limit time.Duration, cond func(Status) error) Status {
	t.Helper()
	var last Status
	err := Await(limit, func() error {
		s, err := i.Status()
		if err != nil {
			return err
		}
		last = s
		return cond(s)
	})
	if err != nil {
		t.Fatalf("%s: not within %v: %v\nstatus: %+v\n%s", what, limit, err, last, i.Output())
	}
	return last
}

// Serving is the condition of a finished handover: all workers wanted serve,
// and no reload runs.
func Serving(s Status) error {
	if s.State != "serving" {
		return fmt.Errorf("state %q, want %q", s.State, "serving")
	}
	for _, w := range s.Workers {
		if w.State != "serving" || w.Generation != s.Generation {
			return fmt.Errorf("worker %d is %q in generation %d of %d", w.Slot, w.State, w.Generation, s.Generation)
		}
	}
	return Unless(len(s.Workers) > 0, "no workers")
}

// Settled is Serving with nothing left of earlier generations.
func Settled(s Status) error {
	if err := Serving(s); err != nil {
		return err
	}
	return Unless(len(s.Draining) == 0, "%d generations still drain", len(s.Draining))
}

// Ended is the condition that a reload begun after a moment has ended so.
func Ended(outcome string, after time.Time) func(Status) error {
	return func(s Status) error {
		if s.LastReload == nil || s.LastReload.Started.Before(after) {
			return fmt.Errorf("no reload since %v", after.Format(time.StampMicro))
		}
		return Unless(s.LastReload.Outcome == outcome, "outcome %q, want %q", s.LastReload.Outcome, outcome)
	}
}
