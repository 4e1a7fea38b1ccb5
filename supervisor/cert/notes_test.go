package cert

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/status"
)

// descriptions are as they come: full, empty, and with what has to be escaped.
func descriptions() []Certificate {
	day := time.Date(2026, 2, 28, 23, 59, 59, 0, time.UTC)
	full := Certificate{
		Name: "a.example", Names: []string{"a.example", "*.a.example", "::1"}, Fingerprint: "00ff", NotBefore: day, NotAfter: day.AddDate(0, 3, 0),
		ChainNotAfter: day, ChainLength: 3, Issuer: `CN=Ünder & Söhne <x>,O=a\,b`, Serial: "ff", ChainSHA256: "01", KeySHA256: "02", KeyKind: "ECDSA P-256",
		Source: "/etc/x/a.crt", Digest: "03", Held: true, SelfSigned: true, Anew: true,
		Found: []status.Check{
			{Name: "ext.sct", Severity: info, Certificate: "a.example", File: "/etc/x/a.crt", Message: "not in any log: \"a\"\n\u2028\u007f", Hint: "-"},
			{Name: "key.weak"},
		},
	}
	plain := full
	plain.Issuer, plain.Found, plain.Held, plain.Anew, plain.SelfSigned = "CN=x", nil, false, false, false
	return []Certificate{full, plain, {Names: []string{}}}
}

func TestADescriptionIsReadAsEncodingJSONReadsIt(t *testing.T) {
	t.Parallel()
	for _, c := range descriptions() {
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		r := reading{all: string(text)}
		if got := r.certificate(); !r.ended() || !reflect.DeepEqual(got, c) {
			t.Errorf("%s: got %+v at %q, want %+v without encoding/json", text, got, text[r.at:], c)
		}
	}
}

func TestADescriptionOfANeighbourIsRead(t *testing.T) {
	t.Parallel()
	until := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	far := descriptions()[0]
	far.ChainLength, far.Found = 12, []status.Check{{Name: "time.not_yet", Until: &until}}
	local := descriptions()[1]
	local.NotAfter = local.NotAfter.In(time.FixedZone("", 3600))
	for _, c := range []Certificate{far, local, {}} {
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		more := strings.Replace(string(text), `"names":`, `"mood" : ["all"], "names":`, 1)
		for _, text := range []string{string(text), more, more + "\n"} {
			if got, err := decode([]byte(text)); err != nil || !reflect.DeepEqual(got.Found, c.Found) || got.ChainLength != c.ChainLength || !got.NotAfter.Equal(c.NotAfter) {
				t.Errorf("%s: got %+v, %v", text, got, err)
			}
		}
	}
	for _, text := range []string{"", "{", "null ,", `{"name":1}`} {
		if got, err := decode([]byte(text)); err == nil {
			t.Errorf("%q: got %+v, want an error", text, got)
		}
	}
}

// What is read without encoding/json must be what that reads, and must be JSON.
func FuzzDecode(f *testing.F) {
	for _, c := range descriptions() {
		text, err := json.Marshal(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add([]byte(strings.Replace(string(text), "example", `\x41\a`, 1)))
		f.Add([]byte(strings.Replace(string(text), "example", "\\ud800\xff", 1)))
		f.Add(text[:len(text)/2])
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want Certificate
		wrong := json.Unmarshal(text, &want)
		got, err := decode(text)
		if (err == nil) != (wrong == nil) || err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, %v; want %+v, %v", text, got, err, want, wrong)
		}
	})
}
