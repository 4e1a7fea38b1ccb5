package wire

import (
	"encoding/json"
	"fmt"
	"time"
)

// Version of everything in this package. A side that meets another version
// than its own refuses before a client is met.
const Version = 1

// MaxMessage is the largest encoded message in bytes.
const MaxMessage = 128 << 10

// Kind says what a message means.
type Kind string

// The messages. Settings, Go, Quit and Reopen go to the worker; Ready and
// Failed come from it.
const (
	KindSettings Kind = "settings"
	KindReady    Kind = "ready"
	KindFailed   Kind = "failed"
	KindGo       Kind = "go"
	KindQuit     Kind = "quit"
	KindReopen   Kind = "reopen"
)

// Message is one datagram on the ctl socketpair.
type Message struct {
	Version  int       `json:"v"`
	Kind     Kind      `json:"kind"`
	Settings *Settings `json:"settings,omitempty"` // with KindSettings
	Text     string    `json:"text,omitempty"`     // the reason, with KindFailed
}

// Settings is what a worker is told before it builds anything.
type Settings struct {
	Generation      int           `json:"generation"`
	Slot            int           `json:"slot"` // from 1; names the worker and its counters
	Listeners       []Listener    `json:"listeners"`
	MinVersion      uint16        `json:"min_version"` // of TLS, as crypto/tls numbers it
	KeepaliveGrace  time.Duration `json:"keepalive_grace"`
	GracefulTimeout time.Duration `json:"graceful_timeout"`
	LogFormat       string        `json:"log_format"` // text or json
	LogLevel        string        `json:"log_level"`
}

// Listener names an inherited listening socket and how to serve it.
type Listener struct {
	Descriptor string `json:"descriptor"` // its name among the inherited descriptors
	Address    string `json:"address"`    // as configured: host:port or unix:/path
	TLS        bool   `json:"tls"`
}

// Encode returns the datagram for m; the version is filled in.
func Encode(m Message) ([]byte, error) {
	m.Version = Version
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode message %q: %w", m.Kind, err)
	}
	if len(b) > MaxMessage {
		return nil, fmt.Errorf("encode message %q: %d bytes, at most %d", m.Kind, len(b), MaxMessage)
	}
	return b, nil
}

// Decode reads one datagram. It refuses another version, an unknown kind and
// settings that are missing or name no slot.
func Decode(b []byte) (Message, error) {
	var m Message
	if err := json.Unmarshal(b, &m); err != nil {
		return Message{}, fmt.Errorf("decode message: %v", err)
	}
	if m.Version != Version {
		return Message{}, fmt.Errorf("decode message: version %d, this program speaks %d: build both from neighbouring releases", m.Version, Version)
	}
	switch m.Kind {
	case KindReady, KindFailed, KindGo, KindQuit, KindReopen:
	case KindSettings:
		if m.Settings == nil || m.Settings.Slot < 1 || m.Settings.Slot > MaxSlots {
			return Message{}, fmt.Errorf("decode message: settings without a slot from 1 to %d", MaxSlots)
		}
	default:
		return Message{}, fmt.Errorf("decode message: unknown kind %q", m.Kind)
	}
	return m, nil
}
