package worker

import (
	"crypto/tls"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"example.com/handover/worker/wire"
)

// How long what a client says may be in a line, which together stays below what
// pipes keep in one piece. What is longer is cut.
const (
	maxMethod  = 32
	maxTarget  = 2048
	maxHost    = 256
	maxReferer = 512
	maxAgent   = 512
)

// accessEntry is one request. What a handler may change is noted before it runs.
type accessEntry struct {
	began                               time.Time
	remote, method, target, proto, host string
	referer, agent, tls                 string
	status                              int
	bytes                               int64
	duration                            time.Duration
	aborted                             bool // the handler panicked
}

func newAccessEntry(r *http.Request, now time.Time) accessEntry {
	e := accessEntry{
		began: now, method: r.Method, target: r.RequestURI, proto: r.Proto, host: r.Host,
		referer: r.Referer(), agent: r.UserAgent(),
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil { // a unix socket has none
		e.remote = host
	}
	if r.TLS != nil {
		e.tls = strings.TrimPrefix(tls.VersionName(r.TLS.Version), "TLS ")
	}
	return e
}

// accessFormat is how lines look: the Combined Log Format with two more fields,
// or JSON.
type accessFormat struct {
	json             bool
	slot, generation int64
}

func newAccessFormat(s wire.Settings) accessFormat {
	return accessFormat{json: s.LogFormat == "json", slot: int64(s.Slot), generation: int64(s.Generation)}
}

// line appends the line of a request to b.
func (f accessFormat) line(b []byte, e *accessEntry) []byte {
	if f.json {
		return f.object(b, e)
	}
	return f.combined(b, e)
}

func (f accessFormat) combined(b []byte, e *accessEntry) []byte {
	b = appendWord(b, e.remote, maxHost)
	b = append(b, " - - ["...)
	b = e.began.AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, "] \""...)
	b = appendText(b, e.method, maxMethod)
	b = append(b, ' ')
	b = appendText(b, e.target, maxTarget)
	b = append(b, ' ')
	b = append(b, e.proto...)
	b = append(b, "\" "...)
	b = strconv.AppendInt(b, int64(e.status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, e.bytes, 10)
	b = append(b, " \""...)
	b = appendWord(b, e.referer, maxReferer)
	b = append(b, "\" \""...)
	b = appendWord(b, e.agent, maxAgent)
	b = append(b, "\" "...)
	b = appendMilliseconds(b, e.duration)
	b = append(b, "ms "...)
	b = strconv.AppendInt(b, f.generation, 10)
	b = append(b, '.')
	b = strconv.AppendInt(b, f.slot, 10)
	if e.aborted {
		b = append(b, " aborted"...)
	}
	return append(b, '\n')
}

func (f accessFormat) object(b []byte, e *accessEntry) []byte {
	member := func(name, value string, limit int) {
		b = append(b, `,"`...)
		b = append(b, name...)
		b = append(b, `":"`...)
		b = appendJSON(b, value, limit)
		b = append(b, '"')
	}
	number := func(name string, value int64) {
		b = append(b, `,"`...)
		b = append(b, name...)
		b = append(b, `":`...)
		b = strconv.AppendInt(b, value, 10)
	}
	b = append(b, `{"time":"`...)
	b = e.began.AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
	b = append(b, '"')
	member("remote", e.remote, maxHost)
	member("method", e.method, maxMethod)
	member("path", e.target, maxTarget)
	member("proto", e.proto, maxMethod)
	number("status", int64(e.status))
	number("bytes", e.bytes)
	b = append(b, `,"duration_ms":`...)
	b = appendMilliseconds(b, e.duration)
	member("referer", e.referer, maxReferer)
	member("user_agent", e.agent, maxAgent)
	member("host", e.host, maxHost)
	member("tls", e.tls, maxMethod)
	number("worker", f.slot)
	number("generation", f.generation)
	if e.aborted {
		b = append(b, `,"aborted":true`...)
	}
	return append(b, "}\n"...)
}

func appendMilliseconds(b []byte, d time.Duration) []byte {
	return strconv.AppendFloat(b, float64(d)/float64(time.Millisecond), 'f', 3, 64)
}

const hexDigits = "0123456789abcdef"

// appendWord is appendText with a dash for nothing.
func appendWord(b []byte, s string, limit int) []byte {
	if s == "" {
		return append(b, '-')
	}
	return appendText(b, s, limit)
}

// appendText appends s so that it neither ends its quotes nor the line, nor does
// anything to a terminal: what is not printable ASCII is written as \x00.
func appendText(b []byte, s string, limit int) []byte {
	end := len(b) + limit
	for i := range len(s) {
		if len(b)+4 > end {
			return append(b, "..."...)
		}
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c > '~':
			b = append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}

// appendJSON appends s as the inside of a JSON string.
func appendJSON(b []byte, s string, limit int) []byte {
	end := len(b) + limit
	for len(s) > 0 {
		if len(b)+6 > end {
			return append(b, "..."...)
		}
		c, size := utf8.DecodeRuneInString(s)
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c < ' ' || c >= 0x7f && c <= 0x9f:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = utf8.AppendRune(b, c) // U+FFFD for what is no UTF-8
		}
		s = s[size:]
	}
	return b
}
