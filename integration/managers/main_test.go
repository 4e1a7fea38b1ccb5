package managers

import (
	"flag"
	"testing"

	"example.com/handover/integration/harness"
)

// Most of these tests wait for a manager's own pace: more of them than there are
// processors run side by side, unless somebody says otherwise.
func TestMain(m *testing.M) {
	flag.Parse()
	if given := flag.Lookup("test.parallel"); given.Value.String() == given.DefValue {
		if err := given.Value.Set("4"); err != nil {
			panic("BUG: the testing package takes no number of parallel tests: " + err.Error())
		}
	}
	harness.Main(m)
}
