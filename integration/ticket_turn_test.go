package integration

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"example.com/handover/integration/harness"
)

// cabinet stands in for the cluster behind kubectl: one secret, in a file, as the
// three verbs of the recipe leave it there.
const cabinet = `#!/bin/sh
case "$*" in
"get secret handover-tickets --ignore-not-found -o jsonpath={.data.keys}")
	[ ! -e broken ] || { echo "connection refused" >&2; exit 1; }
	[ ! -e secret ] || cat secret ;;
"create secret generic handover-tickets --from-file=keys=/dev/stdin --dry-run=client -o yaml") base64 -w 0 ;;
"apply --server-side --force-conflicts -f -") cat > next && mv next secret ;;
*) echo "unexpected: $*" >&2; exit 2 ;;
esac
`

// turning is the recipe of the manifests with what it needs around it.
type turning struct{ dir string }

func newTurning(t *testing.T) turning {
	t.Helper()
	for _, tool := range []string{"openssl", "base64", "sh"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	r := turning{harness.Folder(t)}
	must(t, os.WriteFile(filepath.Join(r.dir, "kubectl"), []byte(cabinet), 0o755))
	return r
}

// run turns the keys once, and returns them.
func (r turning) run(t *testing.T, fails bool) []secret {
	t.Helper()
	recipe, err := filepath.Abs("kubernetes/turn-ticket-keys.sh")
	must(t, err)
	cmd := exec.Command(recipe)
	cmd.Dir, cmd.Env = r.dir, []string{"PATH=" + r.dir + ":" + os.Getenv("PATH")}
	if out, err := cmd.CombinedOutput(); (err != nil) != fails {
		t.Fatalf("turn-ticket-keys.sh: %v, want an error: %v\n%s", err, fails, out)
	}
	return r.stored(t)
}

func (r turning) stored(t *testing.T) (keys []secret) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, "secret"))
	must(t, err)
	lines, err := base64.StdEncoding.DecodeString(string(text))
	must(t, err)
	for line := range strings.FieldsSeq(string(lines)) {
		key, _ := base64.StdEncoding.DecodeString(line)
		sum := sha256.Sum256(key)
		keys = append(keys, secret{line, hex.EncodeToString(sum[:8])})
	}
	return keys
}

func TestTheRecipeTurnsSharedTicketKeysAndNoTicketOfThePeriodIsRefused(t *testing.T) {
	t.Parallel()
	r := newTurning(t)
	keys := r.run(t, false)
	c := &cluster{}
	c.add(t, `reload = "watch"`, keys...)
	c.add(t, `reload = "watch"`, keys...)
	for period := range 4 {
		c.tickets = nil // what is older than a period has outlived its time
		when := fmt.Sprintf("in period %d", period+1)
		c.collect(t, when)
		next := r.run(t, false)
		if len(next) != 3 || next[0] != keys[1] || next[2] != keys[0] {
			t.Fatalf("turn %d: want the next key first, a new one, and the one before", period+1)
		}
		keys = next
		for n, i := range c.instances {
			c.mounts[n].put(t, linesOf(keys))
			has(t, i, keys...)
			when := fmt.Sprintf("%s, turned up to instance %d", when, n+1)
			c.collect(t, when)
			c.resume(t, when, c.tickets, true)
		}
	}
}

func TestTheRecipeChangesNothingThatItCannotReadOrDoesNotKnow(t *testing.T) {
	t.Parallel()
	r := newTurning(t)
	put := func(text string) {
		t.Helper()
		must(t, os.WriteFile(filepath.Join(r.dir, "secret"), []byte(base64.StdEncoding.EncodeToString([]byte(text))), 0o600))
	}
	one := newSecret()
	put(one.line + "\n")
	if keys := r.run(t, false); len(keys) != 2 || keys[0] != one {
		t.Errorf("one key alone: got %d, want a second behind it", len(keys))
	}
	two := newSecret()
	for _, text := range []string{
		"no key\nno key either\n",
		"# mine\n" + one.line + "\n" + two.line + "\n",
		one.line + "\n\n" + two.line + "\n",
	} {
		put(text)
		if keys := r.run(t, true); len(keys) != len(strings.Fields(text)) {
			t.Errorf("%q: got %q, want it as it was", text, keys)
		}
	}
	put(one.line + "\n" + newSecret().line + "\n")
	must(t, os.WriteFile(filepath.Join(r.dir, "broken"), nil, 0o600))
	if keys := r.run(t, true); len(keys) != 2 || keys[0] != one {
		t.Errorf("a cluster that does not answer: got %d keys, want them as they were", len(keys))
	}
}
