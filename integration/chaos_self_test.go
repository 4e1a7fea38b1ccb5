package integration

import (
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

func TestAnOrdealKnowsWhichCertificateMayStillBeShown(t *testing.T) {
	t.Parallel()
	pair := func(name string) harness.Pair { return harness.Pair{Fingerprint: name} }
	seen := func(name string) []harness.Sighting {
		return []harness.Sighting{{Fingerprint: name, Dialled: time.Now()}}
	}
	var o offers
	o.add(pair("first"))
	o.add(pair("second"))
	for _, name := range []string{"first", "second"} {
		if err := o.shown(seen(name)); err != nil {
			t.Errorf("%s, while both may be served: %v", name, err)
		}
	}
	before := seen("first")
	o.taken(pair("second"))
	if err := o.shown(before); err != nil {
		t.Errorf("first, to one who dialled before the second was taken: %v", err)
	}
	o.add(pair("third"))
	for _, name := range []string{"first", "never offered"} {
		if o.shown(seen(name)) == nil || o.served(name) == nil {
			t.Errorf("%s, after the second was taken: no error, want one", name)
		}
	}
	if err := o.served("third"); err != nil || o.last().Fingerprint != "third" || o.shown(seen("second")) == nil {
		t.Errorf("the third was served (%v): want nothing older from then on, and it to be the last", err)
	}
}

func TestAnOrdealBlamesALossOnNobodyButTheKilled(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1})
	o := &ordeal{t: t, i: i}
	c, err := i.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Do("GET", "/health", nil); err != nil {
		t.Fatal(err)
	}
	loss := func(c *harness.Conn) harness.Loss { return harness.Loss{At: time.Now(), Stage: "read", On: c.Sighting} }
	if got := o.attribute(loss(c)); got != "" {
		t.Errorf("before anybody was killed: blamed on %q, want nobody", got)
	}
	o.strikeDead("worker")
	if got := o.attribute(loss(c)); got != "worker" {
		t.Errorf("a connection of the killed worker: blamed on %q, want the worker", got)
	}
	if err := c.Send("GET", "/health", nil); err == nil {
		err = c.Begun()
		if err == nil {
			t.Error("the killed worker has answered")
		}
	}
	i.Until(t, "another worker", within, harness.Serving)
	later, err := i.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer later.Close()
	for name, l := range map[string]harness.Loss{
		"a connection of its successor": loss(later),
		"a refused dial":                {At: time.Now(), Stage: "dial", Err: syscall.ECONNREFUSED},
	} {
		if got := o.attribute(l); got != "" {
			t.Errorf("%s: blamed on %q, want nobody", name, got)
		}
	}
}
