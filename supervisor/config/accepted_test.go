package config

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"example.com/handover/worker/wire"
)

// acceptedBefore is what a master of the release before had accepted, captured
// from the anchor's store; the paths are changed.
func acceptedBefore(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/accepted_before.json")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// generic returns JSON as maps and lists.
func generic(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func again(t *testing.T, c *Config) map[string]any {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return generic(t, text)
}

func TestAKeyThatTheReleaseBeforeDidNotHaveIsItsDefault(t *testing.T) {
	t.Parallel()
	c := new(Config)
	if err := json.Unmarshal(acceptedBefore(t), c); err != nil {
		t.Fatal(err)
	}
	compare(t, "", again(t, c), generic(t, acceptedBefore(t)), again(t, base()))
	if c.Limits.Header == 0 || c.Timeout == 0 {
		t.Errorf("limits.header %v, timeout %v: got a zero for a key that was missing", c.Limits.Header, c.Timeout)
	}
}

// compare requires every key of got to be that of accepted, and where it has none
// the preset one.
func compare(t *testing.T, path string, got, accepted, preset map[string]any) {
	t.Helper()
	for key, value := range got {
		was, known := accepted[key]
		table, isTable := value.(map[string]any)
		inner, innerKnown := was.(map[string]any)
		switch {
		case isTable && (innerKnown || !known):
			of, _ := preset[key].(map[string]any)
			compare(t, path+key+".", table, inner, of)
		case known && !reflect.DeepEqual(value, was):
			t.Errorf("%s%s: got %v, want %v as it was accepted", path, key, value, was)
		case !known && !reflect.DeepEqual(value, preset[key]):
			t.Errorf("%s%s: got %v, want the default %v", path, key, value, preset[key])
		}
	}
}

func TestAnElementOfAnAcceptedConfigHasItsDefaultsToo(t *testing.T) {
	t.Parallel()
	c := new(Config)
	if err := json.Unmarshal([]byte(`{"Listen":[{"Address":"unix:/a"},{"Address":":80","TLS":false,"Mode":""}]}`), c); err != nil {
		t.Fatal(err)
	}
	first, second := blankListen(), blankListen()
	first.Address = "unix:/a"
	second.Address, second.TLS, second.Mode = ":80", false, ""
	if want := []Listen{first, second}; !reflect.DeepEqual(c.Listen, want) {
		t.Errorf("listeners: got %+v, want %+v", c.Listen, want)
	}
}

func TestAnAcceptedConfigOfANeighbourIsTakenAndOfADistantReleaseRefused(t *testing.T) {
	t.Parallel()
	rest := `,"Workers":3,"Weather":{"Wind":1},"TLS":{"SNI":"san","Mood":[]},"Listen":[{"Address":":80","Shoes":9}]}`
	for version, want := range map[string]bool{"1": true, "2": true, "3": true, "0": false, "4": false} {
		c := new(Config)
		err := json.Unmarshal([]byte(`{"v":`+version+rest), c)
		if (err == nil) != want {
			t.Errorf("version %s: got %v, want it taken: %v", version, err, want)
		}
		if err == nil && (c.Workers != 3 || c.TLS.SNI != "san" || c.TLS.MinVersion != "1.2" || c.Listen[0].Address != ":80") {
			t.Errorf("version %s: got %+v, want what both know", version, c)
		}
		if err != nil && !strings.Contains(err.Error(), wire.HintRestart) {
			t.Errorf("version %s: got %v, want what to do", version, err)
		}
	}
	if got := again(t, Default())["v"]; got != float64(wire.Version) {
		t.Errorf("a config says version %v, want %d", got, wire.Version)
	}
}

func FuzzAccepted(f *testing.F) {
	f.Add(acceptedBefore(f))
	text, err := json.Marshal(Default())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"v":3,"Weather":1,"Listen":[{"Shoes":9},null],"TLS":null,"Limits":{"Header":"1s"}}`))
	f.Add([]byte(`{"v":4,"Workers":"many"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := new(Config)
		if json.Unmarshal(text, c) == nil {
			sameAfterJSON(t, c)
		}
	})
}
