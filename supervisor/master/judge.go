package master

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
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
	held     map[string]cert.Held // of a first start
	config   *config.Config
	bundle   *cert.Bundle
	checks   []status.Check
	changed  []int  // pairs that the predecessor does not serve
	degraded string // why the bundle is not what lies on disk
	steps    []status.Step
	err      error
}

// question is what certificates are judged by.
type question struct {
	config   *config.Config
	served   *cert.Bundle // nil at a first start
	known    *cert.Bundle // holds pairs that were proven; nil: none
	held     map[string]cert.Held
	allow    []string
	rollback bool // what is held is what is asked for
}

func (q question) request() cert.Request {
	r := cert.Request{
		Sources: q.config.Certificate, TLS: q.config.TLS, Known: q.known, Held: q.held, Allow: q.allow, Worker: workerUID(q.config),
	}
	if q.served != nil {
		r.Served = q.served.Published()
	}
	return r
}

func (j *judgement) readConfig(load func() (*config.Config, error), app func(*config.Config) string) {
	if j.config, j.err = load(); j.err != nil {
		return
	}
	if j.err = j.config.JudgeChecks(cert.CheckNames); j.err != nil {
		return
	}
	j.step("config", "%s: %s, %s", configName(j.config), count(len(j.config.Listen), "listener"), app(j.config))
}

// readCertificates reads and checks what lies on disk.
func (j *judgement) readCertificates(q question) {
	if j.err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), judgeTimeout)
	defer cancel()
	j.bundle, j.checks, j.err = cert.Take(ctx, q.request())
	var refusal *cert.Refusal
	if errors.As(j.err, &refusal) && len(q.held) > 0 && !q.rollback {
		// What was rolled back to may have expired since. Then the files count again.
		files := q.request()
		files.Held = nil
		if bundle, checks, err := cert.Take(ctx, files); err == nil {
			j.bundle, j.checks, j.err = bundle, checks, nil
			j.step("hold", "given up, what was rolled back to is refused now: %v", refusal)
		}
	}
	if j.err == nil {
		beThrifty(j.bundle.File())
		j.describe(q.served)
	}
}

// many is the size of a bundle, in bytes, from which on the memory that judging
// takes is worth the time that it takes to give it back: during a handover there
// are two masters.
const many = 1 << 20

// beThrifty has a master of many certificates collect its garbage early, and give
// back at once what the judgement took.
func beThrifty(bundle *os.File) {
	if bundle == nil {
		return
	}
	if info, err := bundle.Stat(); err == nil && info.Size() > many {
		debug.SetGCPercent(30)
		debug.FreeOSMemory()
	}
}

// described is how many certificates are spoken of one by one.
const described = 10

// describe says what becomes of each certificate, of many only of those that
// change.
func (j *judgement) describe(served *cert.Bundle) {
	list := j.bundle.Published()
	changed := map[int]bool{}
	for _, i := range j.bundle.Changed(served) {
		changed[i] = true
	}
	var old []status.Certificate
	if served != nil {
		old = served.Published()
	}
	said := 0
	for i, c := range list {
		if said == described || len(list) > described && !changed[i] {
			continue
		}
		said++
		if c.SelfSigned && c.Source == "" {
			j.step("certificates", "%q: self-signed, each generation makes its own", c.Name)
			continue
		}
		j.step("certificates", "%s", describeChange(c, old))
	}
	if more := len(list) - said; more > 0 {
		j.step("certificates", "%d more, %d changed in all", more, len(changed))
	}
	if r := ringOf(j.bundle, time.Now()); r != nil {
		j.step("tickets", "%s", r.describe())
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
		if c.Held && old.Fingerprint == c.Fingerprint {
			return fmt.Sprintf("%q: held, not what lies on disk: %s", c.Name, now)
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
	load := m.early
	if m.options.Boot != nil {
		load = func() (*config.Config, error) { return m.options.Boot, nil }
	}
	var allow []string
	if m.past.Current != nil {
		allow = m.past.Current.Allow
	}
	accepted, sealed := m.hold.files[nameConfig], m.hold.files[nameBundle]
	replaces := accepted != nil && sealed != nil
	if replaces {
		load = func() (*config.Config, error) { return readAccepted(accepted) }
	}
	// The goroutine gets what it needs: the rest is the loop's.
	first, app, past := !m.hold.hasParent(), m.appName, m.past
	before := inheritance{served: sealed, judged: m.hold.files[nameJudged], config: past.Judged, changed: past.Changed, held: past.Held, allow: allow, first: first}
	go func() {
		var j judgement
		j.readConfig(load, app)
		// Under a predecessor, which has judged the same files, the workers start while
		// the certificates are judged. A first start makes sure before it starts anything.
		if early := j; early.err == nil && !first {
			m.post(func() { m.configured(early) })
		}
		switch {
		case j.err != nil:
		case replaces:
			j.bundle, j.err = readBundle(sealed)
			j.degraded = past.Degraded
		default:
			j.boot(before)
		}
		m.post(func() { m.judged(j) })
	}()
}

// inheritance is what the predecessor left for the judgement.
type inheritance struct {
	served  *os.File // its bundle
	judged  *os.File // what it has judged for this handover
	config  string   // by which, as fingerprintOf tells
	changed []int    // pairs of it that are not served yet
	held    map[string]cert.Held
	allow   []string
	first   bool // there is no predecessor
}

// boot takes the certificates that the predecessor has judged for this very
// handover, if the same program judged by the same config: then another look
// could find nothing else but a later moment. Otherwise it judges itself.
func (j *judgement) boot(before inheritance) {
	q := question{config: j.config, held: before.held, allow: before.allow}
	beThrifty(before.judged)
	if before.judged != nil {
		q.known, _ = readBundle(before.judged) // unreadable: of another release
	}
	if q.known != nil && q.known.Ours(j.config.TLS) && before.config == fingerprintOf(j.config) {
		j.bundle, j.changed = q.known, before.changed
		return
	}
	if before.served != nil {
		q.served, _ = readBundle(before.served)
	}
	if before.first {
		coldStart(&q)
		j.held = q.held
	}
	j.readCertificates(q)
	if before.first {
		lastGood(j, q)
	}
	if j.err == nil {
		j.changed = j.bundle.Changed(q.served)
	}
}

// fingerprintOf tells configs apart.
func fingerprintOf(c *config.Config) string {
	text, err := json.Marshal(c)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
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
		m.bundle, m.changed, m.degraded = j.bundle, j.changed, j.degraded
		if j.held == nil {
			j.held = m.past.Held
		}
		m.keepHeld(j.bundle, j.held)
		if m.degraded != "" {
			m.log.Error("degraded: serving the last good certificates", "reason", m.degraded)
		}
		j.err = m.equipAll()
	}
	if j.err != nil {
		m.bootFailed(j.err, j.checks)
		return
	}
	m.note(j.checks)
	if !m.hold.hasParent() {
		m.countFindings(j.checks) // those of a reload are counted with it
	}
	m.judgePool() // with no workers wanted there is nothing to wait for
}
