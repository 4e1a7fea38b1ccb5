package cert

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"example.com/handover/supervisor/status"
)

// decode reads a description as encode has written it. A master that takes over
// begins by reading those of all pairs, while clients wait for what it will serve,
// and encoding/json takes most of that time. What looks only a little different,
// as from a neighbouring release, is left to encoding/json.
func decode(notes []byte) (Certificate, error) {
	r := reading{all: string(notes)}
	if c := r.certificate(); r.ended() {
		return c, nil
	}
	var c Certificate
	err := json.Unmarshal(notes, &c)
	return c, err
}

// reading is a description, and how far it has been read. What is read of it shares
// its memory.
type reading struct {
	all   string
	at    int
	wrong bool // it is not as encode writes it; what was read is of no use
}

func (r *reading) ended() bool { return !r.wrong && r.at == len(r.all) }

// certificate reads the fields in their order, of which some may be left out.
func (r *reading) certificate() (c Certificate) {
	c.Name = r.text(`{"name":`)
	c.Names = r.texts(`,"names":`)
	c.Fingerprint = r.text(`,"fingerprint":`)
	c.NotBefore = r.time(`,"not_before":`)
	c.NotAfter = r.time(`,"not_after":`)
	c.ChainNotAfter = r.time(`,"chain_not_after":`)
	c.ChainLength = r.digit(`,"chain_length":`)
	c.Issuer = r.text(`,"issuer":`)
	c.Serial = r.text(`,"serial":`)
	c.ChainSHA256 = r.text(`,"chain_sha256":`)
	c.KeySHA256 = r.text(`,"key_sha256":`)
	c.KeyKind = r.text(`,"key_kind":`)
	c.Source = r.text(`,"source":`)
	if r.next(`,"digest":`) {
		c.Digest = r.text("")
	}
	c.Held = r.next(`,"held":true`)
	c.SelfSigned = r.next(`,"self_signed":true`)
	if !c.SelfSigned {
		r.expect(`,"self_signed":false`)
	}
	if r.next(`,"found":[`) {
		c.Found = r.findings()
	}
	c.Anew = r.next(`,"anew":true`)
	r.expect("}")
	return c
}

// findings reads a list that has at least one, up to its end.
func (r *reading) findings() (list []status.Check) {
	for {
		list = append(list, status.Check{
			Name: r.text(`{"name":`), Severity: r.text(`,"severity":`), Certificate: r.text(`,"certificate":`),
			File: r.text(`,"file":`), Message: r.text(`,"message":`), Hint: r.text(`,"hint":`),
		})
		r.expect("}")
		if r.wrong || !r.next(",") {
			r.expect("]")
			return list
		}
	}
}

// next says whether this comes next, and passes over it if it does.
func (r *reading) next(literal string) bool {
	if !strings.HasPrefix(r.all[r.at:], literal) {
		return false
	}
	r.at += len(literal)
	return true
}

func (r *reading) expect(literal string) { r.wrong = r.wrong || !r.next(literal) }

// text reads a string behind a literal.
func (r *reading) text(behind string) string {
	r.expect(behind)
	r.expect(`"`)
	end, plain := r.quote()
	if r.wrong {
		return ""
	}
	s := r.all[r.at:end]
	r.at = end + 1
	if plain {
		return s
	}
	unquoted, err := strconv.Unquote(`"` + s + `"`)
	r.wrong = err != nil || !utf8.ValidString(s)
	return unquoted
}

// escapes are those that mean the same in JSON and in Go.
const escapes = `"\\bfnrtu`

// marked are the bytes of a string that do not stand for themselves, or for which a
// closer look is needed.
var marked = func() (table [256]bool) {
	for c := range table {
		table[c] = c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf
	}
	return table
}()

// quote finds the end of a string, and says whether it stands for itself.
func (r *reading) quote() (end int, plain bool) {
	plain = true
	for end = r.at; end < len(r.all); end++ {
		c := r.all[end]
		if !marked[c] {
			continue
		}
		switch {
		case c == '"':
			return end, plain
		case c < ' ':
			r.wrong = true
		case c == '\\':
			end++
			r.wrong = r.wrong || end == len(r.all) || strings.IndexByte(escapes, r.all[end]) < 0
		}
		plain = false
	}
	r.wrong = true
	return 0, false
}

// texts reads a list of strings.
func (r *reading) texts(behind string) []string {
	r.expect(behind + "[")
	if r.next("]") {
		return []string{}
	}
	var few [8]string
	list := append(few[:0], r.text(""))
	for !r.wrong && !r.next("]") {
		list = append(list, r.text(","))
	}
	return slices.Clone(list)
}

func (r *reading) time(behind string) (t time.Time) {
	r.wrong = r.wrong || t.UnmarshalText([]byte(r.text(behind))) != nil
	return t
}

// digit reads a number below ten.
func (r *reading) digit(behind string) int {
	r.expect(behind)
	if r.wrong || r.at == len(r.all) || r.all[r.at] < '0' || r.all[r.at] > '9' {
		r.wrong = true
		return 0
	}
	n := int(r.all[r.at] - '0')
	r.at++
	return n
}
