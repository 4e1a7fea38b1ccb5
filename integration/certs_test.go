package integration

import (
	"encoding/json"
	"strings"
	"testing"

	"example.com/handover/integration/harness"
)

func TestCertsShowsWhatIsServedAndWhatLiesOnDisk(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{})
	got := command(t, i, "certs")
	if got.Exit != 0 || got.Stderr != "" || strings.Contains(got.Stdout, "\x1b") || strings.Contains(got.Stdout, "hint: ") {
		t.Errorf("certs: %v, want exit 0, no colours and nothing to do", got)
	}
	said(t, "certs", got.Stdout, []string{"CERTIFICATE ", "example.test ", i.First.Fingerprint[:16], " same\n"})
	i.Certs.Install(i.Certs.Issue(harness.Leaf{}))
	got = command(t, i, "certs")
	said(t, "certs", got.Stdout, []string{i.First.Fingerprint[:16], " changed", `"handover rotate" takes it`})
	got = command(t, i, "certs", "--json")
	var v struct {
		Certificates []struct {
			Name        string `json:"name"`
			Fingerprint string `json:"fingerprint_sha256"`
			Disk        string `json:"disk"`
		} `json:"certificates"`
		Deferred any     `json:"deferred_until"`
		Degraded *string `json:"degraded"`
	}
	if err := json.Unmarshal([]byte(got.Stdout), &v); err != nil || got.Exit != 0 || len(v.Certificates) != 1 || v.Deferred != nil || v.Degraded == nil {
		t.Fatalf("certs --json: %v, %v; want one certificate, nothing deferred and not degraded", got, err)
	}
	if c := v.Certificates[0]; c.Name != "example.test" || c.Fingerprint != i.First.Fingerprint || c.Disk != "changed" {
		t.Errorf("certs --json: got %+v, want the served one, changed on disk", c)
	}
}

func TestTheNameOfARollbackIsBoundedAndSafe(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{})
	before := i.Until(t, "settled", within, harness.Settled)
	for _, name := range []string{"a\nb", "\x1b[2J", strings.Repeat("a", 256)} {
		got := typed(t, "/", "certs", "rollback", "-c", i.ConfigFile(), name)
		complaint(t, "certs rollback", got, 64, "is not the name of a certificate")
		if len(got.Stderr) > 300 {
			t.Errorf("certs rollback: %d bytes said, want them bounded", len(got.Stderr))
		}
	}
	untouched(t, i, before)
}
