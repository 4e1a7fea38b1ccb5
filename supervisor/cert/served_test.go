package cert

import (
	"slices"
	"testing"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
)

func TestOfTwoCertificatesOfOneNameEachIsHeldAgainstItsOwnPlace(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	one, two := t.TempDir(), t.TempDir()
	for dir, name := range map[string]string{one: "one.example.org", two: "two.example.org"} {
		chain, key := a.issue(forNames(name))
		write(t, dir+"/same.crt", chain)
		write(t, dir+"/same.key", key)
	}
	r := Request{Sources: []config.Certificate{{Dir: one}, {Dir: two}}}
	before, _, err := Take(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	r.Served = before.Published()
	other := t.TempDir() // comes first now, so the places have moved
	a.put(t, other, "x")
	r.Sources = slices.Insert(r.Sources, 0, config.Certificate{Dir: other})
	b, checks, err := Take(t.Context(), r)
	verify(t, b, checks, err, nil, "")
	if slices.ContainsFunc(checks, func(c status.Check) bool { return c.Name == "name.lost" }) {
		t.Errorf("found %+v; want nothing lost", checks)
	}
	r.Served = slices.Clone(r.Served)
	slices.Reverse(r.Served)
	b, checks, err = Take(t.Context(), r)
	verify(t, b, checks, err, nil, "")
}

// What stands beside the pairs must not move the places of those.
func TestANameIsLostThoughAuthoritiesAndTicketKeysAreTakenToo(t *testing.T) {
	t.Parallel()
	r, path := withTickets(t)
	write(t, path, []byte(ticketLine()))
	a := newAuthority(t)
	r.TLS.ClientCA = t.TempDir() + "/ca.pem"
	write(t, r.TLS.ClientCA, certPEM(a.root))
	before, _, err := Take(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	r.Served = before.Published()
	chain, key := a.issue(forNames("elsewhere.example"))
	r.Sources = []config.Certificate{pairIn(t, chain, key)} // of another file and for another name
	b, checks, err := Take(t.Context(), r)
	verify(t, b, checks, err, []string{"name.lost"}, "")
}
