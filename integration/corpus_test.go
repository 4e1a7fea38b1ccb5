package integration

import (
	"slices"
	"testing"

	"example.com/handover/integration/corpus"
)

// catalogue is the name of every check: a contract with users.
var catalogue = []string{
	"file.missing", "file.not_regular", "file.too_large", "file.unreadable", "file.symlink_loop", "file.writable_by_others",
	"file.key_world_readable", "file.key_group_readable", "file.owner", "file.symlink", "file.unlinked",
	"pem.empty", "pem.no_certificate", "pem.no_key", "pem.swapped", "pem.undecoded_block", "pem.label", "pem.key_in_cert_file", "pem.trailing_text",
	"key.encrypted", "key.not_private", "key.parse", "key.multiple", "key.type", "key.size", "key.exponent", "key.uncommon",
	"pair.mismatch", "proof.sign", "proof.handshake", "cert.parse", "cert.serial_long",
	"time.expired", "time.not_yet", "time.inverted", "time.remaining", "time.long_lived", "clock.sane",
	"name.missing", "name.lost", "name.no_san", "name.malformed", "name.control_chars", "name.duplicate",
	"sig.weak", "tickets.keys", "ext.eku", "ext.no_eku", "ext.ku", "ext.leaf_is_ca", "ext.critical_unknown", "ext.must_staple",
	"chain.leaf_not_first", "chain.bad_signature", "chain.issuer_not_ca", "chain.pathlen", "chain.name_constraint", "chain.incomplete",
	"chain.expired", "chain.message_too_large", "chain.order", "chain.duplicate", "chain.extraneous", "chain.expires_first", "chain.too_long",
	"chain.self_signed", "chain.root_included", "chain.untrusted", "chain.issuer_changed",
	"change.none", "change.chain_only", "change.key_reused", "change.older",
}

func TestTheCorpusHasAnInputForEveryCheckAndKnowsNoOther(t *testing.T) {
	t.Parallel()
	wanted, ids := map[string]bool{}, map[string]bool{}
	all := corpus.All()
	for _, input := range all {
		if ids[input.ID] {
			t.Errorf("%s: there are two of it", input.ID)
		}
		ids[input.ID] = true
		if input.What == "" || input.Layout == nil {
			t.Errorf("%s: no sentence or no layout", input.ID)
		}
		for _, f := range input.Wants {
			wanted[f.Name] = true
		}
		for _, name := range slices.Concat(input.Mays, input.Nevers) {
			if !slices.Contains(catalogue, name) {
				t.Errorf("%s: no check is called %q", input.ID, name)
			}
		}
	}
	for _, name := range catalogue {
		if !wanted[name] {
			t.Errorf("no input for %s", name)
		}
		delete(wanted, name)
	}
	for name := range wanted {
		t.Errorf("no check is called %q", name)
	}
	if len(all) < 140 {
		t.Errorf("%d inputs, want 140 at least", len(all))
	}
	t.Logf("%d inputs for %d checks", len(all), len(catalogue))
}
