package bench

import "time"

// Report is what one run has measured.
type Report struct {
	Date     time.Time         `json:"date"`
	Machine  string            `json:"machine"` // processor, cores, kernel
	Commit   string            `json:"commit"`
	Versions map[string]string `json:"versions"` // by peer
	Figures  []*Figure         `json:"figures"`
}

// Figure is one thing that was measured of several peers.
type Figure struct {
	Name    string               `json:"name"`           // "HUP to first new certificate, 2 workers"
	Section string               `json:"section"`        // under which the table shows it
	Unit    string               `json:"unit"`           // "ms", "1/s", "MB", "µs", ""
	Against string               `json:"against"`        // the peer that the ratio is set to; "": none
	More    bool                 `json:"more"`           // more is better
	Goal    string               `json:"goal,omitempty"` // what is wanted of Handover, in words
	Samples map[string][]float64 `json:"samples"`        // by peer, in the order of the rounds
}

// Add adds what a peer did in a round to the figure of that name.
func (f *Figure) Add(peer string, sample float64) {
	if f.Samples == nil {
		f.Samples = map[string][]float64{}
	}
	f.Samples[peer] = append(f.Samples[peer], sample)
}
