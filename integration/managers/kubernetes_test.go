package managers

import (
	"bytes"
	"errors"
	"io"
	"net"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"go.yaml.in/yaml/v3"
)

// manifest is what the tests look at in the resources, whatever their kind.
type manifest struct {
	Kind     string
	Metadata struct {
		Name   string
		Labels map[string]string
	}
	Data map[string]string
	Spec struct {
		SecretName   string   `yaml:"secretName"`
		DNSNames     []string `yaml:"dnsNames"`
		Replicas     int
		MinAvailable int `yaml:"minAvailable"`
		Selector     map[string]any
		Ports        []struct {
			TargetPort string `yaml:"targetPort"`
		}
		Template struct {
			Metadata struct{ Labels, Annotations map[string]string }
			Spec     pod
		}
	}
}

type pod struct {
	Grace           int `yaml:"terminationGracePeriodSeconds"`
	SecurityContext struct {
		RunAsUser  int `yaml:"runAsUser"`
		RunAsGroup int `yaml:"runAsGroup"`
		FSGroup    int `yaml:"fsGroup"`
	} `yaml:"securityContext"`
	Containers []struct {
		Command []string
		Ports   []struct {
			Name          string
			ContainerPort int `yaml:"containerPort"`
		}
		ReadinessProbe  probe `yaml:"readinessProbe"`
		LivenessProbe   probe `yaml:"livenessProbe"`
		SecurityContext struct {
			Escalation *bool                   `yaml:"allowPrivilegeEscalation"`
			ReadOnly   bool                    `yaml:"readOnlyRootFilesystem"`
			Drops      struct{ Drop []string } `yaml:"capabilities"`
		} `yaml:"securityContext"`
		VolumeMounts []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
			SubPath   string `yaml:"subPath"`
		} `yaml:"volumeMounts"`
		Lifecycle any
	}
	Volumes []struct {
		Name      string
		ConfigMap struct{ Name string } `yaml:"configMap"`
		Secret    struct {
			SecretName  string `yaml:"secretName"`
			DefaultMode int    `yaml:"defaultMode"`
		}
		EmptyDir map[string]any `yaml:"emptyDir"`
	}
}

type probe struct {
	HTTPGet   struct{ Path, Port string } `yaml:"httpGet"`
	Period    int                         `yaml:"periodSeconds"`
	Threshold int                         `yaml:"failureThreshold"`
}

// settings is what the tests look at in the configuration.
type settings struct {
	ShutdownDelay   string `toml:"shutdown_delay"`
	GracefulTimeout string `toml:"graceful_timeout"`
	Listen          []struct{ Address string }
	Certificate     []struct {
		Certfile, Keyfile string
		ServerNames       []string `toml:"server_names"`
	}
	TLS struct {
		Reload     string
		KeyGroups  []string `toml:"key_groups"`
		TicketKeys string   `toml:"ticket_keys"`
	}
	App     struct{ Command []string }
	Control struct{ Socket string }
	Admin   struct{ Address string }
}

// manifests reads every resource, by its kind.
func manifests(t *testing.T) map[string]manifest {
	t.Helper()
	files, err := filepath.Glob(recipes(t, "kubernetes", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("find manifests: %v, %v", files, err)
	}
	found := map[string]manifest{}
	for _, file := range files {
		decoder := yaml.NewDecoder(bytes.NewReader([]byte(read(t, file))))
		for {
			var m manifest
			err := decoder.Decode(&m)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("read %q: %v", file, err)
			}
			found[m.Kind] = m
		}
	}
	return found
}

func configured(t *testing.T, all map[string]manifest) settings {
	t.Helper()
	var s settings
	if _, err := toml.Decode(all["ConfigMap"].Data["config.toml"], &s); err != nil {
		t.Fatalf("read config.toml of the ConfigMap: %v", err)
	}
	return s
}

