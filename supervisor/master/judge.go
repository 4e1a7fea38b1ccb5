package master

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/handover"
	"example.com/handover/supervisor/status"
)

// judgeTimeout bounds the judgement of what lies on disk, settling included.
const judgeTimeout = 30 * time.Second

// judgement is what was found on disk.
type judgement struct {
	config *config.Config
	bundle *cert.Bundle
	checks []status.Check
	steps  []status.Step
	err    error
}

// judge reads config and certificates and checks them. It changes nothing.
func (m *master) judge(load func() (*config.Config, error), served []status.Certificate, allow []string) judgement {
	var j judgement
	j.readConfig(load, m.appName)
	j.readCertificates(served, allow)
	return j
}

func (j *judgement) readConfig(load func() (*config.Config, error), app func(*config.Config) string) {
	if j.config, j.err = load(); j.err != nil {
		return
	}
	if err := cert.CheckNames(j.config.TLS.Checks); err != nil {
		j.err = status.Failed(status.ExitConfig, "", "%v", err)
		return
	}
	j.step("config", "%s: %s, %s", configName(j.config), count(len(j.config.Listen), "listener"), app(j.config))
}

func (j *judgement) readCertificates(served []status.Certificate, allow []string) {
	if j.err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), judgeTimeout)
	defer cancel()
	j.bundle, j.checks, j.err = cert.Take(ctx, cert.Request{
		Sources: j.config.Certificate, MinVersion: j.config.TLS.Version(), Served: served, Moved: j.config.TLS.Checks, Allow: allow,
	})
	if j.err != nil {
		return
	}
	for i, c := range j.bundle.Published() {
		if len(j.config.Certificate[i].SelfSigned) > 0 {
			j.step("certificates", "%q: self-signed, each generation makes its own", c.Name)
			continue
		}
		j.step("certificates", "%s", describeChange(c, served))
	}
}

// count says "1 worker" and "2 workers".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (j *judgement) step(name, format string, args ...any) {
	j.steps = append(j.steps, status.Step{Name: name, At: time.Now(), Message: fmt.Sprintf(format, args...)})
}

// describeChange says what becomes of one certificate.
func describeChange(c status.Certificate, served []status.Certificate) string {
	now := fmt.Sprintf("sha256 %.12s…, until %s", c.Fingerprint, c.NotAfter.UTC().Format("2006-01-02 15:04 MST"))
	for _, old := range served {
		if old.Name != c.Name {
			continue
		}
		if old.Fingerprint == c.Fingerprint {
			return fmt.Sprintf("%q: unchanged, %s", c.Name, now)
		}
		return fmt.Sprintf("%q: sha256 %.12s… → %s", c.Name, old.Fingerprint, now)
	}
	return fmt.Sprintf("%q: %s", c.Name, now)
}

func configName(c *config.Config) string {
	if c.Path == "" {
		return "built-in defaults"
	}
	return c.Path
}

// appName says what the workers of a config are.
func (m *master) appName(c *config.Config) string {
	switch {
	case m.options.Self:
		return "this program"
	case len(c.App.Command) > 0:
		return "command " + c.App.Command[0]
	case c.App.Files != "":
		return "files in " + c.App.Files
	case c.App.Proxy != "":
		return "proxy to " + c.App.Proxy
	default:
		return "welcome page"
	}
}

// explain turns an error into what is reported.
func explain(err error) *status.Failure {
	var problems *config.Error
	var refused *cert.Refusal
	var known *status.Failure
	switch {
	case errors.As(err, &problems):
		return problems.Failure()
	case errors.As(err, &refused):
		return status.Refused(refused.Checks)
	case errors.As(err, &known):
		return known
	default:
		return status.Failed(status.ExitGeneration, "", "%v", err)
	}
}

// judgeBoot begins the boot: from the disk, or after a crash from what was
// accepted before it.
func (m *master) judgeBoot() {
	load := m.options.Load
	if m.options.Boot != nil {
		load = func() (*config.Config, error) { return m.options.Boot, nil }
	}
	served := m.past.Certificates
	var allow []string
	if m.past.Current != nil {
		allow = m.past.Current.Allow
	}
	accepted, sealed := m.hold.files[nameConfig], m.hold.files[nameBundle]
	replaces := accepted != nil && sealed != nil
	if replaces {
		load = func() (*config.Config, error) { return readAccepted(accepted) }
	}
	go func() {
		var j judgement
		j.readConfig(load, m.appName)
		// Under a predecessor, which has judged the same files, the workers start while
		// the certificates are judged. A first start makes sure before it starts anything.
		if early := j; early.err == nil && m.hold.hasParent() {
			m.post(func() { m.configured(early) })
		}
		switch {
		case j.err != nil:
		case replaces:
			j.bundle, j.err = readBundle(sealed)
		default:
			j.readCertificates(served, allow)
		}
		m.post(func() { m.judged(j) })
	}()
}

// configured goes on with the boot once the config is known.
func (m *master) configured(j judgement) {
	if m.machine.State() != handover.Booting || m.config != nil {
		return
	}
	m.config = j.config
	if err := m.boot(); err != nil {
		m.bootFailed(err, nil)
	}
}

// judged goes on with the boot after the judgement.
func (m *master) judged(j judgement) {
	if j.err == nil {
		m.configured(j)
	}
	if m.machine.State() != handover.Booting {
		return
	}
	if j.err == nil {
		m.bundle = j.bundle
		j.err = m.equipAll()
	}
	if j.err != nil {
		m.bootFailed(j.err, j.checks)
		return
	}
	m.note(j.checks)
	m.judgePool() // with no workers wanted there is nothing to wait for
}
