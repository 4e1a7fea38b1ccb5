package status

import (
	"maps"
	"slices"
	"time"
)

// Status is one published value; nobody changes it after it was published.
type Status struct {
	Pid           int           `json:"pid"` // of the anchor: the one PID
	Generation    int           `json:"generation"`
	State         string        `json:"state"` // booting, serving, reloading or stopping
	Started       time.Time     `json:"started"`
	Config        string        `json:"config"` // path; empty: built-in defaults
	Master        Master        `json:"master"`
	Workers       []Worker      `json:"workers"`
	Failing       []Failing     `json:"failing,omitempty"` // slots that wait after failures; the other workers serve on
	Exits         Exits         `json:"exits"`             // of workers since the start, by reason
	Draining      []Draining    `json:"draining"`
	Listeners     []Listener    `json:"listeners"`
	Certificates  []Certificate `json:"certificates"`
	LastReload    *Reload       `json:"last_reload"`
	CurrentReload *Reload       `json:"current_reload,omitempty"` // that runs
	Recent        []Reload      `json:"recent,omitempty"`         // that have ended, the newest first: the last ten, each as Brief returns it
	Since         *time.Time    `json:"serving_since,omitempty"`  // when the workers of this generation were told to accept
	Requests      uint64        `json:"requests"`                 // answered since the service was started
	Reloads       Tally         `json:"reloads,omitempty"`        // that have ended since then
	Degraded      string        `json:"degraded,omitempty"`       // why not what lies on disk is served since the start
	Deferred      *time.Time    `json:"deferred_until,omitempty"` // when what waits on disk becomes valid and is taken by itself

	Wanted  int     `json:"workers_wanted"`    // 0 also while they were told to stop
	Booting int     `json:"booting,omitempty"` // the generation that starts beside the serving one
	Traffic Traffic `json:"traffic"`
	Counts  Counts  `json:"counts"`

	TicketKeys []string `json:"ticket_keys,omitempty"` // of the file of that name, the encrypting one first: the beginning of the SHA-256 of each
}

// Tally counts by two words: reloads by kind, then by outcome.
type Tally map[string]map[string]uint64

// Clone returns a copy that shares nothing.
func (t Tally) Clone() Tally {
	own := Tally{}
	for kind, outcomes := range t {
		own[kind] = maps.Clone(outcomes)
	}
	return own
}

// Master is the process that answers.
type Master struct {
	Pid     int    `json:"pid"`
	Version string `json:"version"`
	Go      string `json:"go,omitempty"` // what it was built with
	RSS     int64  `json:"rss_bytes,omitempty"`
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
	Restarts    int    `json:"restarts"`           // of the slot, after ends that nobody asked for
	Health      string `json:"health,omitempty"`   // what is wrong with its last answer to health_path
	LastEnd     *End   `json:"last_end,omitempty"` // of the worker that had the slot before
}

// Failing is a slot without a worker: those that were started there failed.
type Failing struct {
	Slot     int       `json:"slot"`
	Failures int       `json:"failures"` // in a row
	Reason   string    `json:"reason"`   // of the last one
	Again    time.Time `json:"again"`    // when the next one is started
}

// Why a worker ended.
const (
	EndAsked    = "asked"    // by a reload, a stop or a smaller number of workers
	EndRecycled = "recycled" // max_requests or max_memory
	EndExited   = "exited"   // by itself, with status 0: somebody may have sent it a SIGTERM
	EndCrashed  = "crashed"  // by itself, with another status or a signal
	EndOOM      = "oom"      // the kernel ended it: the cgroup's memory was used up
	EndSilent   = "silent"   // it showed no sign of life for timeout, and was killed
	EndBoot     = "boot"     // it never came to serve
)

// Exits counts the ends of workers by reason.
type Exits map[string]uint64

// End is how a worker ended.
type End struct {
	Reason string    `json:"reason"` // asked, recycled, exited, crashed, oom, silent or boot
	Text   string    `json:"text"`   // for a human: status or signal, its last words
	Pid    int       `json:"pid"`
	At     time.Time `json:"at"`
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
	RSS         int64 `json:"rss_bytes,omitempty"`
}

// Listener is one listening socket.
type Listener struct {
	Address string `json:"address"`
	TLS     bool   `json:"tls"`
}

