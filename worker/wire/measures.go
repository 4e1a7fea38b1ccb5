package wire

import (
	"strconv"
	"time"
)

// Measure names one number that a worker counts in its Meter. Its place there is
// its value: what a release adds goes behind the last one, and none is moved.
type Measure int

// What is measured. Connections count that were accepted for clients; requests
// those that worker.Serve has answered.
const (
	Responses1xx Measure = iota // by class; those that took their connection over are here
	Responses2xx
	Responses3xx
	Responses4xx
	Responses5xx
	Handshakes12 // in full, of TLS 1.2
	Resumed12
	Handshakes13
	Resumed13
	FailedGone              // handshakes: the client closed the connection
	FailedTimeout           // it did not come to an end in time
	FailedName              // the client named a host that no certificate is for
	FailedProtocol          // no TLS, or none that both sides speak
	FailedRejected          // the client does not take our certificate
	FailedClientCertificate // we do not take the client's
	FailedOther
	ConnectionsCut // at graceful_timeout
	AccessLost     // lines of the access log
	DurationSum    // of requests, in microseconds: nanoseconds of ten thousand streams at a time overflow within weeks
	durations      // by DurationBounds; one more for what is longer

	measures = int(durations) + len(durationBounds) + 1
)

// durationBounds are the upper bounds of the buckets in which requests are counted
// by their duration.
var durationBounds = [...]time.Duration{
	500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// DurationBounds returns the upper bounds of Duration's buckets, all but the last.
func DurationBounds() []time.Duration { return durationBounds[:] }

// Duration is the bucket of so many bounds from the first one on.
func Duration(bucket int) Measure { return durations + Measure(bucket) }

var measureNames = func() (names [measures]string) {
	copy(names[:], []string{
		"responses.1xx", "responses.2xx", "responses.3xx", "responses.4xx", "responses.5xx",
		"handshakes.1.2", "resumed.1.2", "handshakes.1.3", "resumed.1.3",
		"failed.gone", "failed.timeout", "failed.name", "failed.protocol", "failed.rejected", "failed.client_certificate", "failed.other",
		"cut", "access_lost", "duration.microseconds",
	})
	for i, bound := range durationBounds {
		names[Duration(i)] = "duration." + strconv.FormatFloat(bound.Seconds(), 'g', -1, 64)
	}
	names[Duration(len(durationBounds))] = "duration.more"
	return names
}()

// String is the name under which masters hand the sum of it on. It is never given
// to another measure.
func (m Measure) String() string { return measureNames[m] }
