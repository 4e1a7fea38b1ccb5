package master

import (
	"encoding/json"
	"os"
	"strconv"

	"example.com/handover/supervisor/hook"
	"example.com/handover/supervisor/status"
)

// The events that have hooks.
const (
	hookDone     = "done"
	hookRefused  = "refused"
	hookExpiring = "expiring"
)

// mostCertificates bounds what a hook is told.
const mostCertificates = 100

// outcome is what a hook reads on its standard input.
type outcome struct {
	Event        string               `json:"event"` // done, refused or expiring
	Pid          int                  `json:"pid"`   // the one PID
	Config       string               `json:"config"`
	Generation   int                  `json:"generation"`
	Reload       *status.Reload       `json:"reload,omitempty"`       // of done and refused
	Certificate  *status.Certificate  `json:"certificate,omitempty"`  // of expiring
	Certificates []status.Certificate `json:"certificates,omitempty"` // what is served
}

// runHooks starts the commands for an event. How they end is logged, and nothing
// else comes of it.
func (m *master) runHooks(event string, o outcome) {
	commands := map[string][]string{
		hookDone: m.config.Hooks.Done, hookRefused: m.config.Hooks.Refused, hookExpiring: m.config.Hooks.Expiring,
	}[event]
	if len(commands) == 0 {
		return
	}
	o.Event, o.Pid, o.Config, o.Generation = event, anchorPid(), m.config.Path, m.generation
	if o.Certificate == nil {
		o.Certificates = m.bundle.Published()
		o.Certificates = o.Certificates[:min(len(o.Certificates), mostCertificates)]
	}
	text, err := json.Marshal(o)
	if err != nil {
		m.log.Error("hooks not run", "event", event, "error", err)
		return
	}
	m.hooks.Run(event, commands, text)
}

// newHooks returns what runs the hooks and says how each ended.
func (m *master) newHooks() *hook.Runner {
	return hook.NewRunner(func(o hook.Outcome) {
		// The loop may be waiting for the Runner, which so must not wait for it.
		m.post1(func() {
			if o.Failed {
				m.log.Warn("hook failed", "event", o.Event, "command", o.Command, "result", o.Result, "output", o.Output)
			} else {
				m.log.Info("hook done", "event", o.Event, "command", o.Command, "output", o.Output)
			}
		})
	})
}

// hookName is the name under which the output of a running hook travels.
func hookName(pid int) string { return prefixHook + strconv.Itoa(pid) }

// handHooks lays out for a successor what hooks run and wait. It is asked twice:
// for the descriptors before the successor starts, and for the present state when
// this master leaves.
func (m *master) handHooks() []hook.Batch {
	batches, outputs := m.hooks.Pause()
	for _, b := range batches {
		if b.Running != nil {
			m.hold.files[hookName(b.Running.Pid)] = outputs[0]
			outputs = outputs[1:]
		}
	}
	return batches
}

// forgetHooks undoes handHooks, but for what tableflip has taken.
func (m *master) forgetHooks(batches []hook.Batch) {
	for _, b := range batches {
		if b.Running != nil {
			delete(m.hold.files, hookName(b.Running.Pid)) // the Runner's own
		}
	}
}

// adoptHooks goes on with the predecessor's.
func (m *master) adoptHooks() {
	var outputs []*os.File
	for i, b := range m.past.Hooks {
		if b.Running == nil {
			continue
		}
		name := hookName(b.Running.Pid)
		if f := m.hold.files[name]; f != nil {
			outputs = append(outputs, f)
			delete(m.hold.files, name)
		} else {
			m.past.Hooks[i].Running = nil // the predecessor was killed: its hooks are on their own
		}
	}
	m.hooks.Adopt(m.past.Hooks, outputs)
	m.past.Hooks = nil
}