// Certificate is one served certificate.
type Certificate struct {
	Name          string     `json:"name"`
	Fingerprint   string     `json:"fingerprint_sha256"` // of the leaf, lower-case hex
	Names         []string   `json:"names"`
	NotBefore     time.Time  `json:"not_before"`
	NotAfter      time.Time  `json:"not_after"`
	ChainNotAfter time.Time  `json:"chain_not_after"` // the earliest end along the chain
	ChainLength   int        `json:"chain_length"`
	Issuer        string     `json:"issuer"`                // distinguished name (RFC 4514)
	Serial        string     `json:"serial"`                // lower-case hex
	ChainSHA256   string     `json:"chain_sha256"`          // of all certificates in order
	KeySHA256     string     `json:"key_sha256"`            // of the public key (SubjectPublicKeyInfo)
	Source        string     `json:"source"`                // the certificate file, absolute; empty: made on the spot
	Held          bool       `json:"held,omitempty"`        // rolled back to, until the files on disk change
	Disk          string     `json:"disk"`                  // same, changed or unreadable
	DiskSince     *time.Time `json:"disk_since,omitempty"`  // when Disk was first seen not to be the same
	OnDisk        *OnDisk    `json:"on_disk,omitempty"`     // what lies there, if changed
	SelfSigned    bool       `json:"self_signed,omitempty"` // made on the spot; each generation makes its own
}

// OnDisk is a certificate that lies on disk and is not served.
type OnDisk struct {
	Fingerprint string    `json:"fingerprint_sha256"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
}

// Check is one finding of the certificate checks.
type Check struct {
	Name        string     `json:"name"`
	Severity    string     `json:"severity"` // refuse, warn or info
	Certificate string     `json:"certificate"`
	File        string     `json:"file"`
	Message     string     `json:"message"`
	Hint        string     `json:"hint"`
	Until       *time.Time `json:"until,omitempty"` // of time.not_yet: when what was refused becomes valid
}

// The outcomes of a reload.
const (
	OutcomeDone    = "done"
	OutcomeRefused = "refused"
	OutcomeFailed  = "failed"
)

// confirmed is the Confirmed of a Reload that clients have met.
const confirmed = "yes"

// What a Reload is.
const (
	KindReload   = "reload"   // a fresh generation
	KindRotate   = "rotate"   // new certificates in place
	KindRollback = "rollback" // previous certificates in place
)

// Reload is a reload that has ended, or runs while Outcome is empty.
type Reload struct {
	ID         string    `json:"id"`
	Kind       string    `json:"kind"` // reload, rotate or rollback
	Outcome    string    `json:"outcome"`
	AskedBy    string    `json:"asked_by"` // signal, control, watch or deferral
	Started    time.Time `json:"started"`
	Finished   time.Time `json:"finished"`
	Generation int       `json:"generation"`          // the one it led to; of the serving one if it led to none
	Unchanged  bool      `json:"unchanged,omitempty"` // a rotation that found nothing new
	Confirmed  string    `json:"confirmed,omitempty"` // "yes" once clients of the public addresses got what was taken, else why not
	Error      string    `json:"error,omitempty"`
	Hint       string    `json:"hint,omitempty"`
	ExitCode   int       `json:"exit_code"` // as "handover reload" ends
	Checks     []Check   `json:"checks"`
	Omitted    int       `json:"checks_omitted,omitempty"` // how many findings more there were
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

// WithoutCounts returns a copy without the numbers that change with every
// request, and what answering costs. Two that are the same tell a person the same.
func (s *Status) WithoutCounts() *Status {
	kept := *s
	kept.Requests, kept.Master.RSS = 0, 0
	kept.Traffic, kept.Counts = Traffic{}, Counts{}
	kept.Workers = slices.Clone(s.Workers)
	for n, k := range kept.Workers {
		kept.Workers[n] = Worker{
			Slot: k.Slot, Pid: k.Pid, Generation: k.Generation, State: k.State, Restarts: k.Restarts, Health: k.Health, LastEnd: k.LastEnd,
		}
	}
	kept.Draining = slices.Clone(s.Draining)
	for n, d := range kept.Draining {
		kept.Draining[n].Workers = slices.Clone(d.Workers)
		for m, k := range d.Workers {
			kept.Draining[n].Workers[m] = DrainingWorker{Pid: k.Pid}
		}
	}
	return &kept
}
