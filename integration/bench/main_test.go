package bench

import (
	"testing"

	"example.com/handover/integration/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
