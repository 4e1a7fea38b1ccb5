package status

import "time"

// Status is one published value; nobody changes it after it was published.
type Status struct {
	Pid          int           `json:"pid"` // of the anchor: the one PID
	Generation   int           `json:"generation"`
	State        string        `json:"state"` // booting, serving, reloading or stopping
	Started      time.Time     `json:"started"`
	Config       string        `json:"config"` // path; empty: built-in defaults
	Master       Master        `json:"master"`
	Workers      []Worker      `json:"workers"`
	Draining     []Draining    `json:"draining"`
	Listeners    []Listener    `json:"listeners"`
	Certificates []Certificate `json:"certificates"`
	LastReload   *Reload       `json:"last_reload"`
}

// Master is the process that answers.
type Master struct {
	Pid     int    `json:"pid"`
	Version string `json:"version"`
}

// Worker is one worker of the serving generation.
type Worker struct {
	Slot        int    `json:"slot"`
	Pid         int    `json:"pid"`
	Generation  int    `json:"generation"`
	State       string `json:"state"` // starting, proving, serving or draining
	Requests    uint64 `json:"requests"`
	Connections int64  `json:"connections"`
	RSS         int64  `json:"rss_bytes"`
	Restarts    int    `json:"restarts"`
}

// Draining is a generation that has stopped accepting.
type Draining struct {
	Generation int              `json:"generation"`
	Since      time.Time        `json:"since"`
	Deadline   time.Time        `json:"deadline"`
	Workers    []DrainingWorker `json:"workers"`
}

// DrainingWorker is a worker that ends its last connections.
type DrainingWorker struct {
	Pid         int   `json:"pid"`
	Connections int64 `json:"connections"`
}

// Listener is one listening socket.
type Listener struct {
	Address string `json:"address"`
	TLS     bool   `json:"tls"`
}

// Certificate is one served certificate.
type Certificate struct {
	Name          string    `json:"name"`
	Fingerprint   string    `json:"fingerprint_sha256"` // of the leaf, lower-case hex
	Names         []string  `json:"names"`
	NotBefore     time.Time `json:"not_before"`
	NotAfter      time.Time `json:"not_after"`
	ChainNotAfter time.Time `json:"chain_not_after"` // the earliest end along the chain
	ChainLength   int       `json:"chain_length"`
	Disk          string    `json:"disk"`                  // same, changed or unreadable
	SelfSigned    bool      `json:"self_signed,omitempty"` // made on the spot; each generation makes its own
}

// Check is one finding of the certificate checks.
type Check struct {
	Name        string `json:"name"`
	Severity    string `json:"severity"` // refuse, warn or info
	Certificate string `json:"certificate"`
	File        string `json:"file"`
	Message     string `json:"message"`
	Hint        string `json:"hint"`
}

// The outcomes of a reload.
const (
	OutcomeDone    = "done"
	OutcomeRefused = "refused"
	OutcomeFailed  = "failed"
)

// Reload is a reload that has ended, or runs while Outcome is empty.
type Reload struct {
	ID         string    `json:"id"`
	Outcome    string    `json:"outcome"`
	AskedBy    string    `json:"asked_by"` // signal or control
	Started    time.Time `json:"started"`
	Finished   time.Time `json:"finished"`
	Generation int       `json:"generation"` // the one it led to; of the serving one if it led to none
	Error      string    `json:"error,omitempty"`
	Hint       string    `json:"hint,omitempty"`
	ExitCode   int       `json:"exit_code"` // as "handover reload" ends
	Checks     []Check   `json:"checks"`
	Steps      []Step    `json:"steps"`
}

// Step is something a reload got done.
type Step struct {
	Name    string    `json:"name"` // config, certificates, generation, proofs, cutover or draining
	At      time.Time `json:"at"`
	Message string    `json:"message"`
}

// Event is one line of a followed reload: a step, then once an end. Moved ends
// the stream too: the master that answered has handed over, and its successor
// is to be asked for the same reload, from the step after the last one seen.
type Event struct {
	Step  *Step   `json:"step,omitempty"`
	End   *Reload `json:"end,omitempty"`
	Moved bool    `json:"moved,omitempty"`
	ID    string  `json:"id,omitempty"` // in the first event
}

// CheckResult is what "handover check --json" prints.
type CheckResult struct {
	Accepted     bool          `json:"accepted"`
	Checks       []Check       `json:"checks"`
	Certificates []Certificate `json:"certificates"`
}
