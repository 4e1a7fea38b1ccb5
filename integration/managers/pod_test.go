package managers

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// volume is a folder as the kubelet keeps it for a secret or a ConfigMap: the
// files are links through ..data, which is switched to a new folder by a rename.
type volume struct {
	dir   string
	group int
	mode  os.FileMode
	count int
}

func (v *volume) update(t *testing.T, files map[string]string) {
	t.Helper()
	v.count++
	fresh := fmt.Sprintf("..2026_11_28_12_00_00.%09d", v.count)
	path := filepath.Join(v.dir, fresh)
	err := errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, 0o755))
	for name, text := range files {
		file := filepath.Join(path, name)
		err = errors.Join(err, os.WriteFile(file, []byte(text), v.mode), os.Chown(file, 0, v.group), os.Chmod(file, v.mode))
	}
	data := filepath.Join(v.dir, "..data")
	old, _ := os.Readlink(data)
	err = errors.Join(err, os.Symlink(fresh, data+"_tmp"), os.Rename(data+"_tmp", data))
	if old == "" { // at the first time the files become visible last
		for name := range files {
			err = errors.Join(err, os.Symlink(filepath.Join("..data", name), filepath.Join(v.dir, name)))
		}
	} else {
		err = errors.Join(err, os.RemoveAll(filepath.Join(v.dir, old)))
	}
	if err != nil {
		t.Fatalf("update volume: %v", err)
	}
}

// podded is a pod of the Deployment: its image, its volumes and its rights.
type podded struct {
	*contained
	image         *image
	admin, path   string // the admin address, and the configuration's path inside
	config, certs *volume
	tickets       *volume
	text          string
	keys          string // the ticket keys
}

// schedule lays out the first container of the manifests' pod and starts it.
// Of the configuration only the two addresses are others: the network is shared.
func schedule(t *testing.T) *podded {
	t.Helper()
	all := manifests(t)
	spec, s := all["Deployment"].Spec.Template.Spec, configured(t, all)
	c, rights := spec.Containers[0], spec.SecurityContext
	i := &contained{Instance: harness.Prepare(t, harness.Config{})}
	p := &podded{contained: i, admin: harness.FreeAddress(t), path: c.Command[slices.Index(c.Command, "-c")+1]}
	p.text = rewritten(t, all["ConfigMap"].Data["config.toml"], strconv.Quote(s.Listen[0].Address), strconv.Quote(i.Addr),
		strconv.Quote(s.Admin.Address), strconv.Quote(p.admin))
	p.image = build(t, recipes(t, "docker", "Dockerfile"), map[string]string{
		"handover": harness.Static(t, "handover"), "myapp": harness.Static(t, "echo"), "config.toml": recipes(t, "docker", "config.toml"),
	})
	p.image.entrypoint, p.image.user, p.image.group = c.Command, strconv.Itoa(rights.RunAsUser), strconv.Itoa(rights.RunAsGroup)
	p.config = &volume{dir: harness.Folder(t), group: rights.FSGroup, mode: 0o644}
	p.config.update(t, map[string]string{"config.toml": p.text})
	p.certs = &volume{dir: harness.Folder(t), group: rights.FSGroup, mode: 0o440}
	p.renew(t)
	p.tickets = &volume{dir: harness.Folder(t), group: rights.FSGroup, mode: 0o440}
	p.turn(t)
	if c.SecurityContext.Escalation == nil || *c.SecurityContext.Escalation || !c.SecurityContext.ReadOnly || !slices.Equal(c.SecurityContext.Drops.Drop, []string{"ALL"}) {
		t.Errorf("security context %+v, want what the restricted profile asks for", c.SecurityContext)
	}
	options := []string{
		"-read-only", "-cap-drop-all", "-no-new-privileges", "-groups", strconv.Itoa(rights.FSGroup),
		"-seccomp", filepath.Join(module(t, profiles), "default.json"), // RuntimeDefault, where the runtime is Docker's
	}
	sources := map[string]*volume{}
	for _, v := range spec.Volumes {
		if v.ConfigMap.Name != "" {
			sources[v.Name] = p.config
		}
		switch v.Secret.SecretName {
		case "":
		case all["Certificate"].Spec.SecretName:
			sources[v.Name] = p.certs
		default:
			sources[v.Name] = p.tickets
		}
	}
	for _, m := range c.VolumeMounts {
		if from := sources[m.Name]; from != nil {
			options = append(options, "-bind", from.dir+":"+m.MountPath)
		} else {
			options = append(options, "-tmpfs", m.MountPath)
		}
	}
	p.image.start(t, i, options...)
	i.reach(t, s.Control.Socket)
	i.WaitServing()
	i.confined(t, true, true)
	return p
}

// renew is what cert-manager and the kubelet do.
func (p *podded) renew(t *testing.T) harness.Pair {
	t.Helper()
	pair := p.Certs.Issue(harness.Leaf{Names: []string{"example.org", harness.Name}})
	p.certs.update(t, map[string]string{"tls.crt": string(pair.Cert), "tls.key": string(pair.Key)})
	return pair
}

// turn is what the recipe and the kubelet do with the ticket keys.
func (p *podded) turn(t *testing.T) {
	t.Helper()
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	p.keys = base64.StdEncoding.EncodeToString(key) + "\n" + p.keys
	p.tickets.update(t, map[string]string{"keys": p.keys})
}

