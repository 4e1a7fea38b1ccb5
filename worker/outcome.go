package worker

import (
	"net/http"
	"time"

	"example.com/handover/worker/wire"
)

// outcome is what the meter is told of a request. It lies in what wraps the
// handler's http.ResponseWriter, so that it costs no memory of its own.
type outcome struct {
	began    time.Duration // since the roster began
	status   int           // 0: none was said
	returned bool          // the handler did not panic
	apart    bool          // it took the connection over
}

// note takes the status of a header that is written. Informational ones are no
// answer, but for that of a switched protocol.
func (o *outcome) note(code int) {
	if o.status == 0 && (code >= http.StatusOK || code == http.StatusSwitchingProtocols) {
		o.status = code
	}
}

// take notes that the connection is the handler's.
func (o *outcome) take() {
	o.note(http.StatusSwitchingProtocols)
	o.apart = true
}

// answered counts a request of a client that is over: as the access log has it. One
// that took its connection over lasts as long as that, which is no time to answer.
func (s *server) answered(r *http.Request, o *outcome) {
	if !o.apart {
		s.meter.Observe(s.roster.now() - o.began)
	}
	s.meter.Add(classOf(o.code(r)), 1)
	if s.slot.Requests.Add(1) == uint64(s.settings.MaxRequests) {
		go func() { _ = s.say(wire.Message{Kind: wire.KindSpent}) }() // no answer waits for the master
	}
	s.handlers.end()
}

// code is the status that the client got, or would have got.
func (o *outcome) code(r *http.Request) int {
	switch {
	case o.status != 0:
		return o.status
	case !o.returned:
		return http.StatusInternalServerError
	case r.Context().Err() != nil:
		return statusGone
	default:
		return http.StatusOK
	}
}

// classOf returns where a status is counted. A handler may have made one up.
func classOf(status int) wire.Measure {
	return wire.Responses1xx + wire.Measure(min(max(status/100, 1), 5)-1)
}
