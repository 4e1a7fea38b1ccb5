package config

import (
	"crypto/tls"
	"time"
)

// Config is everything a generation is built from. It is complete and
// validated when Load returns it, is never changed afterwards, and survives a
// trip through encoding/json.
type Config struct {
	Path string `toml:"-"` // of the file, absolute; empty for the built-in defaults

	lines map[string]int `toml:"-"` // of the keys, for Problem; lost on the trip

	Workers         int           `toml:"workers"` // 0: one per CPU the cgroup allows
	PidFile         string        `toml:"pidfile"`
	User            string        `toml:"user"`
	Group           string        `toml:"group"`
	StateDir        string        `toml:"state_dir"`    // previous certificates; empty: none kept
	OnBadStart      string        `toml:"on_bad_start"` // exit or last_good
	BootTimeout     time.Duration `toml:"boot_timeout"`
	Timeout         time.Duration `toml:"timeout"` // a worker that shows no life for longer is hung; 0: never
	KeepaliveGrace  time.Duration `toml:"keepalive_grace"`
	GracefulTimeout time.Duration `toml:"graceful_timeout"`
	ShutdownDelay   time.Duration `toml:"shutdown_delay"` // before a stop drains: not ready, and clients are still served
	MaxRequests     int           `toml:"max_requests"`   // a worker is recycled after so many; 0: never
	MaxJitter       int           `toml:"max_requests_jitter"`
	MaxMemory       Size          `toml:"max_memory"` // a worker is recycled above this resident size; 0: never
	MaxDraining     int           `toml:"max_draining"`
	HealthPath      string        `toml:"health_path"`
	Umask           string        `toml:"umask"` // of the workers, octal; empty: as whoever starts the service

	Listen      []Listen      `toml:"listen"`
	Certificate []Certificate `toml:"certificate"`
	TLS         TLS           `toml:"tls"`
	App         App           `toml:"app"`
	Limits      Limits        `toml:"limits"`
	Log         Log           `toml:"log"`
	Control     Control       `toml:"control"`
	Admin       Admin         `toml:"admin"`
	Hooks       Hooks         `toml:"hooks"`
}

// Listen is one listening socket.
type Listen struct {
	Address string `toml:"address"` // host:port or unix:/path
	TLS     bool   `toml:"tls"`
	Backlog int    `toml:"backlog"` // 0: the system's
	Mode    string `toml:"mode"`    // of a unix socket, octal
}

// Certificate says where one pair comes from: files, or made on the spot; with
// Dir it stands for every pair in a folder.
type Certificate struct {
	Name        string   `toml:"name"`
	Dir         string   `toml:"dir"` // NAME.crt and NAME.key, or NAME/fullchain.pem and NAME/privkey.pem
	CertFile    string   `toml:"certfile"`
	KeyFile     string   `toml:"keyfile"`
	ServerNames []string `toml:"server_names"`
	SelfSigned  []string `toml:"self_signed"` // for development only
}

// TLS holds what all listeners with tls share.
type TLS struct {
	MinVersion string            `toml:"min_version"` // "1.2" or "1.3"
	Reload     string            `toml:"reload"`      // signal or watch
	SNI        string            `toml:"sni"`         // lenient, strict or san
	ClientCA   string            `toml:"client_ca"`   // file; empty: clients are not asked for a certificate
	Verify     string            `toml:"verify"`      // off, system or a file of roots
	Tickets    time.Duration     `toml:"tickets"`     // how often the session ticket key rotates; 0: no tickets
	TicketKeys string            `toml:"ticket_keys"` // file of keys that several instances share; empty: own ones that rotate
	KeyGroups  []string          `toml:"key_groups"`  // groups that may read keys
	Checks     map[string]string `toml:"checks"`      // check name to refuse, warn or off
}

// Version returns the lowest TLS version, as crypto/tls numbers it.
func (t TLS) Version() uint16 {
	if t.MinVersion == "1.3" {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// App says what the workers are. At most one is set; none: the welcome page.
type App struct {
	Command []string `toml:"command"`
	Env     []string `toml:"env"` // NAME or NAME=VALUE: the environment of the workers; none: ours, less what would mislead
	Files   string   `toml:"files"`
	Proxy   string   `toml:"proxy"`
}

// Log says where and how the supervisor logs.
type Log struct {
	File   string `toml:"file"`   // empty: standard error
	Format string `toml:"format"` // auto, text or json
	Level  string `toml:"level"`  // debug, info, warn or error
	Access string `toml:"access"` // a file, or "-" for standard output: a line for each request; empty: none
}

// Limits are what every client of a worker is held to.
type Limits struct {
	Handshake   time.Duration `toml:"handshake"`   // a TLS handshake must be over by then
	Header      time.Duration `toml:"header"`      // the header of a request must have arrived by then
	Body        time.Duration `toml:"body"`        // the body of a request may pause so long; 0: for ever
	Idle        time.Duration `toml:"idle"`        // a kept connection may be silent so long
	HeaderSize  Size          `toml:"header_size"` // of one request
	Connections int           `toml:"connections"` // open at once, of each worker; 0: as many as its descriptors allow
	Files       int           `toml:"files"`       // descriptors of each worker; 0: as many as the system allows
}

// Admin is where the service is watched from.
type Admin struct {
	Address string `toml:"address"` // host:port or unix:/path; empty: nowhere
}

// Hooks are shell command lines, run with the outcome as JSON on standard input.
type Hooks struct {
	Done     []string `toml:"done"`
	Refused  []string `toml:"refused"`
	Expiring []string `toml:"expiring"`
}

// Control names the socket that the commands use.
type Control struct {
	Socket string `toml:"socket"`
}
