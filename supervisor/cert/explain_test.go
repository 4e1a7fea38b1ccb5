package cert

import (
	"slices"
	"strings"
	"testing"
)

// contract is every check with its place: "!" is fixed, "w" warns, "i" informs,
// "o" is off, and what has no mark refuses.
const contract = `
file.missing! file.not_regular! file.too_large! file.unreadable! file.symlink_loop! file.writable_by_others
file.key_world_readable(w) file.key_group_readable(w) file.owner(w) file.symlink(i) file.unlinked(w)
pem.empty! pem.no_certificate! pem.no_key! pem.swapped! pem.undecoded_block! pem.label pem.key_in_cert_file(w) pem.trailing_text(w)
key.encrypted! key.not_private! key.parse! key.multiple key.type key.size key.exponent(w) key.uncommon(w)
pair.mismatch! proof.sign! proof.handshake! cert.parse! cert.serial_long(i)
time.expired time.not_yet time.inverted time.remaining(w) time.long_lived(i) clock.sane(w)
name.missing name.lost name.no_san name.malformed name.control_chars(w) name.duplicate(w) sig.weak tickets.keys!
ext.eku ext.no_eku(i) ext.ku(w) ext.leaf_is_ca ext.critical_unknown ext.must_staple(w)
chain.leaf_not_first! chain.bad_signature chain.issuer_not_ca chain.pathlen chain.name_constraint chain.incomplete chain.expired
chain.message_too_large chain.order(w) chain.duplicate(w) chain.extraneous(w) chain.expires_first(w) chain.too_long(w)
chain.self_signed(w) chain.root_included(i) chain.untrusted(o) chain.issuer_changed(i)
change.none(i) change.chain_only(i) change.key_reused(i) change.older(w) change.held(i)
`

// promised are the rows that the contract asks for.
func promised() map[string]Entry {
	severities := map[string]string{"(w)": warn, "(i)": info, "(o)": off}
	list := map[string]Entry{}
	for _, word := range strings.Fields(contract) {
		e := Entry{Severity: refuse}
		e.Name, e.Fixed = strings.CutSuffix(word, "!")
		for mark, severity := range severities {
			if name, ok := strings.CutSuffix(word, mark); ok {
				e.Name, e.Severity = name, severity
			}
		}
		list[e.Name] = e
	}
	return list
}

func TestTheTableKeepsTheContract(t *testing.T) {
	t.Parallel()
	want := promised()
	for _, got := range Catalogue() {
		e, ok := want[got.Name]
		if e.Reason = got.Reason; !ok || got != e {
			t.Errorf("row %+v; want %+v", got, e)
		}
		delete(want, got.Name)
	}
	for name := range want {
		t.Errorf("no row for %q", name)
	}
}

func TestEveryCheckIsExplained(t *testing.T) {
	t.Parallel()
	for _, e := range Catalogue() {
		text, err := Explain(e.Name)
		if err != nil || !strings.HasPrefix(text, e.Name+": "+e.Severity+"\n") {
			t.Errorf("%s: got %q, %v", e.Name, text, err)
		}
		lines := strings.Split(text, "\n")
		for i, part := range []string{"What: ", "Why: ", "Mend: ", "Move: "} {
			if line := lines[i+1]; !strings.HasPrefix(line, part) || len(line) < len(part)+8 || strings.HasSuffix(line, "..") {
				t.Errorf("%s: line %q; want %q and a sentence", e.Name, line, part)
			}
		}
		if fixed := strings.Contains(text, "it is fixed"); fixed != e.Fixed {
			t.Errorf("%s: says it is fixed: %v; want %v", e.Name, fixed, e.Fixed)
		}
	}
	var extra []string
	for name := range explanations {
		if !slices.ContainsFunc(table, func(k check) bool { return k.name == name }) {
			extra = append(extra, name)
		}
	}
	if len(extra) > 0 {
		t.Errorf("explained and not in the table: %q", extra)
	}
}

func TestAnUnknownCheckIsExplainedByTheNearest(t *testing.T) {
	t.Parallel()
	if _, err := Explain("time.expire"); err == nil || !strings.Contains(err.Error(), `did you mean "time.expired"?`) {
		t.Errorf("got %v; want the nearest", err)
	}
	if _, err := Explain(strings.Repeat("x", 1<<20)); err == nil || len(err.Error()) > 4096 {
		t.Errorf("got an error of %d bytes; want a short one", len(err.Error()))
	}
}

func TestAFindingThatWeighsOtherwiseKeepsItsWeight(t *testing.T) {
	t.Parallel()
	milder, mildest, graver := problem{atMost: warn}, problem{atMost: info}, problem{atLeast: warn}
	for _, s := range []struct {
		p        problem
		severity string
		want     string
	}{
		{problem{}, refuse, refuse},
		{problem{}, info, info},
		{milder, refuse, warn},
		{milder, warn, warn},
		{milder, info, info},
		{mildest, refuse, info},
		{mildest, warn, info},
		{graver, info, warn},
		{graver, warn, warn},
		{graver, refuse, refuse},
	} {
		if got := s.p.weigh(s.severity); got != s.want {
			t.Errorf("%+v at %s weighs %s; want %s", s.p, s.severity, got, s.want)
		}
	}
}