// What no schema sees: that the manifests and the configuration mean the same
// ports, paths, groups and times.
func TestTheKubernetesManifestsAgreeWithEachOtherAndTheConfiguration(t *testing.T) {
	t.Parallel()
	all := manifests(t)
	s, template := configured(t, all), all["Deployment"].Spec.Template
	p, c := template.Spec, template.Spec.Containers[0]
	same := func(what string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v and %v, want the same", what, got, want)
		}
	}
	ports := map[string]string{}
	for _, each := range c.Ports {
		ports[each.Name] = strconv.Itoa(each.ContainerPort)
	}
	same("port of the service", ports[all["Service"].Spec.Ports[0].TargetPort], portOf(t, s.Listen[0].Address))
	for name, each := range map[string]probe{"/readyz": c.ReadinessProbe, "/healthz": c.LivenessProbe} {
		same("probe", each.HTTPGet.Path, name)
		same("port of "+name, ports[each.HTTPGet.Port], portOf(t, s.Admin.Address))
	}
	same("port of metrics", template.Metadata.Annotations["prometheus.io/port"], portOf(t, s.Admin.Address))
	same("path of metrics", template.Metadata.Annotations["prometheus.io/path"], "/metrics")
	same("name of the certificate", all["Certificate"].Spec.DNSNames[0], s.Certificate[0].ServerNames[0])
	same("group of the key", strconv.Itoa(p.SecurityContext.FSGroup), s.TLS.KeyGroups[0])
	same("rotation", s.TLS.Reload, "watch")
	for kind, selector := range map[string]map[string]any{
		"Service":             all["Service"].Spec.Selector,
		"Deployment":          all["Deployment"].Spec.Selector["matchLabels"].(map[string]any),
		"PodDisruptionBudget": all["PodDisruptionBudget"].Spec.Selector["matchLabels"].(map[string]any),
	} {
		for key, value := range selector {
			same(kind+" selects "+key, template.Metadata.Labels[key], value)
		}
	}
	if all["PodDisruptionBudget"].Spec.MinAvailable >= all["Deployment"].Spec.Replicas {
		t.Errorf("budget of %d pods out of %d: no node could ever be drained", all["PodDisruptionBudget"].Spec.MinAvailable, all["Deployment"].Spec.Replicas)
	}
	if c.Lifecycle != nil {
		t.Errorf("lifecycle: %v, want none: shutdown_delay is in its place", c.Lifecycle)
	}
	// The last look may have been just before the stop.
	if noticed := time.Duration(c.ReadinessProbe.Period*(c.ReadinessProbe.Threshold+1)) * time.Second; noticed >= seconds(t, s.ShutdownDelay) {
		t.Errorf("a stop is noticed within %v, want it before shutdown_delay is over", noticed)
	}
	grace, least := time.Duration(p.Grace)*time.Second, seconds(t, s.ShutdownDelay)+seconds(t, s.GracefulTimeout)+10*time.Second
	if grace < least {
		t.Errorf("terminationGracePeriodSeconds %v, want at least %v", grace, least)
	}
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func seconds(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Every path of the configuration lies in a mounted folder, and none of those in
// another one: a runtime cannot make a folder in one that is read-only.
func TestTheKubernetesManifestsMountWhatTheConfigurationNames(t *testing.T) {
	t.Parallel()
	all := manifests(t)
	s, p := configured(t, all), all["Deployment"].Spec.Template.Spec
	c := p.Containers[0]
	mounted := map[string]string{} // volume by path
	for _, m := range c.VolumeMounts {
		if m.SubPath != "" {
			t.Errorf("subPath %q: the kubelet does not update such a mount", m.SubPath)
		}
		for other := range mounted {
			if strings.HasPrefix(m.MountPath+"/", other+"/") || strings.HasPrefix(other+"/", m.MountPath+"/") {
				t.Errorf("%q and %q lie in each other", m.MountPath, other)
			}
		}
		mounted[m.MountPath] = m.Name
	}
	volumes := map[string]string{}
	for _, v := range p.Volumes {
		switch {
		case v.ConfigMap.Name == all["ConfigMap"].Metadata.Name:
			volumes[v.Name] = "config"
		case v.Secret.SecretName == all["Certificate"].Spec.SecretName && v.Secret.DefaultMode == 0o440:
			volumes[v.Name] = "secret"
		case v.Secret.SecretName != "" && v.Secret.DefaultMode == 0o440:
			volumes[v.Name] = "other secret"
		case v.EmptyDir != nil:
			volumes[v.Name] = "writable"
		}
	}
	at := slices.Index(c.Command, "-c")
	for file, want := range map[string]string{
		c.Command[at+1]:           "config",
		s.Certificate[0].Certfile: "secret",
		s.Certificate[0].Keyfile:  "secret",
		s.TLS.TicketKeys:          "other secret",
		s.Control.Socket:          "writable",
	} {
		if got := volumes[mounted[path.Dir(file)]]; got != want {
			t.Errorf("%q lies in a volume of kind %q, want %q", file, got, want)
		}
	}
	if path.Base(s.Certificate[0].Certfile) != "tls.crt" || path.Base(s.Certificate[0].Keyfile) != "tls.key" {
		t.Errorf("files %q, %q; want tls.crt and tls.key as in a secret of cert-manager", s.Certificate[0].Certfile, s.Certificate[0].Keyfile)
	}
	if _, found := all["ConfigMap"].Data[path.Base(c.Command[at+1])]; !found {
		t.Errorf("%q is no key of the ConfigMap", path.Base(c.Command[at+1]))
	}
}
