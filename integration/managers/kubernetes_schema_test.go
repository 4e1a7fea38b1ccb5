package managers

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"example.com/handover/integration/harness"
	"go.yaml.in/yaml/v3"
)

// Where the schemas come from: what the API servers of these releases publish,
// fetched as any Go module is. Both are under the Apache License 2.0.
const (
	kubernetes  = "k8s.io/kubernetes@v1.37.2"
	certManager = "github.com/cert-manager/cert-manager@v1.21.0"
	kubeconform = "github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0"
)

// published are the API groups that the manifests use.
var published = []string{"api__v1_openapi.json", "apis__apps__v1_openapi.json", "apis__policy__v1_openapi.json"}

func TestTheKubernetesManifestsFollowTheSchemasOfTheAPIServer(t *testing.T) {
	t.Parallel()
	schemas := schemasOf(t)
	judged := conform(t, schemas, recipes(t, "kubernetes"))
	if len(judged) != len(manifests(t)) {
		t.Errorf("judged %d resources, want all %d", len(judged), len(manifests(t)))
	}
	for _, j := range judged {
		if j.Status != "statusValid" {
			t.Errorf("%s %s: %s %s", j.Kind, filepath.Base(j.Filename), j.Status, j.Msg)
		}
	}
}

// mistakes are edits of the manifests that an API server refuses: old text, new
// text, and what the judge must name.
var mistakes = map[string]struct{ file, old, new, named string }{
	"unknown field":                {"deployment.yaml", "readinessProbe:", "readynessProbe:", "readynessProbe"},
	"unknown field deep down":      {"deployment.yaml", "readOnlyRootFilesystem:", "readOnlyRootFileSystem:", "readOnlyRootFileSystem"},
	"wrong type":                   {"deployment.yaml", "replicas: 2", "replicas: two", "replicas"},
	"number for a string":          {"deployment.yaml", `prometheus.io/port: "9180"`, "prometheus.io/port: 9180", "prometheus.io"},
	"field in the wrong place":     {"deployment.yaml", "terminationGracePeriodSeconds: 60", "shareProcessNamespace: 60", "shareProcessNamespace"},
	"required field missing":       {"deployment.yaml", "        - name: handover\n          image:", "        - image:", "name"},
	"version that is not served":   {"deployment.yaml", "apps/v1", "apps/v1beta1", "apiVersion"},
	"service port of a wrong type": {"service.yaml", "port: 443", `port: "443"`, "port"},
	"secret that is a list":        {"deployment.yaml", "secretName: handover-tickets", "secretName: [handover-tickets]", "secretName"},
	"budget":                       {"service.yaml", "minAvailable: 1", "minAvailible: 1", "minAvailible"},
	"unknown field of the CRD":     {"certificate.yaml", "dnsNames:", "dnsName:", "dnsName"},
	"value that the CRD lacks":     {"certificate.yaml", "algorithm: ECDSA", "algorithm: DSA", "algorithm"},
	"required field of the CRD":    {"certificate.yaml", "  secretName: handover-tls\n", "", "secretName"},
	"configuration that is a list": {"configmap.yaml", "data:\n  config", "data:\n  also: [text]\n  config", "also"},
	"key twice":                    {"configmap.yaml", "kind: ConfigMap", "kind: ConfigMap\nkind: ConfigMap", "kind"},
}

func TestTheJudgeOfTheKubernetesManifestsRefusesMistakes(t *testing.T) {
	t.Parallel()
	schemas, dir := schemasOf(t), harness.Folder(t)
	expected := map[string]string{}
	for name, m := range mistakes {
		file := strings.ReplaceAll(name, " ", "-") + ".yaml"
		text := read(t, recipes(t, "kubernetes", m.file))
		if strings.Count(text, m.old) != 1 {
			t.Fatalf("%s: %q stands %d times in %s, want once", name, m.old, strings.Count(text, m.old), m.file)
		}
		layOut(t, filepath.Join(dir, file), 0o644, strings.Replace(text, m.old, m.new, 1))
		expected[file] = m.named
	}
	refused := map[string]string{}
	for _, j := range conform(t, schemas, dir) {
		if j.Status != "statusValid" {
			refused[filepath.Base(j.Filename)] += j.Msg
		}
	}
	for file, named := range expected {
		if !strings.Contains(refused[file], named) {
			t.Errorf("%s: %q, want it refused for %q", file, refused[file], named)
		}
	}
}

