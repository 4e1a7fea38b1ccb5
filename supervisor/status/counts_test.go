package status

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestNoFieldOfWhatIsCountedIsEverTakenAway(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of   any
		want string
	}{
		{Status{}, "failing exits requests reloads workers_wanted booting traffic counts"},
		{Master{}, "pid version go rss_bytes"},
		{Traffic{}, "responses request_duration_seconds handshakes handshakes_resumed handshake_errors connections_cut access_log_lines_lost"},
		{Counts{}, "worker_boot_seconds reload_seconds findings master_restarts log_lines_lost connections_lost last_attempt last_success last_failed"},
		{Histogram{}, "bounds counts sum"},
	} {
		kind := reflect.TypeOf(c.of)
		var got []string
		for i := range kind.NumField() {
			name, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
			got = append(got, name)
		}
		for _, want := range strings.Fields(c.want) {
			if !slices.Contains(got, want) {
				t.Errorf("%s has the fields %q, want %s among them", kind.Name(), got, want)
			}
		}
	}
}
