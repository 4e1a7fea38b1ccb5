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
func judge(load func() (*config.Config, error), app func(*config.Config) string, served []status.Certificate, allow []string) judgement {
	var j judgement
	if j.config, j.err = load(); j.err != nil {
		return j
	}
	if j.err = cert.CheckNames(j.config.TLS.Checks); j.err != nil {
		j.err = status.Failed(status.ExitConfig, "", "%v", j.err)
		return j
	}
	j.step("config", "%s: %s, %s", configName(j.config), count(len(j.config.Listen), "listener"), app(j.config))
	ctx, cancel := context.WithTimeout(context.Background(), judgeTimeout)
	defer cancel()
	j.bundle, j.checks, j.err = cert.Take(ctx, cert.Request{
		Sources: j.config.Certificate, MinVersion: j.config.TLS.Version(), Served: served, Moved: j.config.TLS.Checks, Allow: allow,
	})
	if j.err != nil {
		return j
	}
	for i, c := range j.bundle.Published() {
		if len(j.config.Certificate[i].SelfSigned) > 0 {
			j.step("certificates", "%q: self-signed, each generation makes its own", c.Name)
			continue
		}
		j.step("certificates", "%s", describeChange(c, served))
	}
	return j
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
	go func() {
		var j judgement
		if accepted != nil && sealed != nil {
			j.config, j.bundle, j.err = readAccepted(accepted, sealed)
		} else {
			j = judge(load, m.appName, served, allow)
		}
		m.post(func() { m.judged(j) })
	}()
}

// judged goes on with the boot after the judgement.
func (m *master) judged(j judgement) {
	if m.machine.State() != handover.Booting {
		return
	}
	if j.err == nil {
		m.config, m.bundle = j.config, j.bundle
		j.err = m.boot()
	}
	if j.err != nil {
		m.bootFailed(j.err, j.checks)
		return
	}
	m.note(j.checks)
}