// probed is the answer to a probe of the kubelet.
func (p *podded) probed(path string) (int, error) {
	c, err := harness.Dial("tcp", p.admin, nil)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	a, err := c.Do("GET", path, nil)
	return a.Status, err
}

func (p *podded) says(t *testing.T, path string, status int) {
	t.Helper()
	harness.Until(t, fmt.Sprintf("%s says %d", path, status), moment, func() error {
		got, err := p.probed(path)
		if err != nil {
			return err
		}
		return harness.Unless(got == status, "%d", got)
	})
}

func TestAPodOfTheManifestsTakesRenewedSecretsAndDrainsWithoutAPreStopHook(t *testing.T) {
	t.Parallel()
	provided(t, "unshare", "nsenter")
	p := schedule(t)
	p.says(t, "/readyz", 200)
	p.says(t, "/healthz", 200)
	p.accepted(t)
	before := p.Until(t, "settled", moment, harness.Settled)
	load := p.Load(t, fewClients)
	for range 5 {
		p.WaitServed(p.renew(t), moment)
	}
	after := p.Until(t, "settled", moment, harness.Settled)
	p.turn(t)
	p.Until(t, "two ticket keys", moment, func(s harness.Status) error {
		return harness.Unless(len(s.TicketKeys) == 2 && s.TicketKeys[1] == after.TicketKeys[0], "%q", s.TicketKeys)
	})
	if after.Generation != before.Generation || after.Pid != 1 {
		t.Errorf("generation %d, pid %d; want %d as before, 1", after.Generation, after.Pid, before.Generation)
	}
	// A ConfigMap that has changed waits for a reload.
	p.config.update(t, map[string]string{"config.toml": "workers = 3\n" + p.text})
	if got := p.execute(t, p.image, "/handover", "reload", "-c", p.path); got.Exit != 0 {
		t.Errorf("reload: %v, want exit 0", got)
	}
	p.Until(t, "three workers", moment, func(s harness.Status) error {
		return harness.Unless(harness.Settled(s) == nil && len(s.Workers) == 3, "%d", len(s.Workers))
	})
	p.ward.Exactly(p.Instance)
	p.drains(t, load)
}

// accepted requires that the configuration and the certificates pass every check,
// with nothing to warn of.
func (p *podded) accepted(t *testing.T) {
	t.Helper()
	got := p.execute(t, p.image, "/handover", "check", "-c", p.path, "--json")
	var verdict harness.Verdict
	if err := json.Unmarshal([]byte(got.Stdout), &verdict); err != nil || !verdict.Accepted || got.Exit != 0 {
		t.Errorf("check: %v: %v, want it accepted", err, got)
	}
	for _, c := range verdict.Checks {
		if c.Severity == "warn" || c.Severity == "refuse" {
			t.Errorf("check %s: %s", c.Name, c.Message)
		}
	}
}

// alive requires that the kubelet would not kill it, before the drain and in it.
func (p *podded) alive(t *testing.T) {
	t.Helper()
	if got, err := p.probed("/healthz"); err != nil || got != 200 {
		t.Errorf("/healthz while it stops: %d, %v; want 200", got, err)
	}
}

// drains ends the pod as the kubelet does: TERM, and KILL if the grace is over.
func (p *podded) drains(t *testing.T, load *harness.Running) {
	t.Helper()
	all := manifests(t)
	delay := seconds(t, configured(t, all).ShutdownDelay)
	grace := time.Duration(all["Deployment"].Spec.Template.Spec.Grace) * time.Second
	asked := time.Now()
	p.ward.Kill(1, syscall.SIGTERM)
	p.says(t, "/readyz", 503)
	// As long as the load balancers may still send clients here. Half the delay is
	// enough to show it, and leaves a slow machine the other half.
	for time.Since(asked) < delay/2 {
		load.More(t, 10)
	}
	load.Stop().NothingLost(t)
	slow := answering(t, p.Instance, delay.String())
	harness.Every(time.Second, int((delay-time.Since(asked))/time.Second)+2, func(int) { p.alive(t) })
	code, err := p.ward.WaitExit(grace - time.Since(asked))
	if err != nil || code != 0 {
		t.Errorf("exit %d, %v; want 0 within %v", code, err, grace)
	}
	if took := time.Since(asked); took < delay {
		t.Errorf("ended after %v, want clients served for %v", took, delay)
	}
	completes(t, slow)
	p.unreach(t)
	p.ward.Empty(p.Instance)
}

// Without fsGroup, or with another defaultMode, a pod that is not root may not
// read the key.
func TestARenewedSecretThatThePodMayNotReadIsRefusedAndTheOldOneServed(t *testing.T) {
	t.Parallel()
	provided(t, "unshare", "nsenter")
	p := schedule(t)
	served := p.Until(t, "settled", moment, harness.Settled).Certificates[0].Fingerprint
	p.certs.group = 0
	p.renew(t)
	p.Until(t, "the renewed secret is refused", moment, func(s harness.Status) error {
		return harness.Unless(s.LastReload != nil && s.LastReload.Outcome == "refused" && harness.Refused(s.LastReload.Checks, "file.unreadable"), "%+v", s.LastReload)
	})
	if got, err := p.Served(); err != nil || got != served {
		t.Errorf("served %s, %v; want %s as before", got, err, served)
	}
	p.says(t, "/readyz", 200)
	if out := p.Instance.Output(); !strings.Contains(out, "file.unreadable") {
		t.Errorf("log: want it to name file.unreadable:\n%s", out)
	}
	p.certs.group = 65532
	p.WaitServed(p.renew(t), moment)
}
