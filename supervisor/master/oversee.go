package master

import (
	"slices"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
	"example.com/handover/supervisor/watch"
)

// How often the disk is compared with what is served, and how long after a
// handover for the first time: nothing is gained by doing so in its midst.
const (
	lookEvery = time.Minute
	firstLook = 5 * time.Second
)

// oversight is what the serving master keeps an eye on between reloads.
type oversight struct {
	looking bool      // the disk is being read
	looked  time.Time // when it was last
	drift   map[string]drifted
	watcher *watch.Watcher // nil unless [tls] reload = "watch"
	retried time.Time      // when a look had done what the watcher seemed to have missed
}

// drifted is a certificate of which something else lies on disk.
type drifted struct {
	cert.Difference
	since time.Time
}

// oversee begins to watch what becomes of the certificates.
func (m *master) oversee() {
	m.looked = time.Now().Add(firstLook - lookEvery)
	m.drift = map[string]drifted{}
	m.sayExpiry(time.Now())
	m.adoptHooks()
	m.adopted(m.whoAsked())
	if m.config.TLS.Reload == "watch" {
		m.watchFiles()
	}
}

// whoAsked names the cause of this generation.
func (m *master) whoAsked() string {
	if m.current != nil {
		return m.current.Record.AskedBy
	}
	return "start"
}

// watchFiles has a rotation follow every change of the files. What changed while
// nobody watched is found by the first one, which is asked for at once.
func (m *master) watchFiles() {
	w := watch.New(watched(m.config), watch.Interval, m.log)
	m.watcher = w
	go func() { // ends when the watcher is closed, by the end of the loop
		for range w.Changed() {
			m.post(func() { m.rotateAsked(newRotation(byWatch, nil)) })
		}
	}()
	m.rotateAsked(newRotation(byWatch, nil))
}

// watched lists what a rotation reads.
func watched(c *config.Config) []string {
	var paths []string
	for _, source := range c.Certificate {
		paths = append(paths, source.CertFile, source.KeyFile, source.Dir)
	}
	paths = append(paths, c.TLS.ClientCA, c.TLS.TicketKeys)
	if v := c.TLS.Verify; v != "off" && v != "system" {
		paths = append(paths, v)
	}
	return slices.DeleteFunc(paths, func(path string) bool { return path == "" })
}

// lookAround compares the disk with what is served, once a minute, or more often
// while somebody looks at the status page and few files are to be read.
func (m *master) lookAround(now time.Time) {
	every := lookEvery
	if now.Sub(m.live.asked) < lookSoon && m.bundle != nil && len(m.bundle.Certificates) <= mostLooked {
		every = lookSoon
		if last := m.last(); last != nil && last.Record.Finished.After(m.looked) {
			every = 0 // what was refused waits there
		}
	}
	if !m.active() || m.looking || m.looked.IsZero() || now.Sub(m.looked) < every {
		return
	}
	m.looking, m.looked = true, now
	c, b := m.config, m.bundle
	go func() {
		found := cert.Drift(c.Certificate, c.TLS, b)
		m.post(func() {
			m.looking, m.stirred = false, time.Now()
			if b == m.bundle {
				m.sawDisk(found, time.Now())
			}
		})
	}()
}

// sawDisk notes since when something else lies on disk, and says so once.
func (m *master) sawDisk(found map[string]cert.Difference, now time.Time) {
	drift := map[string]drifted{}
	for name, d := range found {
		if d.State == cert.DiskSame {
			continue
		}
		known, before := m.drift[name]
		if !before {
			known.since = now
			if _, held := m.held[name]; held {
				drift[name] = drifted{d, known.since}
				continue // that is what a rollback is for
			}
			m.log.Warn("what lies on disk is not served", "certificate", name, "disk", d.State, "hint", "handover check says whether it would be taken, handover reload takes it")
		}
		drift[name] = drifted{d, known.since}
	}
	m.drift = drift
	if m.missed() {
		m.rotateAsked(newRotation(byWatch, nil))
	}
	m.sayExpiry(now)
}

// missed is the net under the watcher: it says whether this look has found what is
// to be tried. Once a minute, however often the disk is read for those who look at
// the status page: they must not have a refusal tried again and again.
func (o *oversight) missed() bool {
	if o.watcher == nil || len(o.drift) == 0 || o.looked.Sub(o.retried) < lookEvery {
		return false
	}
	o.retried = o.looked
	return true
}

// found is what the last look has found.
func found(drift map[string]drifted) map[string]cert.Difference {
	list := make(map[string]cert.Difference, len(drift))
	for name, d := range drift {
		list[name] = d.Difference
	}
	return list
}

// withDisk adds to published certificates what lies on disk.
func withDisk(list []status.Certificate, found map[string]cert.Difference, known map[string]drifted, now time.Time) {
	for i := range list {
		c := &list[i]
		d, ok := found[c.Name]
		if !ok {
			continue
		}
		c.Disk, c.OnDisk = d.State, d.OnDisk
		if d.State == cert.DiskSame {
			continue
		}
		since := now
		if k, ok := known[c.Name]; ok {
			since = k.since
		}
		c.DiskSince = &since
	}
}

// sayExpiry says of each certificate, once a threshold, that its end comes near.
// An expired one is served on: nothing better is known, and plaintext or a
// stand-in would be worse.
func (m *master) sayExpiry(now time.Time) {
	told := map[string]int{}
	for i, c := range m.bundle.Certificates {
		level := status.Left(c.NotBefore, c.NotAfter, c.ChainNotAfter, now)
		if level == status.LeftAmple {
			continue
		}
		told[c.Fingerprint] = level
		if m.past.Told[c.Fingerprint] >= level {
			continue
		}
		attributes := []any{"certificate", c.Name, "until", c.ChainNotAfter, "left", c.ChainNotAfter.Sub(now).Round(time.Second), "disk", m.onDisk(c.Name)}
		switch level {
		case status.LeftQuarter:
			m.log.Warn("certificate expires soon", attributes...)
		case status.LeftTenth:
			m.log.Error("certificate is about to expire", attributes...)
		case status.LeftNothing:
			m.log.Error("certificate has expired and is served on", attributes...)
		}
		published := m.bundle.Publish(i)
		m.runHooks(hookExpiring, outcome{Certificate: &published})
	}
	m.past.Told = told
}

// onDisk says whether a renewal waits there.
func (m *master) onDisk(name string) string {
	if d, ok := m.drift[name]; ok {
		return d.State
	}
	return cert.DiskSame
}
