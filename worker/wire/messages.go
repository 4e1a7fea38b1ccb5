package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxMessage is the largest encoded message in bytes.
const MaxMessage = 128 << 10

// Kind says what a message means.
type Kind string

// The messages. Ready, Failed, Prepared, Swapped, Spent and Leaving come from the
// worker, the others go to it.
//
// A rotation in place takes two phases. Prepare brings a sealed bundle along;
// the worker builds what it needs and answers Prepared, or Failed with the
// number of the rotation, and serves on as before. Probes with Next are answered
// from it. Swap has every later handshake served from it, which Swapped says;
// what is not prepared gives Failed. Forget drops it. A later Prepare replaces an
// earlier one, also if it fails. Nothing of this is answered before Ready.
//
// Access brings along the access log that takes the place of the one inherited.
// The release before does not know it, and ignores what it does not know from Go
// on alone: so it is not sent before. Reopen is that release's way to say where
// standard error leads from now on.
const (
	KindSettings Kind = "settings"
	KindReady    Kind = "ready"
	KindFailed   Kind = "failed"
	KindGo       Kind = "go"
	KindQuit     Kind = "quit"
	KindReopen   Kind = "reopen"
	KindPrepare  Kind = "prepare"
	KindPrepared Kind = "prepared"
	KindSwap     Kind = "swap"
	KindSwapped  Kind = "swapped"
	KindForget   Kind = "forget"
	KindTickets  Kind = "tickets"
	KindSpent    Kind = "spent"   // the worker has answered as many requests as its settings say
	KindLeaving  Kind = "leaving" // the worker has stopped accepting, whoever told it to
	KindAccess   Kind = "access"
)

// Message is one datagram on the ctl socketpair.
type Message struct {
	Version  int       `json:"v"`
	Kind     Kind      `json:"kind"`
	Settings *Settings `json:"settings,omitempty"` // with KindSettings
	Text     string    `json:"text,omitempty"`     // the reason, with KindFailed
	Rotation int       `json:"rotation,omitempty"` // which, from 1: with all that belongs to one
	Tickets  [][]byte  `json:"tickets,omitempty"`  // with KindTickets (none: no tickets), and with KindSwap if they change
}

// Settings is what a worker is told before it builds anything.
type Settings struct {
	Generation      int           `json:"generation"`
	Slot            int           `json:"slot"` // from 1; names the worker and its counters
	Listeners       []Listener    `json:"listeners"`
	MinVersion      uint16        `json:"min_version"` // of TLS, as crypto/tls numbers it
	SNI             string        `json:"sni"`         // lenient, strict or san
	Tickets         [][]byte      `json:"tickets"`     // session ticket keys of 32 bytes: the first encrypts, all decrypt; none: no tickets
	KeepaliveGrace  time.Duration `json:"keepalive_grace"`
	GracefulTimeout time.Duration `json:"graceful_timeout"`
	LogFormat       string        `json:"log_format"` // text or json
	LogLevel        string        `json:"log_level"`

	// What the release before did not say; a worker of it goes without.
	Limits      Limits `json:"limits"`
	MaxRequests int    `json:"max_requests,omitempty"` // after so many the worker says Spent; 0: never
	SayLeaving  bool   `json:"say_leaving,omitempty"`  // the master knows Leaving
}

// Limits are what a worker holds its clients to; a zero field is none said.
type Limits struct {
	Handshake   time.Duration `json:"handshake"`
	Header      time.Duration `json:"header"`
	Body        time.Duration `json:"body"` // a pause; 0: none
	Idle        time.Duration `json:"idle"`
	HeaderSize  int           `json:"header_size"` // in bytes
	Connections int           `json:"connections"` // open at once; 0: as many as descriptors allow
}

// Listener names an inherited listening socket and how to serve it.
type Listener struct {
	Descriptor string `json:"descriptor"` // its name among the inherited descriptors
	Address    string `json:"address"`    // as configured: host:port or unix:/path
	TLS        bool   `json:"tls"`
}

// TicketSize is the length of a session ticket key in bytes.
const TicketSize = 32

func areTickets(keys [][]byte) bool {
	return !slices.ContainsFunc(keys, func(key []byte) bool { return len(key) != TicketSize })
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

// known says whether this release has a meaning for the kind.
func (k Kind) known() bool {
	switch k {
	case KindSettings, KindReady, KindFailed, KindGo, KindQuit, KindReopen,
		KindPrepare, KindPrepared, KindSwap, KindSwapped, KindForget, KindTickets, KindSpent, KindLeaving, KindAccess:
		return true
	}
	return false
}

// Decode reads one datagram. It refuses the version of a release that is no
// neighbour, settings that are missing or name no slot, a rotation without a
// number, and what cannot be a session ticket key. Of a kind that a neighbour has
// added it returns the kind alone, which the receiver passes over.
func Decode(b []byte) (Message, error) {
	var head struct {
		Version int  `json:"v"`
		Kind    Kind `json:"kind"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return Message{}, fmt.Errorf("decode message: %v", err)
	}
	if err := Judge("message", head.Version, HintBuild); err != nil {
		return Message{}, err
	}
	if head.Kind == "" {
		return Message{}, errors.New("decode message: no kind")
	}
	if !head.Kind.known() {
		return Message{Version: head.Version, Kind: head.Kind}, nil
	}
	var m Message
	if err := json.Unmarshal(b, &m); err != nil {
		return Message{}, fmt.Errorf("decode message %q: %v", head.Kind, err)
	}
	if err := m.check(); err != nil {
		return Message{}, err
	}
	return m, nil
}

// check refuses what a message of a known kind cannot be.
func (m *Message) check() error {
	if len(m.Tickets) == 0 {
		m.Tickets = nil // as Encode has it
	}
	if m.Settings != nil && !areTickets(m.Settings.Tickets) || !areTickets(m.Tickets) {
		return fmt.Errorf("decode message: a session ticket key without %d bytes", TicketSize)
	}
	switch m.Kind {
	case KindPrepare, KindPrepared, KindSwap, KindSwapped, KindForget:
		if m.Rotation < 1 {
			return fmt.Errorf("decode message: %q without the number of a rotation", m.Kind)
		}
	case KindSettings:
		if m.Settings == nil || m.Settings.Slot < 1 || m.Settings.Slot > MaxSlots {
			return fmt.Errorf("decode message: settings without a slot from 1 to %d", MaxSlots)
		}
	}
	return nil
}