// judgement is what kubeconform says of one resource.
type judgement struct{ Filename, Kind, Status, Msg string }

func conform(t *testing.T, schemas, dir string) []judgement {
	t.Helper()
	cmd := exec.Command("go", "run", kubeconform, "-strict", "-verbose", "-output", "json",
		"-schema-location", filepath.Join(schemas, "{{.ResourceKind}}.json"), dir)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var report struct{ Resources []judgement }
	if unread := json.Unmarshal(out, &report); unread != nil {
		t.Fatalf("run kubeconform: %v: %s\n%s", err, out, errs.String())
	}
	return report.Resources
}

// schemasOf makes a folder with a schema for each kind.
func schemasOf(t *testing.T) string {
	t.Helper()
	dir, used := harness.Folder(t), manifests(t)
	for _, file := range published {
		var document struct {
			Components struct {
				Schemas map[string]any `json:"schemas"`
			} `json:"components"`
		}
		path := filepath.Join(module(t, kubernetes), "api", "openapi-spec", "v3", file)
		if err := json.Unmarshal([]byte(read(t, path)), &document); err != nil {
			t.Fatalf("read %q: %v", path, err)
		}
		all := document.Components.Schemas
		for name, each := range all {
			schema := each.(map[string]any)
			kinds, _ := schema["x-kubernetes-group-version-kind"].([]any)
			if len(kinds) != 1 {
				continue // what every group has
			}
			kind := kinds[0].(map[string]any)
			if _, found := used[kind["kind"].(string)]; !found {
				continue
			}
			save(t, dir, kind, map[string]any{"$ref": "#/components/schemas/" + name, "components": map[string]any{"schemas": all}}, schema)
		}
	}
	saveCertificate(t, dir)
	return dir
}

// saveCertificate takes the schema out of cert-manager's definition.
func saveCertificate(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(module(t, certManager), "deploy", "crds", "cert-manager.io_certificates.yaml")
	var crd struct {
		Spec struct {
			Group    string
			Versions []struct {
				Name   string
				Schema struct {
					Schema map[string]any `yaml:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, path)), &crd); err != nil {
		t.Fatalf("read %q: %v", path, err)
	}
	for _, v := range crd.Spec.Versions {
		kind := map[string]any{"group": crd.Spec.Group, "version": v.Name, "kind": "Certificate"}
		save(t, dir, kind, v.Schema.Schema, v.Schema.Schema)
	}
}

// save writes a kind's document. The schema in it is made to name the version
// that it is of, and nothing may be there that it does not know, as an API server
// holds it with strict field validation.
func save(t *testing.T, dir string, kind, document, schema map[string]any) {
	t.Helper()
	version, _ := kind["version"].(string)
	if group, _ := kind["group"].(string); group != "" {
		version = group + "/" + version
	}
	properties, _ := schema["properties"].(map[string]any)
	properties["apiVersion"] = map[string]any{"enum": []string{version}}
	schema["required"] = append(anything(schema["required"]), "apiVersion", "kind", "metadata")
	seal(document)
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	layOut(t, filepath.Join(dir, strings.ToLower(kind["kind"].(string))+".json"), 0o644, string(text))
}

func anything(list any) []any {
	found, _ := list.([]any)
	return found
}

// seal forbids every field that a schema with fields does not name.
func seal(node any) {
	switch n := node.(type) {
	case []any:
		for _, each := range n {
			seal(each)
		}
	case map[string]any:
		_, fields := n["properties"].(map[string]any)
		_, open := n["additionalProperties"]
		if keep, _ := n["x-kubernetes-preserve-unknown-fields"].(bool); fields && !open && !keep {
			n["additionalProperties"] = false
		}
		for _, each := range n {
			seal(each)
		}
	}
}

// module is the folder of a module at its version.
func module(t *testing.T, version string) string {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", version)
	cmd.Env = append(os.Environ(), "GOFLAGS=") // the checkout's may forbid what is not in its go.mod
	out, err := cmd.Output()
	var m struct{ Dir, Error string }
	if unread := json.Unmarshal(out, &m); unread != nil || m.Dir == "" {
		t.Fatalf("fetch %s: %v %s", version, err, m.Error)
	}
	return m.Dir
}
