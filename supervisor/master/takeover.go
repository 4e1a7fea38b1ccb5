package master

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"example.com/handover/supervisor/control"
	"example.com/handover/supervisor/handover"
	"example.com/handover/supervisor/notify"
	"example.com/handover/supervisor/status"
)

// declareReady lets the predecessor leave. That it cannot be told because it
// was killed is no failure: its workers still wait for a successor.
func (m *master) declareReady() {
	m.pool.Commit()
	if err := m.hold.upgrader.Ready(); err != nil {
		m.log.Warn("predecessor has ended already", "error", err)
	}
	m.anchor.say(notify.Message{
		Ready: true, MainPID: os.Getpid(), Pending: true, StopTimeout: longestStop(m.config),
	})
}

func (m *master) statusLine() string {
	const most = 5
	var names []string
	for i, c := range m.bundle.Certificates {
		if i == most {
			names = append(names, fmt.Sprintf("%d more", len(m.bundle.Certificates)-most))
			break
		}
		names = append(names, fmt.Sprintf("%s until %s", c.Name, c.NotAfter.UTC().Format(time.DateOnly)))
	}
	line := fmt.Sprintf("generation %d serves %s", m.generation, strings.Join(names, ", "))
	if m.degraded != "" {
		line = "degraded: " + line
	}
	return line
}

// release lets the own workers accept and retires every other generation. The
// order is the guarantee: the new ones accept before the old ones stop.
func (m *master) release() {
	if m.generation == 1 {
		m.greet()
	}
	// What the workers are about to hold the anchor must have before them: a master
	// that is killed in between would leave sockets that no other could take over.
	m.storeFresh()
	m.storeRelays()
	m.anchor.store(nameConfig, m.accepted)
	m.anchor.store(nameBundle, m.bundle.File())
	m.obey(m.pool.Release(time.Now()))
	m.released = time.Now()
	m.current, m.next, m.ended = m.past.Current, m.past.Next, m.past.Ended
	m.deferred = m.past.Deferred
	m.rotations = append(m.past.Rotations, m.rotations...)
	for _, name := range []string{nameConfig, nameBundle, nameJudged} {
		m.hold.drop(name)
	}
	m.dropStrays()
	m.countBoots()
	m.keep()
	m.retireOthers()
	m.removeStalePaths()
	m.sayUnused()
	m.adjust()
	m.steps.file = nil
	if m.current != nil && !m.hold.hasParent() {
		m.recoverReload()
	}
	m.watchDraining()
	m.keep()
	m.serveControl()
	m.serveAdmin()
	m.readMail()
	m.rescale()
	if m.generation > 1 {
		m.log.Info("generation serves", "workers", m.pool.Want(), "certificates", len(m.bundle.Certificates))
	}
	if m.next != nil {
		m.step(handover.ReloadAsked) // it was asked for under the predecessor
	}
	m.oversee()
	m.lookCutOver()
	m.resumeStop()
}

// recoverReload begins a reload again whose master was killed. What lies on
// disk counts for it, and only for it: this generation serves what was accepted.
func (m *master) recoverReload() {
	r := m.current
	if r.Committed != "" && r.Committed == identityOf(m.bundle) {
		r.Record.Outcome = status.OutcomeDone
		m.conclude()
		return
	}
	r.Attempts++
	if r.Attempts > maxAttempts || m.next != nil {
		m.refuse(status.OutcomeFailed, "the master was killed during the reload", "see the log for what killed it", status.ExitGeneration)
		m.conclude()
		return
	}
	m.current = nil
	if r.Record.Kind == status.KindReload {
		m.next = r
	} else {
		m.rotations = append([]*reload{r}, m.rotations...)
	}
}

// retireOthers tells every other generation to stop accepting, once a worker of
// this one accepts: they may all have been lost since they proved themselves.
func (m *master) retireOthers() {
	if m.retired || (m.pool.Serving() == 0 && m.pool.Want() > 0) {
		return
	}
	m.retired = true
	for _, g := range m.others() {
		m.anchor.forget(ofGeneration(nameServe, g))
	}
	now := time.Now()
	for _, d := range m.draining {
		d.retire(now, m.graceful(d.Generation))
	}
	if len(m.draining) > 0 {
		m.cutOldest()
		m.keep()
	}
}

// others returns the generations besides the own that still have processes, as
// far as anybody has heard.
func (m *master) others() []int {
	var list []int
	for name := range m.hold.files {
		if g := generationOf(name); g != 0 && g != m.generation && name == ofGeneration(nameGone, g) {
			list = append(list, g)
		}
	}
	return list
}

// serveControl begins to answer commands.
func (m *master) serveControl() {
	server, err := control.Serve(m.hold.files[nameControl], &backend{m}, m.log)
	if err != nil {
		m.log.Error("serve control socket", "error", err)
		return
	}
	m.server = server
}

// closeServer ends open requests after the streams have had their last event.
func (m *master) closeServer() {
	if m.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	m.server.Stop(ctx)
	m.server = nil
}

// greet says what is served and how to reload it, once in the life of a service
// and before the first client can be answered.
func (m *master) greet() {
	if m.output.format == "json" {
		m.log.Info("serving", "pid", anchorPid(), "workers", m.pool.Want(), "listeners", m.urls(), "control", m.config.ControlSocket())
		return
	}
	m.output.say("serving %s (%s) with %s, pid %d", strings.Join(m.urls(), ", "), m.appName(m.config), count(m.pool.Want(), "worker"), anchorPid())
	for i, c := range m.bundle.Certificates {
		if i == described {
			m.output.say("and %d certificates more", len(m.bundle.Certificates)-i)
			break
		}
		m.output.say("certificate %q: sha256 %.16s…, until %s", c.Name, c.Fingerprint, c.NotAfter.UTC().Format("2006-01-02 15:04 MST"))
	}
	command := "handover reload"
	if m.config.Path != "" {
		command += " -c " + m.config.Path
	}
	m.output.say("reload with: kill -HUP %d   or: %s", anchorPid(), command)
}

func (m *master) urls() []string {
	var urls []string
	for _, l := range m.config.Listen {
		switch scheme := "http://"; {
		case strings.HasPrefix(l.Address, "unix:"):
			urls = append(urls, l.Address)
		case l.TLS:
			scheme = "https://"
			fallthrough
		default:
			urls = append(urls, scheme+l.Address)
		}
	}
	return urls
}
